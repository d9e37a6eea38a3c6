"""The rows of the paper's tables at small scale: changes of one base config, the paper's AP, and the claims."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from mmengine import Config

from projects.paper import changes as change
from projects.studies.verdict import Claim

Change = Callable[[Config, argparse.Namespace], None]


@dataclass(frozen=True)
class Row:
    """A row: its changes of the base config, the paper's AP, and whether it trains on the few photographs alone."""

    changes: tuple[Change, ...]
    paper: float | None = None
    few: bool = False


@dataclass(frozen=True)
class Table:
    """A table: epochs of each run, and its rows; `parts` lists the rows that are compared with each other."""

    title: str
    epochs: int
    rows: dict[str, Row]
    claims: tuple[Claim, ...]
    parts: dict[str, list[str]] = field(default_factory=dict)
    prerequisites: dict[str, tuple[Row, int]] = field(default_factory=dict)  # run once: row and epochs


def difference(text: str, more: str, less: str, paper: float | None = None) -> Claim:
    """The claim that one row has a higher AP than another."""
    return Claim(text, {more: 1, less: -1}, paper)


SIZES = {
    '0.7 M ViT': dict(depth=4, embed_dim=96, num_heads=3),
    '3 M ViT': dict(depth=6, embed_dim=192, num_heads=3),
    '8 M ViT': dict(depth=9, embed_dim=256, num_heads=4),
}
SMALL, MIDDLE, LARGE = SIZES
BACKBONES = {**{name: change.vit(**size) for name, size in SIZES.items()}, 'ResNet': change.resnet}
TABLE_2 = {SMALL: (0.738, 0.735), MIDDLE: (0.758, 0.755), LARGE: (0.783, 0.782), 'ResNet': (0.718, 0.531)}
DECODERS = {'classic': (), 'simple': (change.simple_decoder,)}

DEEP = change.vit(depth=8, embed_dim=96, num_heads=3)
WINDOW = dict(window_size=(4, 4))
ATTENTION = {
    'full': ('full', 0.774),
    'window': (WINDOW, 0.664),
    'window + shift': (dict(WINDOW, shift=True), 0.764),
    'window + pool': (dict(WINDOW, pool=True), 0.764),
    'window + shift + pool': (dict(WINDOW, shift=True, pool=True), 0.768),
    'window + full every quarter': (dict(WINDOW, full_every_quarter=True), 0.769),
    'larger window + shift + pool': (dict(window_size=(8, 6), shift=True, pool=True), 0.771),
}
INPUTS = {(64, 48): None, (128, 96): 0.758, (128, 128): 0.758, (192, 144): 0.769}
STUDENT = BACKBONES[SMALL]
TRANSFER = {
    'alone': ((), 0.758),
    '+ token': ((change.token,), 0.760),
    '+ output': ((change.teacher,), 0.763),
    '+ both': ((change.token, change.teacher), 0.766),
}
PHOTOGRAPHS = {'few photographs': True, 'all photographs': False}

