"""`vitpose teacher-cache`: a teacher's heatmaps of a training set, written once."""

import argparse
import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HELP = "keep a teacher's heatmaps of a training set, so that it runs once"
EXAMPLES = """example:
  vitpose teacher-cache \\
      configs/transfer/vitpose-base-output-large_coco-256x192.py \\
      --out data/teachers/large --seeds 0 1 2 3

Writes fp16 heatmaps of each training sample under each augmentation seed: of 17
keypoints at 64x48, 0.1 MB per sample and seed. To train on them, change the
config's lines

  model = dict(teacher=None)
  train_dataloader = dict(dataset=dict(
      _delete_=True, type='TeacherCacheDataset', cache='data/teachers/large',
      dataset=<the dataset as it was>))

An epoch then shows one of the seeds' augmentations of each sample, the loss is
that of the running teacher to fp16, and neither the teacher's config nor its
checkpoint is read.

After an interruption the same command keeps the seeds that are complete and
writes the others; so it adds seeds, too. It refuses to go on with another
teacher (by SHA-256), pipeline or set of samples."""


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        'teacher-cache',
        help=HELP,
        description=HELP,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('config', metavar='CONFIG', help='of a DistillPoseEstimator with its teacher')
    parser.add_argument('--out', type=Path, required=True, metavar='DIR', help='folder to make')
    parser.add_argument(
        '--seeds',
        type=int,
        nargs='+',
        default=[0],
        metavar='S',
        help='augmentations of each sample, whole numbers from 0 (default 0)',
    )
    parser.add_argument('--batch', type=int, default=32, help='images at once (default 32)')
    parser.add_argument('--workers', type=int, default=2, help='processes that prepare them (default 2)')
    parser.add_argument('--device', default='cpu', help="'cpu' or 'cuda' (default cpu)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the teacher and write; 2 if arguments, config or checkpoint do not fit."""
    try:
        print(f'{args.out}: {write_cache(args)}')
    except (ValueError, KeyError, OSError) as problem:
        said = problem.args[0] if isinstance(problem, KeyError) else problem
        print('vitpose teacher-cache:', ' '.join(str(said).split()), file=sys.stderr)
        return 2
    return 0


def write_cache(args: argparse.Namespace) -> str:
    """Write the seeds that the cache does not have, each entered in its index once complete; say what it has."""
    import numpy as np
    from mmengine import Config
    from mmengine.registry import init_default_scope
    from mmpose.registry import MODELS

    from vitpose_mm.datasets.teacher_cache import INDEX, TeacherCacheDataset, heatmap_file, read_index
    from vitpose_mm.files import replacing, write_text
    from vitpose_mm.hooks.run_check import check_targets

    if min(args.seeds) < 0 or len(set(args.seeds)) < len(args.seeds) or args.batch < 1 or args.workers < 0:
        raise ValueError(
            f'--seeds {args.seeds} --batch {args.batch} --workers {args.workers}: expected each seed once '
            'and from 0, images from 1, processes from 0'
        )
    init_default_scope('mmpose')
    config = Config.fromfile(args.config)
    if not config.get('model', {}).get('teacher'):
        raise ValueError(
            f"{args.config} has no model.teacher: give a config with type='DistillPoseEstimator' and "
            'teacher=dict(config=FILE, checkpoint=FILE)'
        )
    model = MODELS.build(config.model)
    model.check_teacher()
    teacher = model.teacher
    dataset = TeacherCacheDataset(config.train_dataloader.dataset, seeds=args.seeds)
    check_targets(dataset, model)
    index: dict[str, Any] = dict(dataset.identity, sha256=hashlib.sha256(teacher.checkpoint.read_bytes()).hexdigest())
    known = read_index(args.out, index) if (args.out / INDEX).exists() else dict(seeds=[], shape=None)
    done, shape = known['seeds'], known['shape']
    index.update(teacher=teacher.checkpoint.name, wanted=list(dict.fromkeys([*done, *args.seeds])))

    def save() -> None:
        write_text(args.out / INDEX, json.dumps(dict(index, seeds=done, shape=shape), indent=2))

    save()
    for seed in index['wanted'][len(done) :]:
        with replacing(heatmap_file(args.out, seed)) as part:
            stored = None
            for first, heatmaps in _answers(model, dataset, seed, args):
                if stored is None:
                    shape = [len(dataset), *heatmaps.shape[1:]]
                    stored = np.lib.format.open_memmap(part, mode='w+', dtype=np.float16, shape=tuple(shape))
                stored[first : first + len(heatmaps)] = heatmaps
            del stored  # flushes
        done = [*done, seed]
        save()
    kept = f' (already there: {", ".join(map(str, known["seeds"]))})' if known['seeds'] else ''
    return f'fp16 heatmaps {tuple(shape[1:])} of {shape[0]} samples, seeds {", ".join(map(str, done))}{kept}'


def _answers(model: Any, dataset: Any, seed: int, args: argparse.Namespace) -> Iterator[tuple]:
    """The teacher's heatmaps in fp16, a batch at a time, with the number of its first sample."""
    from mmengine.dataset import pseudo_collate
    from rich.progress import track
    from torch.utils.data import DataLoader

    dataset.seeds = [seed]  # draw no other
    loader = DataLoader(dataset, args.batch, num_workers=args.workers, collate_fn=pseudo_collate)
    preprocess = model.data_preprocessor.to(args.device)
    first = 0
    for batch in track(loader, f'seed {seed}'):
        batch = preprocess(batch, True)
        heatmaps = model.teacher_heatmaps(batch['inputs'], batch['data_samples']).half().cpu().numpy()
        yield first, heatmaps
        first += len(heatmaps)
