"""`vitpose teacher-cache`: store a teacher's heatmaps of a training set."""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import FailedError, InputError, one_line, started
from ..shipped import find_config
from .paths import check_readable
from .shared_options import add_device

EPILOG = """example:
  vitpose teacher-cache \\
      configs/transfer/vitpose-base-from-large-output_coco-256x192.py \\
      --out data/teachers/large --seeds 0 1 2 3

Writes the fp16 heatmaps of each training sample under each augmentation seed:
0.1 MB per sample and seed for 17 keypoints at 64x48. To train on them, change
these lines of the config:

  model = dict(teacher=None)
  train_dataloader = dict(dataset=dict(
      _delete_=True, type='TeacherCacheDataset', cache='data/teachers/large',
      dataset=<the original dataset>))

Each epoch then uses one of the seeds for each sample; the teacher is not read.
The loss equals that of the running teacher up to fp16 rounding.

After an interruption, run the same command again: it keeps the complete seeds
and writes the others. It also adds seeds to an existing cache, but refuses if
the teacher (by SHA-256), the pipeline or the samples differ."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add('config', type=find_config, metavar='CONFIG', help='config of a DistillPoseEstimator with its teacher')
    add('--out', type=Path, required=True, metavar='DIR', help='folder to write')
    add('--seeds', type=int, nargs='+', default=[0], metavar='S', help='augmentation seeds, integers >= 0 (default 0)')
    add('--batch', type=int, default=32, help='batch size (default 32)')
    add('--workers', type=int, default=2, help='data loading processes (default 2)')
    add_device(parser, 'cpu')


def run(args: argparse.Namespace) -> None:
    """Write the seeds that the cache lacks; a seed enters the index only when its file is complete."""
    if min(args.seeds) < 0 or len(set(args.seeds)) < len(args.seeds) or args.batch < 1 or args.workers < 0:
        numbers = f'--seeds {args.seeds} --batch {args.batch} --workers {args.workers}'
        raise InputError(f'{numbers}: expected each seed once and >= 0, batch >= 1, workers >= 0')
    check_readable(args.config, 'config file')
    import numpy as np
    from mmpose.registry import MODELS

    from vitpose_base.files import replacing, sha256, write_text
    from vitpose_mm.datasets.teacher_cache_dataset import INDEX_FILE, TeacherCacheDataset, heatmap_file, read_index
    from vitpose_mm.hooks.run_check import check_targets
    from vitpose_mm.noise import quiet

    from ..predict.models.device import as_device
    from ..predict.models.torch_model import read_config

    args.device = as_device(args.device)
    config, _ = read_config(args.config)
    if not config.model.get('teacher'):
        remedy = "pass a config with type='DistillPoseEstimator' and teacher=dict(config=FILE, checkpoint=FILE)"
        raise ValueError(f'{args.config} has no model.teacher: {remedy}')
    model = MODELS.build(config.model)
    model.check_teacher()
    teacher = model.teacher.checkpoint
    try:
        with quiet():
            dataset = TeacherCacheDataset(config.train_dataloader.dataset, seeds=args.seeds)
    except AssertionError as problem:  # of MMPose, which asserts that files exist
        raise InputError(f'{args.config}: {one_line(problem)}') from problem
    check_targets(dataset, model)
    identity = dict(dataset.identity, sha256=sha256(teacher))

    def save(shape: list[int] | None = None, *finished: int) -> dict[str, Any]:
        """Add a finished seed to the index, to which other processes may have added theirs."""
        is_there = (args.out / INDEX_FILE).exists()
        index = read_index(args.out, identity) if is_there else dict(identity, seeds=[], shape=None)
        index.update(teacher=teacher.name, seeds=[*index['seeds'], *finished], shape=shape or index['shape'])
        index['wanted'] = list(dict.fromkeys([*index['seeds'], *args.seeds]))
        write_text(args.out / INDEX_FILE, json.dumps(index, indent=2, sort_keys=True))
        return index

    known = (index := save())['seeds']
    for seed in index['wanted'][len(known) :]:
        with started(), replacing(heatmap_file(args.out, seed)) as temporary, temporary.open('wb') as file:
            for i, heatmaps in enumerate(_teacher_heatmaps(model, dataset, seed, args)):
                if i == 0:
                    shape = [len(dataset), *heatmaps.shape[1:]]
                    header = dict(descr='<f2', fortran_order=False, shape=tuple(shape))
                    np.lib.format.write_array_header_1_0(file, header)
                file.write(heatmaps.tobytes())  # not a memory map, which a full disk would end with SIGBUS
        index = save(shape, seed)
    kept = f' (already present: {", ".join(map(str, known))})' if known else ''
    (count, *size), seeds = index['shape'], ', '.join(map(str, index['seeds']))
    print(f'{args.out}: fp16 heatmaps {tuple(size)} of {count} samples, seeds {seeds}{kept}')


def _teacher_heatmaps(model: Any, dataset: Any, seed: int, args: argparse.Namespace) -> Iterator[Any]:
    """Yield the teacher's fp16 heatmaps (B, K, Hm, Wm) of each batch as arrays."""
    from mmengine.dataset import pseudo_collate
    from rich.progress import track
    from torch.utils.data import DataLoader

    dataset.seeds = [seed]  # augment with this seed only
    loader = DataLoader(dataset, args.batch, num_workers=args.workers, collate_fn=pseudo_collate)
    preprocess = model.data_preprocessor.to(args.device)
    try:
        for batch in track(loader, f'seed {seed}'):
            batch = preprocess(batch, True)
            yield model.teacher_heatmaps(batch['inputs'], batch['data_samples']).half().cpu().numpy()
    except (OSError, RuntimeError, ValueError) as problem:
        if 'in DataLoader worker process' not in str(problem):
            raise
        raise FailedError(str(problem).rstrip().splitlines()[-1]) from problem  # the rest is a traceback
