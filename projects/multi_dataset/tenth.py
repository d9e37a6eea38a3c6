"""Does a small data set gain from others? A tenth of the rendered COCO people alone, and with other sets.

Both train the same small ViTPose for the same number of iterations of the same batch, from nothing, and
are tested on the same held-out COCO people. Alone a batch is all COCO; with the others a third of it.
A run that has its result in OUT is not repeated.
"""

import argparse
import json
import statistics
import sys
from pathlib import Path

from mmengine import Config
from rich.progress import Progress

from vitpose.cli.main import main as vitpose
from vitpose.runs.command import run_logged
from vitpose.runs.table import machine

TWIN = Path(__file__).resolve().parents[2] / 'configs/multi_dataset/vitpose-plus-mini_six-sets_synthetic-128x96.py'
# images of each kind; APT-36K's twin has those of AP-10K's
IMAGES = {'coco': 480, 'aic': 4800, 'mpii': 4800, 'ap10k': 4800, 'coco_wholebody': 4800}
# samples of each in a batch
SETTINGS = {
    'COCO alone': {'coco': 24},
    'COCO and the others': {'coco': 8, 'aic': 4, 'mpii': 4, 'ap10k': 4, 'coco_wholebody': 4},
}
HELD_OUT = 250


def write_config(parts: dict[str, int], iterations: int, seed: int, data: Path, path: Path) -> None:
    """Write the config of one run.

    Args:
        parts: samples of each dataset in a batch.
        iterations: of the training.
        seed: of weights, order and augmentation.
        data: folder with one rendered set a dataset.
        path: config to write.
    """
    config = Config.fromfile(TWIN)
    members = dict(zip(config.model.head.heads, config.train_dataloader.dataset.datasets, strict=True))
    held_out = dict(zip(config.model.head.heads, config.val_dataloader.dataset.datasets, strict=True))['coco']
    config.model.type = 'TopdownPoseEstimator'
    config.model.backbone.pop('experts')
    for table in (config.model.head.heads, config.model.head.test_cfgs):
        for name in set(table) - set(parts):
            table.pop(name)
    batch = sum(parts.values())
    config.train_dataloader.update(
        batch_size=batch,
        dataset=dict(
            type='CombinedPoseDataset', datasets=[dict(members[name], data_root=f'{data / name}/') for name in parts]
        ),
        sampler=dict(type='FixedMixSampler', batch_size=batch, source_ratio=list(parts.values()), seed=seed),
    )
    config.val_dataloader.dataset = dict(held_out, data_root=f'{data}/coco/')
    config.val_evaluator = dict(type='CocoMetric', ann_file=f'{data}/coco/annotations/val.json')
    config.test_dataloader, config.test_evaluator = config.val_dataloader, config.val_evaluator
    config.train_cfg = dict(type='IterBasedTrainLoop', max_iters=iterations, val_interval=iterations)
    config.param_scheduler = [
        dict(type='LinearLR', start_factor=1e-2, by_epoch=False, begin=0, end=100),
        dict(type='CosineAnnealingLR', T_max=iterations, eta_min=1e-6, by_epoch=False, begin=0, end=iterations),
    ]
    config.default_hooks.checkpoint = dict(type='CheckpointHook', interval=iterations, by_epoch=False)
    config.log_processor.by_epoch = False
    config.randomness = dict(seed=seed)
    # a run of iterations has no epochs to seed
    config.custom_hooks = [hook for hook in config.custom_hooks if hook.type != 'EpochSeedHook']
    config.dump(path)


def held_out_ap(run: Path) -> float | None:
    """COCO AP at the end of a run, or None if it has not ended."""
    records = [
        json.loads(line)
        for file in sorted(run.glob('*/vis_data/scalars.json'))
        for line in file.read_text(encoding='utf-8').splitlines()
    ]
    scores = [record['coco/AP'] for record in records if 'coco/AP' in record]
    return scores[-1] if scores else None


def main() -> None:
    """Render, train, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--out', type=Path, default=Path('work_dirs/tenth'), help='folder (default work_dirs/tenth)')
    parser.add_argument('--seeds', type=int, default=3, help='runs of each setting (default 3)')
    parser.add_argument('--iterations', type=int, default=400, help='of each training (default 400)')
    args = parser.parse_args()
    out, data = args.out.resolve(), args.out.resolve() / 'data'
    for name, images in IMAGES.items():
        if not (data / name).exists():
            kind = name.removeprefix('coco_')
            if vitpose(
                ['synth', '--kind', kind, '--out', str(data / name), '--train', str(images), '--val', str(HELD_OUT)]
            ):
                sys.exit(1)  # it has said why
    found: dict[str, list[float]] = {setting: [] for setting in SETTINGS}
    with Progress() as progress:
        task = progress.add_task('training', total=args.seeds * len(SETTINGS))
        for seed in range(args.seeds):
            for setting, parts in SETTINGS.items():
                run = out / f'{setting.replace(" ", "_")}_seed{seed}_{args.iterations}'
                run.mkdir(parents=True, exist_ok=True)
                if held_out_ap(run) is None:
                    write_config(parts, args.iterations, seed, data, run / 'run.py')
                    command = [sys.executable, '-m', 'mim', 'train', 'mmpose', str(run / 'run.py')]
                    run_logged([*command, '--work-dir', str(run)], run / 'train.log', lambda line: None)
                score = held_out_ap(run)
                assert score is not None
                found[setting].append(score)
                progress.console.print(f'{setting}, seed {seed}: AP {score:.3f}')
                progress.advance(task)
    print(
        f'\n| held-out COCO AP after {args.iterations} iterations | '
        + ' | '.join(f'seed {seed}' for seed in range(args.seeds))
        + ' | mean | standard deviation |'
    )
    print('|---' * (args.seeds + 3) + '|')
    for setting, scores in found.items():
        spread = f'{statistics.stdev(scores):.3f}' if len(scores) > 1 else '-'
        print(
            f'| {setting} | '
            + ' | '.join(f'{score:.3f}' for score in scores)
            + f' | {statistics.mean(scores):.3f} | {spread} |'
        )
    print(f'\nMeasured on {machine()}.')


if __name__ == '__main__':
    main()
