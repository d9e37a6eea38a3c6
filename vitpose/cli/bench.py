"""`vitpose bench`: speed of prediction with each backend."""

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ..errors import InputError, started
from ..runs.table import machine, usable_cores
from ..shipped import find_config
from .paths import check_readable, read_files
from .shared_options import add_config_options, add_device, check_positive, parse_config_options

DESCRIPTION = """Measure pre-processing, network, decoding and end to end, in people per second,
of torch and of exported files, with the same weights, people and boxes, in one
run: warm, alternating, median and spread. Each backend is also listed with the
distance of its keypoints from those of torch in fp32, in image pixels.

Backends: ours-fp32, ours-bf16, onnx-fp32, openvino-fp32, openvino-bf16 and
openvino-int8, whose calibration takes minutes. docs/benchmark.md describes them
and the stages. The 640x480 images are rendered; there is no flip test.
OUT/bench.json has every time. In a checkout, `python projects/peers/bench.py`
also measures MMPose, transformers and rtmlib.

With --train it measures training instead: samples per second of loading alone,
of the step alone, and of both; milliseconds per transform; and how many cores a
GPU of a given speed needs. See docs/training_speed.md."""

EPILOG = """examples:
  vitpose bench --model base --only onnx-fp32
  vitpose bench --config CONFIG --checkpoint FILE.pth --only ours-bf16
  vitpose bench --train CONFIG --beside MMPOSE_CONFIG --gpu 1000 5000

CONFIG is, for example, configs/coco/vitpose-base_coco-256x192.py. Leave the
machine idle; on two cores:
  OMP_NUM_THREADS=2 taskset -c 0,1 vitpose bench ..."""

# options of only one kind of measurement, and their defaults
OF_PREDICTION: dict[str, Any] = dict(checkpoint=None, out=Path('work_dirs/bench'), people=12, images=4)
OF_PREDICTION |= dict(only=(), dataset=None)
OF_TRAINING: dict[str, Any] = dict(beside=None, workers=None, seconds=5, only_loading=False, gpu=(), cfg_options=[])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument('--config', type=find_config, help='config of the model')
    what.add_argument('--model', type=Path, metavar='NAME', help='published weights by name, instead of --config')
    what.add_argument('--train', type=find_config, metavar='CONFIG', help='measure the training of this config')
    add = parser.add_argument
    add('--checkpoint', type=Path, metavar='FILE', help='weights of --config (default: random)')
    add('--out', type=Path, metavar='DIR', help='folder to write (default %(default)s)')
    add('--people', type=int, metavar='N', help='people in each image (default 12)')
    add('--images', type=int, metavar='N', help='images (default 4)')
    add('--rounds', type=int, default=7, metavar='N', help='measured rounds (default 7)')
    add('--batch-size', type=int, metavar='N', help="people per batch (default 16; with --train the config's)")
    add('--only', nargs='+', metavar='NAME', help='these and ours-fp32 (default: all)')
    add('--dataset', metavar='NAME', help="multi-dataset model: measure this dataset's plain model")
    add_device(parser)
    training = parser.add_argument_group('with --train')
    add = training.add_argument
    add('--beside', type=find_config, metavar='CONFIG', help='also measure this config, alternating')
    add('--workers', type=int, metavar='N', help='maximum number of workers (default: usable cores)')
    add('--seconds', type=float, metavar='S', help='duration of each measurement (default 5)')
    add('--only-loading', action='store_true', help='do not measure the step')
    add('--gpu', type=float, nargs='+', metavar='N', help='samples per second that a GPU trains')
    add_config_options(training)
    parser.set_defaults(**OF_PREDICTION, **OF_TRAINING)


