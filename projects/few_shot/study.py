"""Few labeled photographs: what to start from, and how to train.

    python projects/few_shot/study.py --data FOLDER --weights FOLDER --demo demo/model.pth --out work_dirs/few_shot

The folders are those of projects/paper. With 50, 300 and all 996 training people of Leeds Sports Pose, a network is
trained from the shipped model `tiny`, from DINOv2's first six blocks and from scratch, all with tiny's size; and from
`make demo`'s smaller model. From `tiny` and with 50 and 300 people, one thing is changed at a time: frozen blocks,
augmentation, epochs. Three seeds; the seed also chooses the people.

Each finished run is a small file in projects/few_shot/results and is not repeated; an interrupted run continues from
its last checkpoint in OUT. At the end the README's tables and its picture are written from these files.
"""

import argparse
import json
import os
import statistics
import sys
from pathlib import Path

import numpy as np
import torch
from mmengine import Config

sys.path.append(str(Path(__file__).resolve().parents[2]))  # for the imports from `projects`

from projects.paper import changes
from projects.paper.photographs import prepare
from projects.studies.study import run_all, run_config
from projects.studies.study_report import final, measured_on, score_table, write_between_marks
from vitpose.models.names import model_file
from vitpose_mm.optim.autocast import has_bfloat16

HERE = Path(__file__).resolve().parent
PEOPLE = 996  # of Leeds Sports Pose's training set, the first in the file
EPOCHS = {50: 50, 300: 20, PEOPLE: 10}  # by the number of people
STARTS = {
    'scratch': 'from scratch',
    'dinov2': "from DINOv2's first six blocks",
    'demo': "from `make demo`'s model",
    'tiny': 'from `tiny`',
}
CHANGES = ('as it is', 'half of the blocks frozen', 'more augmentation', 'half the epochs')
SCORES = {'PCK': 'PCK@0.1', 'coco/AP': 'AP', 'coco/AP .5': 'AP50'}
BEGIN = '<!-- written by study.py -->'


