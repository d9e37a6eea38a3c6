"""Pre-training without labels on real photographs, then fine-tuning: the paper's table 3 at small scale.

    python projects/pretrain/study.py --data FOLDER --out work_dirs/pretrain

FOLDER holds train.json, val.json and images/, as in projects/pretrain/README.md. The demo's network is pre-trained on
the photographs' person crops, on the whole photographs and on rendered people; then it is fine-tuned from each and from
scratch, with all labels and with 800, for the same number of iterations, with three seeds.

Each finished run is a small file in projects/pretrain/results and is not repeated; an interrupted run continues from
its last checkpoint in OUT. At the end the tables and curves of the README are written from these files.
"""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine import Config

sys.path.append(str(Path(__file__).resolve().parents[2]))  # for the imports from `projects`

from projects.pretrain.report import write_report
from projects.studies.study import run_all, run_config, set_photographs
from vitpose.cli.main import main as vitpose

HERE = Path(__file__).resolve().parent
AUTOENCODER = HERE.parents[1] / 'configs/pretrain/mae-mini_synthetic-128x96.py'
SOURCES = ('crops', 'images', 'rendered')
STARTS = ('scratch', *SOURCES)
FEW = 800
PEOPLE_PER_IMAGE = 2.5  # of rendered images, about
SCORES = {'coco/AP': 'AP', 'coco/AP .5': 'AP50', 'PCK': 'PCK@0.1'}


def labels(data: Path) -> int:
    """Number of annotated people in the training photographs."""
    return len(json.loads((data / 'train.json').read_text(encoding='utf-8'))['annotations'])


def pretraining(source: str, args: argparse.Namespace) -> Config:
    """Config of the pre-training on a source; every source has the same number of iterations."""
    config = Config.fromfile(AUTOENCODER)
    config.randomness.seed = 0
    config.optim_wrapper.type = 'FiniteOptimWrapper'  # float32, see photographs.py
    dataset = config.train_dataloader.dataset
    config.train_dataloader.update(num_workers=0, persistent_workers=False)
    if source == 'rendered':
        dataset.sources[0].data_root = f'{args.out}/rendered/'
    else:
        dataset.pipeline[1].padding = 1.25
        dataset.boxes = source == 'crops'
        dataset.sources = [
            dict(
                type='CheckedCrowdPoseDataset',
                data_root=f'{args.data}/',
                ann_file='train.json',
                data_prefix=dict(img='images/'),
            )
        ]
    warm_up, last = max(args.pretrain_epochs // 20, 1), args.pretrain_epochs
    config.train_cfg.max_epochs = last
    config.param_scheduler[0].end = warm_up
    config.param_scheduler[1].update(T_max=last - warm_up, begin=warm_up, end=last)
    config.default_hooks.reconstruction.interval = max(last // 5, 1)
    config.default_hooks.checkpoint.interval = 5
    return config


def finetuning(start: str, count: int, seed: int, args: argparse.Namespace) -> Config:
    """Config of a fine-tuning with `count` labels."""
    config = Config.fromfile(HERE / 'photographs.py')
    config.randomness.seed = seed
    set_photographs(config, args.data)
    if count < args.labels:
        picks = np.random.default_rng(seed).choice(args.labels, count, replace=False)
        config.train_dataloader.dataset.indices = sorted(picks.tolist())
    if start != 'scratch':
        config.model.backbone.init_cfg = dict(type='Pretrained', checkpoint=str(checkpoint(start, args)))
    epochs = max(round(args.iterations / -(-count // config.train_dataloader.batch_size)), 1)
    config.train_cfg.update(max_epochs=epochs, val_interval=max(epochs // 5, 1))
    config.param_scheduler[-1].update(T_max=epochs, end=epochs)
    config.default_hooks.checkpoint.update(interval=max(epochs // 5, 1), save_best=None)
    return config


def checkpoint(source: str, args: argparse.Namespace) -> Path:
    """File of the pre-trained network."""
    return args.out / f'pretrain_{source}' / f'epoch_{args.pretrain_epochs}.pth'


def main() -> None:
    """Pre-train, fine-tune and write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--data', type=Path, required=True, help='folder of the photographs')
    parser.add_argument('--out', type=Path, default=Path('work_dirs/pretrain'), help='folder of runs and checkpoints')
    parser.add_argument('--results', type=Path, default=HERE / 'results', help='folder of the finished results')
    parser.add_argument('--seeds', type=int, default=3, help='seeds per setting (default 3)')
    parser.add_argument('--pretrain-epochs', type=int, default=50, help='epochs of pre-training (default 50)')
    parser.add_argument('--iterations', type=int, default=1008, help='iterations of fine-tuning (default 1008)')
    parser.add_argument('--jobs', type=int, default=1, help='runs at the same time, one thread each (default 1)')
    args = parser.parse_args()
    for name, least in dict(seeds=1, pretrain_epochs=2, iterations=1, jobs=1).items():
        if getattr(args, name) < least:
            parser.error(f'--{name.replace("_", "-")} {getattr(args, name)}: expected at least {least}')
    args.data, args.out = args.data.resolve(), args.out.resolve()
    args.labels = labels(args.data)
    os.environ['OMP_NUM_THREADS'] = '1'
    torch.set_num_threads(1)

    runs = [
        (start, count, seed)
        for count in (args.labels, FEW)
        for start in STARTS
        for seed in range(args.seeds)
        if not (args.results / f'{start}_{count}_seed{seed}.json').exists()
    ]
    needed = [source for source in SOURCES if any(start == source for start, _, _ in runs)]
    if 'rendered' in needed and not (args.out / 'rendered').exists():
        images = str(round(args.labels / PEOPLE_PER_IMAGE))
        if vitpose(['synth', '--out', str(args.out / 'rendered'), '--train', images, '--val', '10']):
            sys.exit(1)  # the error is already printed

    def train(name: str, config: Config, **about: Any) -> None:
        run_config(config, args.out / name, args.results / f'{name}.json', SCORES, **about)

    def run(which: str | tuple[str, int, int]) -> None:
        if isinstance(which, tuple):
            start, count, seed = which
            train(f'{start}_{count}_seed{seed}', finetuning(start, count, seed, args), start=start, labels=count)
        elif not checkpoint(which, args).exists():
            (args.results / f'pretrain_{which}.json').unlink(missing_ok=True)
            train(f'pretrain_{which}', pretraining(which, args), source=which)

    wanted = [*needed, *runs]  # a fine-tuning waits for its network
    run_all('training', run, wanted, args.jobs, needs=lambda which: which[:1] if isinstance(which, tuple) else ())
    write_report(args.results, HERE if args.results == HERE / 'results' else args.results)


if __name__ == '__main__':
    main()
