"""The rows of the paper's tables at small scale: changes of one base config, the paper's AP, and the claims."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass, field

from mmengine import Config

from projects.paper import changes as change
from projects.studies.verdict import Claim


@dataclass(frozen=True)
class Row:
    """A row of a table, or a prerequisite of rows.

    Attributes:
        changes: of the base config.
        paper: the paper's AP, None where it has no such row.
        needs: names of the table's prerequisites whose weights it uses.
        longer: how many times as many steps as the table's other rows; such a row has one seed, and no claim.
        base: the base config.
    """

    changes: tuple[change.Change, ...] = ()
    paper: float | None = None
    needs: tuple[str, ...] = ()
    longer: int = 1
    base: Callable[[argparse.Namespace], Config] = change.base


@dataclass(frozen=True)
class Table:
    """A table: what all its runs share, its rows, and the claims that they decide.

    Attributes:
        title: what the table is about.
        epochs: of each run.
        batch: people per step, of Leeds Sports Pose in table 7.
        rows: the rows, by name.
        claims: what the paper claims.
        seeds: runs of each row.
        changes: of all rows, before their own.
        parts: rows that are compared with each other; all by default.
        prerequisites: trainings that are run once, and their epochs.
    """

    title: str
    epochs: int
    batch: int
    rows: dict[str, Row]
    claims: tuple[Claim, ...]
    seeds: int = 3
    changes: tuple[change.Change, ...] = ()
    parts: dict[str, list[str]] = field(default_factory=dict)
    prerequisites: dict[str, tuple[Row, int]] = field(default_factory=dict)


def gain(text: str, more: str, less: str, paper: float | None = None) -> Claim:
    """The claim that one row has a higher AP than another."""
    return Claim(text, {more: 1, less: -1}, paper)


# size: its blocks, and the paper's AP of S, B and L with the classic and with the simple decoder
SIZES = {'4 blocks': (4, 0.738, 0.735), '8 blocks': (8, 0.758, 0.755), '12 blocks': (12, 0.783, 0.782)}
CNN, CNN_PAPER = 'ResNet-34', (0.718, 0.531)  # the paper's is a ResNet-50
MASKED, FROM_RANDOM, FROM_DINOV2 = 'MAE on crops', 'MAE from random weights', 'MAE from DINOv2'
FULL = 'full attention, trained'
WINDOW = dict(window_size=(6, 6))
ATTENTION = {
    'full': ('full', 0.774),
    'window': (WINDOW, 0.664),
    'window + shift': (dict(WINDOW, shift=True), 0.764),
    'window + pool': (dict(WINDOW, pool=True), 0.764),
    'window + shift + pool': (dict(WINDOW, shift=True, pool=True), 0.768),
    'window + full every quarter': (dict(WINDOW, full_every_quarter=True), 0.769),
    'larger window + shift + pool': (dict(window_size=(12, 9), shift=True, pool=True), 0.771),
}
EVERYBODY = ('lspet', 'coco', 'everyday')
TRANSFER = {
    'alone': Row((), 0.758),
    '+ token': Row((change.token,), 0.760, ('teacher with token',)),
    '+ output': Row((change.teacher,), 0.763, ('teacher',)),
    '+ both': Row((change.token, change.teacher), 0.766, ('teacher with token', 'teacher')),
}
PHOTOGRAPHS = {'all photographs': (), '300 photographs': (change.people('few_{seed}.json'),)}

TABLES = {  # the most wanted first
    8: Table(
        'Knowledge distillation',
        epochs=3,
        batch=24,
        rows={
            f'{name}, {part}': Row((change.blocks(4), *own, *row.changes), row.paper, row.needs)
            for part, own in PHOTOGRAPHS.items()
            for name, row in TRANSFER.items()
        },
        claims=tuple(
            gain(f'gain by {name[2:]}, {part}', f'{name}, {part}', f'alone, {part}', round((row.paper or 0) - 0.758, 3))
            for part in PHOTOGRAPHS
            for name, row in TRANSFER.items()
            if name != 'alone'
        ),
        seeds=5,
        parts={part: [f'{name}, {part}' for name in TRANSFER] for part in PHOTOGRAPHS},
        prerequisites={
            'teacher': (Row(), 3),
            'teacher with token': (Row((change.load('teacher'), change.train_token), needs=('teacher',)), 1),
        },
    ),
    5: Table(
        'Attention at 1/8 features',
        epochs=1,
        batch=16,
        rows={
            name: Row((change.attention(kind), change.load(FULL)), paper, (FULL,))
            for name, (kind, paper) in ATTENTION.items()
        },
        claims=(
            gain('full attention better than windows', 'full', 'window', 0.110),
            gain('windows gain by the shift', 'window + shift', 'window', 0.100),
            gain('windows gain by pooled tokens', 'window + pool', 'window', 0.100),
            gain('shift and pool better than the shift alone', 'window + shift + pool', 'window + shift', 0.004),
            gain('shift and pool better than pooled tokens alone', 'window + shift + pool', 'window + pool', 0.004),
            gain('windows gain by four full blocks', 'window + full every quarter', 'window', 0.105),
            gain('larger windows better', 'larger window + shift + pool', 'window + shift + pool', 0.003),
        ),
        changes=(change.blocks(8), change.resize(192, 144)),
        prerequisites={FULL: (Row((change.attention('full'),)), 3)},
    ),
    3: Table(
        'Data of the pre-training',
        epochs=2,
        batch=32,
        rows={
            'DINOv2': Row((), 0.758),
            'DINOv2, then MAE on crops': Row((change.start(FROM_DINOV2),), needs=(FROM_DINOV2,)),
            MASKED: Row((change.start(FROM_RANDOM),), 0.745, (FROM_RANDOM,)),
            'scratch': Row((change.scratch,)),
            # added after the first results, where scratch was better than MAE on crops; no claim
            f'{MASKED}, rates of scratch': Row((change.start(FROM_RANDOM), change.scratch_rates), needs=(FROM_RANDOM,)),
        },
        claims=(
            gain('MAE on crops better than scratch', MASKED, 'scratch'),
            gain('general pre-training better than MAE on crops', 'DINOv2', MASKED, 0.013),
        ),
        prerequisites={
            FROM_DINOV2: (Row((change.dinov2,), base=change.autoencoder), 8),
            FROM_RANDOM: (Row((change.random_weights,), base=change.autoencoder), 8),
        },
    ),
    2: Table(
        'Decoders and sizes of the backbone',
        epochs=2,
        batch=24,
        rows={
            **{f'{size}, classic': Row((change.blocks(depth),), ap) for size, (depth, ap, _) in SIZES.items()},
            **{
                f'{size}, simple': Row((change.blocks(depth), change.simple_decoder), ap)
                for size, (depth, _, ap) in SIZES.items()
            },
            f'{CNN}, classic': Row((change.resnet,), CNN_PAPER[0]),
            f'{CNN}, simple': Row((change.resnet, change.simple_decoder), CNN_PAPER[1]),
            f'{CNN}, classic, four times the steps': Row((change.resnet,), longer=4),
        },
        claims=(
            *(
                Claim(
                    f'the simple decoder costs {size} less AP than the {CNN}',
                    {f'{CNN}, classic': 1, f'{CNN}, simple': -1, f'{size}, classic': -1, f'{size}, simple': 1},
                    round(CNN_PAPER[0] - CNN_PAPER[1] - classic + simple, 3),
                )
                for size, (_, classic, simple) in SIZES.items()
            ),
            gain('8 blocks better than 4', '8 blocks, classic', '4 blocks, classic', 0.020),
            gain('12 blocks better than 8', '12 blocks, classic', '8 blocks, classic', 0.025),
        ),
    ),
    7: Table(
        'Several datasets',
        epochs=1,
        batch=16,
        rows={
            'LSP': Row((), 0.758),
            '+ LSPET': Row((change.members('lspet'),), 0.770),
            '+ COCO, everyday': Row((change.members(*EVERYBODY),), 0.771),
            '+ mocap, rendered': Row((change.members(*EVERYBODY, 'mocap', 'rendered'),)),
            'experts': Row((change.members(*EVERYBODY, 'mocap', 'rendered'), change.experts)),
        },
        claims=(
            gain('gain by LSPET', '+ LSPET', 'LSP', 0.012),
            gain('gain by LSPET, COCO and everyday', '+ COCO, everyday', 'LSP', 0.013),
        ),
        changes=(change.blocks(8), change.people('lsp.json')),
    ),
    6: Table(
        'Partial fine-tuning',
        epochs=2,
        batch=32,
        rows={
            'everything': Row((), 0.758),
            'MHSA frozen': Row((change.freeze('attention'),), 0.751),
            'FFN frozen': Row((change.freeze('ffn'),), 0.728),
            'first half of the blocks frozen': Row((change.freeze(6),)),
        },
        claims=(
            gain('everything better than MHSA frozen', 'everything', 'MHSA frozen', 0.007),
            gain('everything better than FFN frozen', 'everything', 'FFN frozen', 0.030),
        ),
    ),
    4: Table(
        'Input sizes',
        epochs=2,
        batch=32,
        rows={
            '128x96': Row((change.resize(128, 96),)),
            '160x160': Row((change.resize(160, 160),), 0.749),
            '192x144': Row((change.resize(192, 144),), 0.758),
            '256x192': Row((change.resize(256, 192),), 0.769),
        },
        claims=(
            gain('192x144 better than 160x160', '192x144', '160x160', 0.009),
            gain('256x192 better than 192x144', '256x192', '192x144', 0.011),
        ),
        changes=(change.blocks(8),),
    ),
}