def training(start: str, change: str, count: int, seed: int, args: argparse.Namespace) -> Config:
    """Config of one run; see the module."""
    config = changes.base(args)
    changes.blocks(6)(config, args)
    config.randomness.seed = seed
    loader = config.train_dataloader
    loader.batch_size = 24
    picks = np.random.default_rng(seed).permutation(PEOPLE)[:count]  # fewer people are a part of more
    loader.dataset.indices = sorted(picks.tolist())
    changes.resize(192, 144)(config, args)
    if start == 'scratch':
        changes.scratch(config, args)
    elif start in ('tiny', 'demo'):
        config.model.backbone.pop('init_cfg')
        config.model.head.allow_new_final_layer = True
        config.load_from = str(args.demo if start == 'demo' else model_file('tiny').with_suffix('.safetensors'))
    if start == 'demo':
        config.model.backbone.arch = dict(depth=6, embed_dim=192, num_heads=3)
        config.model.head.in_channels = 192
        changes.resize(128, 96)(config, args)
    if change == 'half of the blocks frozen':
        changes.freeze(3)(config, args)
    elif change == 'more augmentation':
        loader.dataset.pipeline[3].update(scale_factor=(0.7, 1.3), rotate_factor=80.0)
    epochs = args.epochs or EPOCHS[count] // (2 if change == 'half the epochs' else 1)
    changes.schedule(config, epochs)
    warm_up = config.param_scheduler[0]
    warm_up.end = min(warm_up.end, max(epochs * -(-count // loader.batch_size) // 10, 1))
    for key in ('val_dataloader', 'val_cfg', 'val_evaluator'):  # tested once, after training
        config.pop(key)
    return config


def write_report(results: Path, out: Path) -> None:
    """Write the tables into README.md between its two marks, and people.png."""
    records = [json.loads(path.read_text(encoding='utf-8')) for path in sorted(results.glob('*_seed*.json'))]
    lines, curves = [], {name: dict[int, list[dict]]() for name in STARTS.values()}
    for count in sorted({record['labels'] for record in records}):
        found = [record for record in records if record['labels'] == count]
        by_start = {
            name: [each for each in found if each['start'] == start and each['change'] == 'as it is']
            for start, name in STARTS.items()
        }
        by_change = {
            change: [each for each in found if each['start'] == 'tiny' and each['change'] == change]
            for change in CHANGES
        }
        for name, own in by_start.items():
            curves[name][count] = own
        lines += [f'### {count} labeled people, {found[0]["iterations"]} iterations', '']
        for heading, runs in (('start', by_start), (STARTS['tiny'], by_change)):
            done = {name: own for name, own in runs.items() if own}
            if len(done) > 1:
                lines += [*score_table(heading, done, list(SCORES.values()), next(iter(runs))), '']
        lines += [measured_on(found), '']
    write_between_marks(out / 'README.md', BEGIN, lines)
    draw(curves, out / 'people.png')


def draw(curves: dict[str, dict[int, list[dict]]], path: Path) -> None:
    """Draw PCK by the number of labeled people, a line per start: the mean over the seeds, and their range."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4.5), dpi=110)
    axis = figure.subplots()
    for name, runs in curves.items():
        scores = {count: [final(run)['PCK@0.1'] for run in own] for count, own in runs.items() if own}
        (line,) = axis.plot(
            list(scores), list(map(statistics.mean, scores.values())), 'o-', label=name.replace('`', '')
        )
        ranges = list(map(min, scores.values())), list(map(max, scores.values()))
        axis.fill_between(list(scores), *ranges, alpha=0.2, color=line.get_color())
    axis.set(xlabel='labeled people', ylabel='PCK@0.1 of test people', xscale='log', ylim=(0, 1))
    axis.set_xticks(list(EPOCHS), list(map(str, EPOCHS)), minor=False)
    axis.minorticks_off()
    axis.grid(alpha=0.3)
    axis.legend()
    figure.tight_layout()
    figure.savefig(path)


def main() -> None:
    """Train what is missing and write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add('--data', type=Path, required=True, help='folder of the photographs')
    add('--weights', type=Path, required=True, help=f'folder of {changes.DINOV2}')
    add('--demo', type=Path, required=True, help="model.pth of `make demo`'s folder")
    add('--out', type=Path, default=Path('work_dirs/few_shot'), help='folder of runs and checkpoints')
    add('--results', type=Path, default=HERE / 'results', help='folder of the finished results')
    add('--counts', type=int, nargs='+', choices=EPOCHS, default=list(EPOCHS), help='numbers of people')
    add('--seeds', type=int, default=3, help='seeds per setting (default 3)')
    add('--epochs', type=int, help='of every run, to try the command')
    add('--jobs', type=int, default=1, help='runs at the same time, one thread each (default 1)')
    args = parser.parse_args()
    for name in ('seeds', 'epochs', 'jobs'):
        value = getattr(args, name)
        if value is not None and value < 1:
            parser.error(f'--{name} {value}: expected at least 1')
    for name in ('data', 'demo', 'weights'):
        path = getattr(args, name).resolve()
        if not path.exists():
            parser.error(f'--{name} {path}: no such file or folder')
        setattr(args, name, path)
    args.out, args.people = args.out.resolve(), None
    args.photographs = args.out / 'photographs'
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    args.dtype = 'bfloat16' if has_bfloat16(device) else 'float32'
    try:
        prepare(args, seeds=0)
    except (ValueError, OSError) as problem:
        parser.error(f'--data: {problem}')
    os.environ['OMP_NUM_THREADS'] = '1'
    torch.set_num_threads(1)

    def result(start: str, change: str, count: int, seed: int) -> Path:
        name = '-'.join(f'{start} {change}'.replace('/', 'by').split())
        return args.results / f'{name}_{count}_seed{seed}.json'

    def train(which: tuple[str, str, int, int]) -> None:
        start, change, count, _ = which
        about = dict(start=start, change=change, labels=count, dtype=args.dtype)
        run_config(training(*which, args), args.out / result(*which).stem, result(*which), SCORES, **about)

    settings = [(start, 'as it is', count) for count in args.counts for start in STARTS]
    settings += [('tiny', change, count) for count in args.counts if count < PEOPLE for change in CHANGES[1:]]
    runs = [(*setting, seed) for seed in range(args.seeds) for setting in settings]
    run_all('few-shot', train, [run for run in runs if not result(*run).exists()], args.jobs)
    write_report(args.results, HERE if args.results == HERE / 'results' else args.results)


if __name__ == '__main__':
    main()
