"""`vitpose teacher-cache`: store a teacher's heatmaps of a training set."""

import argparse
import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import InputError
from .paths import check_readable

DESCRIPTION = "Store a teacher's heatmaps of a training set, so that training need not run it."
EXAMPLES = """example:
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

Each epoch then uses one of the seeds for each sample. The loss equals that of
the running teacher up to fp16 rounding. Neither the teacher's config nor its
checkpoint is read during training.

After an interruption, run the same command again: it keeps the complete seeds
and writes the others. It also adds seeds to an existing cache, but refuses if
the teacher (by SHA-256), the pipeline or the samples differ."""


def add_parser(subparsers: Any) -> None:
    """Add the parser of `vitpose teacher-cache`."""
    parser = subparsers.add_parser('teacher-cache', description=DESCRIPTION, epilog=EXAMPLES)
    parser.add_argument('config', metavar='CONFIG', help='config of a DistillPoseEstimator with its teacher')
    parser.add_argument('--out', type=Path, required=True, metavar='DIR', help='folder to write')
    parser.add_argument(
        '--seeds',
        type=int,
        nargs='+',
        default=[0],
        metavar='S',
        help='augmentation seeds to store for each sample, integers >= 0 (default 0)',
    )
    parser.add_argument('--batch', type=int, default=32, help='batch size (default 32)')
    parser.add_argument('--workers', type=int, default=2, help='data loading processes (default 2)')
    parser.add_argument('--device', default='cpu', help="'cpu' or 'cuda' (default cpu)")


def run(args: argparse.Namespace) -> int:
    """Write the cache."""
    if min(args.seeds) < 0 or len(set(args.seeds)) < len(args.seeds) or args.batch < 1 or args.workers < 0:
        raise InputError(
            f'--seeds {args.seeds} --batch {args.batch} --workers {args.workers}: expected each seed once '
            'and >= 0, batch >= 1, workers >= 0'
        )
    check_readable(args.config, 'config file')
    cache = write_cache(args.config, args.out, args.seeds, args.batch, args.workers, args.device)
    kept = f' (already present: {", ".join(map(str, cache.kept))})' if cache.kept else ''
    seeds = ', '.join(map(str, cache.seeds))
    print(f'{args.out}: fp16 heatmaps {tuple(cache.shape[1:])} of {cache.shape[0]} samples, seeds {seeds}{kept}')
    return 0


class Cache(NamedTuple):
    """What a cache holds: the shape (N, K, Hm, Wm) of each seed's heatmaps, all seeds, and those it had before."""

    shape: list[int]
    seeds: list[int]
    kept: list[int]


def write_cache(
    config_file: str, out: Path, seeds: Sequence[int] = (0,), batch: int = 32, workers: int = 2, device: str = 'cpu'
) -> Cache:
    """Write the seeds that the cache lacks.

    A seed enters the cache's index only when its file is complete.

    Args:
        config_file: config of a `DistillPoseEstimator` with its teacher.
        out: folder to write.
        seeds: augmentation seeds to store for each sample.
        batch: samples per batch.
        workers: data loading processes.
        device: 'cpu' or 'cuda'.

    Raises:
        ValueError: If the config has no teacher, or the cache has other content.
        OSError: If a file is missing or cannot be written.
    """
    import numpy as np
    from mmengine import Config
    from mmengine.registry import init_default_scope
    from mmpose.registry import MODELS

    from vitpose_base.files import replacing, write_text
    from vitpose_mm.datasets.teacher_cache_dataset import INDEX_FILE, TeacherCacheDataset, heatmap_file, read_index
    from vitpose_mm.hooks.run_check import check_targets
    from vitpose_mm.noise import quiet

    init_default_scope('mmpose')
    config = Config.fromfile(config_file)
    if not config.get('model', {}).get('teacher'):
        raise ValueError(
            f"{config_file} has no model.teacher: pass a config with type='DistillPoseEstimator' and "
            'teacher=dict(config=FILE, checkpoint=FILE)'
        )
    model = MODELS.build(config.model)
    model.check_teacher()
    teacher = model.teacher
    with quiet():
        dataset = TeacherCacheDataset(config.train_dataloader.dataset, seeds=seeds)
    check_targets(dataset, model)
    index: dict[str, Any] = dict(dataset.identity, sha256=hashlib.sha256(teacher.checkpoint.read_bytes()).hexdigest())
    known = read_index(out, index) if (out / INDEX_FILE).exists() else dict(seeds=[], shape=None)
    done, shape = known['seeds'], known['shape']
    index.update(teacher=teacher.checkpoint.name, wanted=list(dict.fromkeys([*done, *seeds])))

    def save() -> None:
        write_text(out / INDEX_FILE, json.dumps(dict(index, seeds=done, shape=shape), indent=2))

    save()
    for seed in index['wanted'][len(done) :]:
        with replacing(heatmap_file(out, seed)) as temporary:
            stored = None
            for first, heatmaps in _teacher_heatmaps(model, dataset, seed, batch, workers, device):
                if stored is None:
                    shape = [len(dataset), *heatmaps.shape[1:]]
                    stored = np.lib.format.open_memmap(temporary, mode='w+', dtype=np.float16, shape=tuple(shape))
                stored[first : first + len(heatmaps)] = heatmaps
            del stored  # flushes
        done = [*done, seed]
        save()
    return Cache(shape, done, known['seeds'])


def _teacher_heatmaps(
    model: Any, dataset: Any, seed: int, batch_size: int, workers: int, device: str
) -> Iterator[tuple]:
    """Yield the index of the first sample and the teacher's fp16 heatmaps (B, K, Hm, Wm) of each batch."""
    from mmengine.dataset import pseudo_collate
    from rich.progress import track
    from torch.utils.data import DataLoader

    dataset.seeds = [seed]  # augment with this seed only
    loader = DataLoader(dataset, batch_size, num_workers=workers, collate_fn=pseudo_collate)
    preprocess = model.data_preprocessor.to(device)
    first = 0
    for batch in track(loader, f'seed {seed}'):
        batch = preprocess(batch, True)
        heatmaps = model.teacher_heatmaps(batch['inputs'], batch['data_samples']).half().cpu().numpy()
        yield first, heatmaps
        first += len(heatmaps)
