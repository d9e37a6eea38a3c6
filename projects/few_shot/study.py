"""Few labelled photographs: what to start from, and how to train.

    python projects/few_shot/study.py --data FOLDER --demo demo/model.pth --pretrained FILE --out work_dirs/few_shot

FOLDER holds train.json, val.json and images/, as in projects/pretrain/README.md. With 50, 300 and 3,000 labelled people
the demo's network is trained from scratch, from `make demo`'s model and from a pre-trained backbone (a checkpoint of
projects/pretrain/study.py); and from the demo's model with one thing changed at a time: layer-wise decay, frozen
blocks, augmentation, epochs. Three seeds; the seed also chooses the people.

Each finished run is a small file in projects/few_shot/results and is not repeated; an interrupted run continues from
its last checkpoint in OUT. At the end the tables and curves of the README are written from these files.
"""

import argparse
import json
import os
import sys
from pathlib import Path

import numpy as np
import torch
from mmengine import Config

sys.path.append(str(Path(__file__).resolve().parents[2]))  # for the imports from `projects`

from projects.studies.study import run_all, run_config, set_photographs
from projects.studies.study_report import draw_curves, measured_on, score_table, write_between_marks

HERE = Path(__file__).resolve().parent
NETWORK = HERE.parent / 'pretrain/photographs.py'
EPOCHS = {50: 100, 300: 40, 3000: 6}  # by the number of people
STARTS = {'scratch': 'from scratch', 'demo': "from `make demo`'s model", 'pretrained': 'from the pre-trained backbone'}
CHANGES = {
    'as it is': {},
    'layer-wise decay 0.75': {'optim_wrapper.paramwise_cfg.layer_decay_rate': 0.75},
    'half of the blocks frozen': {'model.backbone.freeze': 3},
    'all blocks frozen': {'model.backbone.freeze': 6},
    'less augmentation': {},  # see `training`
    'half the epochs': {},
}
SCORES = {'PCK': 'PCK@0.1', 'coco/AP': 'AP', 'coco/AP .5': 'AP50'}
BEGIN = '<!-- written by study.py -->'


def training(start: str, change: str, count: int, seed: int, args: argparse.Namespace) -> Config:
    """Config of one run; see the module."""
    config = Config.fromfile(NETWORK)
    config.randomness.seed = seed
    set_photographs(config, args.data)
    picks = np.random.default_rng(seed).permutation(args.labels)[:count]  # fewer people are a part of more
    config.train_dataloader.dataset.indices = sorted(picks.tolist())
    config.model.head.allow_new_final_layer = start == 'demo'
    if start == 'demo':
        config.load_from = str(args.demo)
    elif start == 'pretrained':
        config.model.backbone.init_cfg = dict(type='Pretrained', checkpoint=str(args.pretrained))
    config.merge_from_dict(CHANGES[change])
    if change == 'less augmentation':
        config.train_dataloader.dataset.pipeline[3].update(scale_factor=(0.85, 1.15), rotate_factor=40.0)
    epochs = args.epochs or EPOCHS[count] // (2 if change == 'half the epochs' else 1)
    config.train_cfg.update(max_epochs=epochs, val_interval=max(epochs // 2, 1))
    warm_up, schedule = config.param_scheduler
    warm_up.end = min(warm_up.end, max(epochs * -(-count // config.train_dataloader.batch_size) // 10, 1))
    schedule.update(T_max=epochs, end=epochs)
    config.default_hooks.checkpoint.update(interval=max(epochs // 3, 1), save_best=None)
    return config


def write_report(results: Path, out: Path) -> None:
    """Write the tables into README.md between its two marks, and curves.png."""
    records = [json.loads(path.read_text(encoding='utf-8')) for path in sorted(results.glob('*_seed*.json'))]
    lines, panels = [], {}
    for count in sorted({record['labels'] for record in records}):
        found = [record for record in records if record['labels'] == count]
        by_start = {
            name: [each for each in found if each['start'] == start and each['change'] == 'as it is']
            for start, name in STARTS.items()
        }
        by_change = {
            change: [each for each in found if each['start'] == 'demo' and each['change'] == change]
            for change in CHANGES
        }
        panels[f'{count} labelled people'] = {name: own for name, own in by_start.items() if own}
        lines += [f'### {count} labelled people, {found[0]["iterations"]} iterations', '']
        for heading, runs in (('start', by_start), (STARTS['demo'], by_change)):
            if any(runs.values()):
                lines += score_table(
                    heading, {name: own for name, own in runs.items() if own}, list(SCORES.values()), next(iter(runs))
                )
                lines.append('')
        lines += [measured_on(found), '']
    write_between_marks(out / 'README.md', BEGIN, lines)
    draw_curves(panels, 'PCK@0.1', out / 'curves.png')


def main() -> None:
    """Train what is missing and write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--data', type=Path, required=True, help='folder of the photographs')
    parser.add_argument('--demo', type=Path, required=True, help="model.pth of `make demo`'s folder")
    parser.add_argument('--pretrained', type=Path, required=True, help='pre-trained backbone of the same size')
    parser.add_argument('--out', type=Path, default=Path('work_dirs/few_shot'), help='folder of runs and checkpoints')
    parser.add_argument('--results', type=Path, default=HERE / 'results', help='folder of the finished results')
    parser.add_argument('--counts', type=int, nargs='+', choices=EPOCHS, default=list(EPOCHS), help='numbers of people')
    parser.add_argument('--seeds', type=int, default=3, help='seeds per setting (default 3)')
    parser.add_argument('--epochs', type=int, help='of every run, to try the command')
    parser.add_argument('--jobs', type=int, default=1, help='runs at the same time, one thread each (default 1)')
    args = parser.parse_args()
    for name in ('seeds', 'epochs', 'jobs'):
        value = getattr(args, name)
        if value is not None and value < 1:
            parser.error(f'--{name} {value}: expected at least 1')
    for name in ('data', 'demo', 'pretrained'):
        path = getattr(args, name).resolve()
        if not path.exists():
            parser.error(f'--{name} {path}: no such file or folder')
        setattr(args, name, path)
    args.out = args.out.resolve()
    args.labels = len(json.loads((args.data / 'train.json').read_text(encoding='utf-8'))['annotations'])
    if args.labels < max(args.counts):
        parser.error(f'--data {args.data}: {args.labels} labelled people; --counts needs {max(args.counts)}')
    os.environ['OMP_NUM_THREADS'] = '1'
    torch.set_num_threads(1)

    def train(which: tuple[str, str, int, int]) -> None:
        start, change, count, seed = which
        name = '-'.join(f'{start} {change}'.replace('/', 'by').split()) + f'_{count}_seed{seed}'
        config = training(start, change, count, seed, args)
        about = dict(start=start, change=change, labels=count)
        run_config(config, args.out / name, args.results / f'{name}.json', SCORES, **about)

    settings = [(start, 'as it is') for start in STARTS]
    settings += [('demo', change) for change in CHANGES if change != 'as it is']
    runs = [(*setting, count, seed) for seed in range(args.seeds) for count in args.counts for setting in settings]
    run_all('few-shot', train, runs, args.jobs)
    write_report(args.results, HERE if args.results == HERE / 'results' else args.results)


if __name__ == '__main__':
    main()
