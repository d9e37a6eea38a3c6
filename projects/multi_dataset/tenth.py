"""Measure whether a small dataset benefits from others: a tenth of the rendered COCO images, alone and with others.

Both settings train the same small ViTPose from scratch for the same number of iterations with the same batch size, and
are tested on the same held-out COCO images. A batch is all COCO in the first setting and a third COCO in the second.
Runs whose result is already in OUT are skipped.
"""

import argparse
import sys
from pathlib import Path

from mmengine import Config
from rich.progress import Progress

sys.path.append(str(Path(__file__).resolve().parents[2]))  # for the imports from `projects`

from projects.studies.study_report import seed_table
from vitpose.cli.main import main as vitpose
from vitpose.runs.command import mim_command, run_logged
from vitpose.runs.table import machine
from vitpose.runs.training_log import read_curve

CONFIG = Path(__file__).resolve().parents[2] / 'configs/multi_dataset/vitpose-plus-mini_six-sets_synthetic-128x96.py'
# training images per dataset; APT-36K is left out, since CONFIG uses AP-10K's images for it
IMAGES = {'coco': 480, 'aic': 4800, 'mpii': 4800, 'ap10k': 4800, 'coco_wholebody': 4800}
# samples per batch and dataset
SETTINGS = {
    'COCO alone': {'coco': 24},
    'COCO and the others': {'coco': 8, 'aic': 4, 'mpii': 4, 'ap10k': 4, 'coco_wholebody': 4},
}
HELD_OUT = 250


def write_config(mix: dict[str, int], iterations: int, seed: int, data: Path, path: Path) -> None:
    """Write the config of one run; `mix` has the samples per batch of each dataset, and `data` a folder of each."""
    config = Config.fromfile(CONFIG)
    members = dict(zip(config.model.head.heads, config.train_dataloader.dataset.datasets, strict=True))
    held_out = dict(zip(config.model.head.heads, config.val_dataloader.dataset.datasets, strict=True))['coco']
    config.model.type = 'TopdownPoseEstimator'
    config.model.backbone.pop('experts')
    for table in (config.model.head.heads, config.model.head.test_cfgs):
        for name in set(table) - set(mix):
            table.pop(name)
    batch = sum(mix.values())
    datasets = [dict(members[name], data_root=f'{data / name}/') for name in mix]
    config.train_dataloader.update(
        batch_size=batch,
        dataset=dict(type='CombinedPoseDataset', datasets=datasets),
        sampler=dict(type='FixedMixSampler', batch_size=batch, source_ratio=list(mix.values()), seed=seed),
    )
    config.val_dataloader.dataset = dict(held_out, data_root=f'{data}/coco/')
    config.val_evaluator = dict(type='CocoMetric', ann_file=f'{data}/coco/annotations/val.json')
    config.test_dataloader, config.test_evaluator = config.val_dataloader, config.val_evaluator
    config.train_cfg = dict(type='IterBasedTrainLoop', max_iters=iterations, val_interval=iterations)
    config.param_scheduler = [
        dict(type='LinearLR', start_factor=1e-2, by_epoch=False, begin=0, end=100),
        dict(type='CosineAnnealingLR', T_max=iterations, eta_min=1e-6, by_epoch=False, begin=0, end=iterations),
    ]
    config.default_hooks.checkpoint = dict(type='CompleteCheckpointHook', interval=iterations, by_epoch=False)
    config.log_processor.by_epoch = False
    config.randomness = dict(seed=seed)
    config.default_hooks.pop('epoch_seed')  # an iteration-based run has no epochs
    config.dump(path)


def held_out_ap(run: Path) -> float | None:
    """Return the final COCO AP of a run, or None if it has not finished."""
    scores = read_curve(run).score if any(run.glob('*/vis_data/scalars.json')) else []
    return scores[-1][1] if scores else None


def main() -> None:
    """Render the data, train all settings and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    out = Path('work_dirs/tenth')
    parser.add_argument('--out', type=Path, default=out, help='output folder (default %(default)s)')
    parser.add_argument('--seeds', type=int, default=3, help='runs per setting (default 3)')
    parser.add_argument('--iterations', type=int, default=400, help='iterations per run (default 400)')
    args = parser.parse_args()
    out, data = args.out.resolve(), args.out.resolve() / 'data'
    for name, images in IMAGES.items():
        command = ['synth', '--kind', name.removeprefix('coco_'), '--out', str(data / name)]
        if not (data / name).exists() and vitpose([*command, '--train', str(images), '--val', str(HELD_OUT)]):
            sys.exit(1)  # the error is already printed
    scores: dict[str, list[float]] = {setting: [] for setting in SETTINGS}
    with Progress() as progress:
        task = progress.add_task('training', total=args.seeds * len(SETTINGS))
        for seed in range(args.seeds):
            for setting, mix in SETTINGS.items():
                run = out / f'{setting.replace(" ", "_")}_seed{seed}_{args.iterations}'
                run.mkdir(parents=True, exist_ok=True)
                if held_out_ap(run) is None:
                    write_config(mix, args.iterations, seed, data, run / 'run.py')
                    run_logged(mim_command('train', run / 'run.py', run), run / 'train.log')
                score = held_out_ap(run)
                assert score is not None
                scores[setting].append(score)
                progress.console.print(f'{setting}, seed {seed}: AP {score:.3f}')
                progress.advance(task)
    lines = seed_table(f'held-out COCO AP after {args.iterations} iterations', scores)
    print('', *lines, '', f'Measured on {machine()}.', sep='\n')


if __name__ == '__main__':
    main()
