"""`vitpose bench`: speed of prediction, backends side by side."""

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Any

from ..errors import started
from .paths import check_readable

DESCRIPTION = """Measure pre-processing, network, decoding and end to end, in people per second,
of torch and of exported files, with the same weights, people and boxes, in one
run: warm, alternating, median and spread. Next to each stands the distance of
its keypoints from those of torch in fp32, in image pixels.

  ours-fp32     PosePredictor in eager torch; the reference of the differences
  ours-bf16     the same in bfloat16, where the processor computes in it
  onnx-fp32     PosePredictor with a file of `vitpose export --to onnx`
  openvino-fp32, openvino-bf16, openvino-int8
                the same with OpenVINO; int8 is calibrated with rendered people,
                which takes minutes

The images, of 640x480 pixels, are rendered. Without flip test. Files written:
OUT/bench.json with every time, and OUT/bench.png.

docs/benchmark.md says what each stage contains. In a checkout,
`python projects/peers/bench.py` measures MMPose, transformers and rtmlib, too.

With --train it measures training instead: samples per second of loading alone
with 1, 2 and N workers, of the step alone, and of both; milliseconds of each
transform; whether loading or the step is slower; and how many cores a GPU of
a given speed needs. docs/training_speed.md"""

EPILOG = """examples:
  vitpose bench --config CONFIG --checkpoint FILE.pth
  vitpose bench --config CONFIG --only ours-bf16 --rounds 3
  vitpose bench --train CONFIG --gpu 1000 5000
  vitpose bench --train CONFIG --beside MMPOSE_CONFIG --only-loading

CONFIG is, for example, configs/coco/vitpose-base_coco-256x192.py. Run nothing
else meanwhile; to measure on two cores:
  OMP_NUM_THREADS=2 taskset -c 0,1 vitpose bench ...

exit code: 0 if all is well; 1 if measuring or writing failed; 2 if nothing was
started; 130 after Ctrl-C"""


def add_parser(subparsers: Any) -> None:
    """Add the parser of `vitpose bench`."""
    parser = subparsers.add_parser('bench', description=DESCRIPTION, epilog=EPILOG)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument('--config', type=Path, help='config of the model')
    what.add_argument('--train', type=Path, metavar='CONFIG', help='measure the training of this config')
    parser.add_argument('--checkpoint', type=Path, metavar='FILE', help='its weights (default: random ones)')
    parser.add_argument(
        '--out', type=Path, default=Path('work_dirs/bench'), metavar='DIR', help='(default %(default)s)'
    )
    parser.add_argument('--people', type=int, default=12, metavar='N', help='people in each image (default 12)')
    parser.add_argument('--images', type=int, default=4, metavar='N', help='images (default 4)')
    parser.add_argument('--rounds', type=int, default=7, metavar='N', help='measured rounds (default 7)')
    parser.add_argument(
        '--batch-size', type=int, metavar='N', help="people per batch (default 16; with --train the config's)"
    )
    parser.add_argument('--only', nargs='+', default=(), metavar='NAME', help='these, and ours-fp32 (default: all)')
    parser.add_argument('--dataset', metavar='NAME', help='of a multi-dataset model: measure its plain model')
    parser.add_argument('--device', default='auto', help="'cpu' or 'cuda' (default: cuda if there is one)")
    training = parser.add_argument_group('with --train')
    training.add_argument('--beside', type=Path, metavar='CONFIG', help='measure this config too, alternating')
    training.add_argument('--workers', type=int, metavar='N', help='most workers (default: one per usable core)')
    training.add_argument('--seconds', type=float, default=5, metavar='S', help='of each measurement (default 5)')
    training.add_argument('--only-loading', action='store_true', help='do not measure the step')
    training.add_argument(
        '--gpu', type=float, nargs='+', default=(), metavar='N', help='samples per second that a GPU trains'
    )
    training.add_argument(
        '--cfg-options', nargs='+', default=(), metavar='K=V', help='change keys of both configs, as for `mim train`'
    )


def run(args: argparse.Namespace) -> int:
    """Measure, print, draw and write; see EPILOG for the exit code."""
    check_readable(args.train or args.config, 'config file')
    check_readable(args.checkpoint, 'checkpoint', folder=True, option='--checkpoint')
    if args.train:
        from .bench_train import run_training

        return run_training(args)
    with TemporaryDirectory(prefix='vitpose-bench-') as folder:
        prepared = _prepare(args, Path(folder))
        with started():
            _measure(args, *prepared)
    return 0


def _prepare(args: argparse.Namespace, folder: Path) -> tuple:
    """Check the arguments, cheap ones first; load the model and make the contestants."""
    if args.rounds < 1:
        raise ValueError(f'--rounds {args.rounds}: expected at least 1')
    args.batch_size = 16 if args.batch_size is None else args.batch_size
    from ..bench.contestants import check_names, make_contestants
    from ..bench.people import render_people
    from ..bench.setup import make_setup

    check_names(args.only)
    args.out.mkdir(parents=True, exist_ok=True)
    TemporaryFile(dir=args.out).close()  # whether it can be written is better known before measuring
    if args.checkpoint is None:
        print('no --checkpoint: random weights, with which differences in pixels mean little', file=sys.stderr)
    people = render_people(args.images, args.people)
    setup = make_setup(args.config, args.checkpoint, folder, args.device, args.batch_size, args.dataset)
    contestants, left_out = make_contestants(setup, args.only)
    for name, reason in left_out.items():
        print(f'{name} is left out: {reason}', file=sys.stderr)
    return setup, contestants, left_out, people


def _measure(args: argparse.Namespace, setup: Any, contestants: dict, left_out: dict, people: tuple) -> None:
    import cv2
    import torch
    from rich.console import Console
    from rich.progress import Progress

    from ..bench.people import SIZE
    from ..bench.report import draw, table, write_json
    from ..bench.rounds import measure
    from ..runs.table import machine

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task('', total=(args.rounds + 1) * len(contestants))

        def show(name: str) -> None:
            progress.update(task, description=f'{name:12}', advance=1)

        results = measure(contestants, people[0], people[1], args.rounds, setup.device, show)
    about = {
        'machine': machine(),
        'device': str(setup.device),
        'threads': {'torch': torch.get_num_threads(), 'opencv': cv2.getNumThreads()},
        'config': str(args.config),
        'checkpoint': args.checkpoint and str(args.checkpoint),
        'dataset': args.dataset,
        'input_size': setup.crop_rule.input_size,
        'image_size': SIZE,
        'images': args.images,
        'people_per_image': args.people,
        'batch_size': args.batch_size,
        'rounds': args.rounds,
    }
    title = (
        f'{args.config.stem}, {args.images} x {args.people} people, batch size {args.batch_size}, '
        f'{args.rounds} rounds, {torch.get_num_threads()} threads\n{about["machine"]}'
    )
    packages = [name for contestant in contestants.values() for name in contestant.packages]
    write_json(results, left_out, about, args.out / 'bench.json', packages)
    draw(results, title, args.out / 'bench.png')
    Console().print(table(results, title))
    print(f'{args.out}: bench.json, bench.png')