def run(args: argparse.Namespace) -> None:
    unused = OF_PREDICTION if args.train else OF_TRAINING
    if given := [name for name, default in unused.items() if getattr(args, name) != default]:
        raise InputError(f'--{given[0].replace("_", "-")}: only {"without" if args.train else "with"} --train')
    if args.model and args.checkpoint:
        raise InputError(f'--checkpoint {args.checkpoint}: --model {args.model} has weights; pass --config instead')
    named = read_files(args.model, None) if args.model else None
    if named:
        args.config, args.checkpoint, args.dataset = named.config, named.file, args.dataset or named.dataset
    check_readable(args.train or args.config, 'config file')
    check_readable(args.checkpoint, 'checkpoint', folder=True, option='--checkpoint')
    check_positive(args, 'rounds', 'batch_size', 'images')
    if args.train:
        return _measure_training(args)
    args.batch_size = args.batch_size or 16
    from vitpose_base.files import check_writable

    from ..bench.bench_setup import make_setup
    from ..bench.contestants import check_names, make_contestants
    from ..bench.crowd_scenes import render_people
    from ..predict.models.torch_model import read_config

    check_names(args.only)
    check_writable(args.out)  # before measuring
    if args.checkpoint is None:
        print('no --checkpoint: random weights, with which differences in pixels mean little', file=sys.stderr)
    people = render_people(args.images, args.people)
    with TemporaryDirectory(prefix='vitpose-bench-') as folder:
        config = read_config(args.config, dict(named.cfg_options) if named else None)[0]
        setup = make_setup(config, args.checkpoint, Path(folder), args.device, args.batch_size, args.dataset)
        contestants, left_out = make_contestants(setup, args.only)
        for name, reason in left_out.items():
            print(f'{name} is left out: {reason}', file=sys.stderr)
        with started():
            _measure(args, setup, contestants, left_out, people)


def _measure_training(args: argparse.Namespace) -> None:
    check_positive(args, 'workers')
    if not args.seconds > 0:
        raise InputError(f'--seconds {args.seconds}: expected a number above 0')
    check_readable(args.beside, 'config file', option='--beside')
    import cv2
    import torch
    from rich.console import Console

    from ..bench.training_speed import describe, measure, table, transforms_table
    from ..predict.models.device import as_device
    from ..predict.models.torch_model import read_config

    configs: dict[str, Any] = {}
    for path in filter(None, (args.train, args.beside)):
        name = path.stem if path.stem not in configs else f'{path.stem} (2)'
        configs[name], _ = read_config(path, parse_config_options(args.cfg_options))
    cv2.setNumThreads(0)  # as in training, with the configs' opencv_num_threads
    most = args.workers or usable_cores()
    workers = sorted({1, 2, most} if most > 1 else {1})
    settings = (args.seconds, args.rounds, as_device(args.device), args.batch_size, not args.only_loading)
    with started(), Console(stderr=True).status('building') as status:
        speeds = measure(configs, workers, *settings, status.update)
    console = Console()
    console.print(machine(), f'{torch.get_num_threads()} torch threads', sep=', ', highlight=False)
    console.print(transforms_table(speeds), table(speeds))
    for name, speed in speeds.items():
        console.print(f'{name}: {describe(speed, args.gpu)}', highlight=False, soft_wrap=True)


def _measure(args: argparse.Namespace, setup: Any, contestants: dict, left_out: dict, people: tuple) -> None:
    import cv2
    import torch
    from rich.console import Console
    from rich.progress import Progress

    from ..bench.crowd_scenes import SIZE
    from ..bench.report import table, write_json
    from ..bench.rounds import measure

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task('', total=(args.rounds + 1) * len(contestants))
        settings = (people[0], people[1], args.rounds, setup.device)
        results = measure(contestants, *settings, lambda name: progress.update(task, description=name, advance=1))
    threads = {'torch': torch.get_num_threads(), 'opencv': cv2.getNumThreads()}
    about: dict[str, Any] = dict(machine=machine(), device=str(setup.device), threads=threads, config=str(args.config))
    about |= dict(checkpoint=args.checkpoint and str(args.checkpoint), dataset=args.dataset)
    about |= dict(input_size=setup.crop_rule.input_size, image_size=SIZE, images=args.images)
    about |= dict(people_per_image=args.people, batch_size=args.batch_size, rounds=args.rounds)
    title = f'{args.config.stem}, {args.images} x {args.people} people, batch size {args.batch_size}, '
    title += f'{args.rounds} rounds, {threads["torch"]} threads\n{about["machine"]}'
    packages = [name for contestant in contestants.values() for name in contestant.packages]
    write_json(results, left_out, about, args.out / 'bench.json', packages)
    Console().print(table(results, title))
    print(f'{args.out}: bench.json')