TABLES = {
    2: Table(
        'Decoders and sizes of the backbone',
        epochs=3,
        rows={
            f'{backbone}, {decoder}': Row((own, *more), TABLE_2[backbone][decoder == 'simple'])
            for backbone, own in BACKBONES.items()
            for decoder, more in DECODERS.items()
        },
        claims=(
            *(
                Claim(
                    f'the simple decoder costs the {size} less AP than the ResNet',
                    {'ResNet, classic': 1, 'ResNet, simple': -1, f'{size}, classic': -1, f'{size}, simple': 1},
                    round(0.718 - 0.531 - TABLE_2[size][0] + TABLE_2[size][1], 3),
                )
                for size in SIZES
            ),
            difference(f'{MIDDLE} better than {SMALL}', f'{MIDDLE}, classic', f'{SMALL}, classic', 0.020),
            difference(f'{LARGE} better than {MIDDLE}', f'{LARGE}, classic', f'{MIDDLE}, classic', 0.025),
        ),
    ),
    4: Table(
        'Input sizes',
        epochs=3,
        rows={f'{h}x{w}': Row((STUDENT, change.resize(h, w)), paper) for (h, w), paper in INPUTS.items()},
        claims=(
            difference('128x96 better than 64x48', '128x96', '64x48'),
            difference('192x144 better than 128x96', '192x144', '128x96', 0.011),
            difference('192x144 better than 128x128', '192x144', '128x128', 0.011),
        ),
    ),
    5: Table(
        'Attention at 1/8 features',
        epochs=2,
        rows={name: Row((DEEP, change.attention(kind)), paper) for name, (kind, paper) in ATTENTION.items()},
        claims=(
            difference('full attention better than windows', 'full', 'window', 0.110),
            difference('windows gain by the shift', 'window + shift', 'window', 0.100),
            difference('windows gain by pooled tokens', 'window + pool', 'window', 0.100),
            difference('both better than the shift', 'window + shift + pool', 'window + shift', 0.004),
            difference('both better than pooled tokens', 'window + shift + pool', 'window + pool', 0.004),
            difference('windows gain by four full blocks', 'window + full every quarter', 'window', 0.105),
            difference('larger windows better', 'larger window + shift + pool', 'window + shift + pool', 0.003),
        ),
    ),
    7: Table(
        'Several datasets',
        epochs=6,
        rows={
            'few photographs': Row((STUDENT,), 0.758, few=True),
            '+ COCO': Row((STUDENT, change.rendered('coco')), 0.770, few=True),
            '+ COCO, AIC, MPII': Row((STUDENT, change.rendered('coco', 'aic', 'mpii')), 0.771, few=True),
        },
        claims=(
            difference('gain by rendered COCO', '+ COCO', 'few photographs', 0.012),
            difference('gain by rendered COCO, AIC and MPII', '+ COCO, AIC, MPII', 'few photographs', 0.013),
            difference('AIC and MPII add to COCO', '+ COCO, AIC, MPII', '+ COCO', 0.001),
        ),
    ),
    8: Table(
        'Knowledge distillation',
        epochs=2,
        rows={
            f'{name}, {part}': Row((STUDENT, *own), paper, few)
            for part, few in PHOTOGRAPHS.items()
            for name, (own, paper) in TRANSFER.items()
        },
        claims=tuple(
            difference(f'gain by {name[2:]}, {part}', f'{name}, {part}', f'alone, {part}', round(paper - 0.758, 3))
            for part in PHOTOGRAPHS
            for name, (_, paper) in TRANSFER.items()
            if name != 'alone'
        ),
        parts={part: [f'{name}, {part}' for name in TRANSFER] for part in PHOTOGRAPHS},
        prerequisites={
            'teacher': (Row((BACKBONES[MIDDLE], change.pretrained)), 20),
            'teacher with token': (Row((BACKBONES[MIDDLE], change.train_token)), 1),
        },
    ),
}


def config_of(table: int, name: str, seed: int, args: argparse.Namespace) -> Config:
    """The config of one run.

    Args:
        table: number of the table.
        name: of a row, or of a prerequisite.
        seed: of weights, order, augmentation and, for the few photographs, their choice.
        args: `data`, `out`, `photographs` (folder of the annotation files), `labels` (number of training photographs),
            `dtype`, `steps` (None: as planned) and `pretrained`.
    """
    planned = TABLES[table]
    row, epochs = planned.prerequisites.get(name) or (planned.rows[name], planned.epochs)
    config = change.base(args)
    config.randomness.seed = seed
    config.train_dataloader.dataset.ann_file = str(args.photographs / (f'few_{seed}.json' if row.few else 'all.json'))
    if args.steps is not None:
        epochs = -(-args.steps // change.steps_per_epoch(args))
    change.schedule(config, epochs)
    for each in row.changes:
        each(config, args)
    return config


def folder_of(table: int, name: str, seed: int) -> str:
    """The name of a run's folder and of its result file."""
    return f'table{table}_{"-".join(name.replace("+", "with").replace(",", "").split())}_seed{seed}'


def checkpoint_of(folder: Path, config: Config) -> Path:
    """The last checkpoint of a run."""
    return folder / f'epoch_{config.train_cfg.max_epochs}.pth'
