"""`vitpose export`: one file that predicts without OpenMMLab."""

import argparse
from pathlib import Path
from typing import Any

from ..errors import InputError, started
from ..models.catalogue import NamedModel
from ..models.names import is_name
from ..predict.models.exported import is_checkpoint
from ..shipped import find_config
from .input_options import add_box_options, read_box_options
from .paths import check_readable, read_files
from .shared_options import add_config_options, parse_config_options

DESCRIPTION = """Write a trained model as one file for another runtime, run the file, and compare
it with torch in fp32. If it differs too much, the file is deleted.

The file holds everything that prediction needs: network, decoding, how to crop,
keypoint names and skeleton; `vitpose inspect FILE` prints them. It runs without
torch and OpenMMLab:
  pip install 'vitpose_mm[onnx]'      or [openvino]
  vitpose predict photos/ --model FILE --out poses

With --decode, the default, it takes uint8 crops and returns keypoints. With
--no-decode it takes normalized images and returns heatmaps, as other tools
expect, such as rtmlib's ViTPose.

docs/deployment.md explains the precisions and the accepted differences."""

EPILOG = """examples:
  vitpose export base --to onnx --out base.onnx
  vitpose export CONFIG FILE.pth --to onnx --out vitpose.onnx
  vitpose export FILE.pth --dataset coco --to onnx --out vitpose.onnx
  vitpose export CONFIG FILE.pth --to openvino --dataset aic --out aic.xml
  vitpose export CONFIG FILE.pth --to openvino --precision int8 \\
      --images train2017/ --boxes person_keypoints_train2017.json --out int8.xml"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    text = 'config of the model, or a name of `vitpose models`, or a checkpoint alone'
    add('config', type=find_config, metavar='CONFIG|NAME', help=text)
    add('checkpoint', type=Path, nargs='?', metavar='CHECKPOINT', help='weights of the config')
    add_config_options(parser)
    add('--to', required=True, choices=('onnx', 'openvino'), help='runtime')
    add('--out', required=True, type=Path, metavar='FILE', help='file to write: .onnx or .xml')
    add('--overwrite', action='store_true', help='replace FILE if it exists')
    text = 'precision of the file (default fp32)'
    add('--precision', choices=('fp32', 'fp16', 'bf16', 'int8'), default='fp32', help=text)
    add('--decode', action=argparse.BooleanOptionalAction, default=True, help='return keypoints (default: yes)')
    add('--flip-test', action='store_true', help='average with the mirrored crop: twice the time')
    text = 'dataset whose keypoints to predict, for a multi-dataset model or without CONFIG'
    add('--dataset', metavar='NAME', help=text)
    add('--size', nargs=2, type=int, metavar=('H', 'W'), help="size of the crops in pixels (default: the config's)")
    text = 'images to compare on, filled up with rendered people, and to calibrate OpenVINO int8 with'
    add('--images', nargs='+', default=(), metavar='INPUT', help=text)
    text = 'OpenVINO int8: keep layers in fp32 until the agreement with fp32, from 0 to 1, falls by less than this'
    add('--accuracy-drop', type=float, metavar='D', help=text)
    add('--boxes', type=Path, metavar='FILE', help='person boxes in them, as for `vitpose predict`')
    add_box_options(parser)


def run(args: argparse.Namespace) -> None:
    if args.boxes and not args.images:
        raise InputError(f'--boxes {args.boxes}: only with --images')
    box_options = read_box_options(args)
    from ..predict.inputs.sources import find_sources

    sources = find_sources(args.images) if args.images else None
    named = _find_files(args)
    import numpy as np

    from vitpose_mm.export.int8 import check_crop_count

    from ..export.rendered_crops import crop_people
    from ..export.writing import CALIBRATION_CROPS, COMPARED_CROPS, Target, possible_files, write_file, written_files

    target = Target(args.to, args.precision, args.decode, args.accuracy_drop)
    target.check(args.out)
    if not args.overwrite and (old := [file for file in possible_files(args.out) if file.exists()]):
        raise InputError(f'{old[0]} exists: pass another --out, or --overwrite')
    if target.is_calibrated and not args.images:
        check_crop_count(0)
    model = _load_model(named, args)
    wanted = CALIBRATION_CROPS if target.is_calibrated else COMPARED_CROPS
    crops = crop_people(model.crop_rule, wanted, sources, args.boxes, model.metainfo['bits'], **box_options)
    given = len(crops) if args.images else 0
    if target.is_calibrated:
        check_crop_count(given)
    elif missing := COMPARED_CROPS - len(crops):
        crops = np.concatenate((crops, crop_people(model.crop_rule, missing)))
    with started():
        differences = write_file(model, named.file, target, args.out, crops)
    shown = f' ({min(given, differences.crops)} of --images)' if given else ''
    print(f'differences from torch in fp32, {differences.crops} crops{shown}:', *differences.lines(), sep='\n  ')
    for file in written_files(args.out):
        print(f'{file}: {file.stat().st_size / 1e6:.1f} MB')


def _find_files(args: argparse.Namespace) -> NamedModel:
    """Find the files of CONFIG CHECKPOINT, of a name, or of a checkpoint alone."""
    if args.checkpoint is not None or is_name(args.config) or not is_checkpoint(args.config):
        return read_files(args.config, args.checkpoint)
    if args.size or args.cfg_options:
        raise InputError('--size and --cfg-options: only with a config')
    check_readable(args.config, 'checkpoint', folder=True)
    return NamedModel(args.config)


def _load_model(named: NamedModel, args: argparse.Namespace) -> Any:
    """Load the model of a config and a checkpoint, with --cfg-options and --size, or of a checkpoint alone."""
    from ..predict.models.loading import load_model

    options: dict[str, Any] = dict(device='cpu', flip_test=args.flip_test, dataset=args.dataset or named.dataset)
    if not (args.size or args.cfg_options):
        return load_model(named, **options)
    from ..export.sizes import resize
    from ..predict.models.torch_model import read_config
    from ..predict.optional_imports import check_openmmlab

    check_openmmlab(named.config)
    cfg, _ = read_config(named.config, {**named.cfg_options, **parse_config_options(args.cfg_options)})
    if args.size:
        resize(cfg, tuple(args.size))
    return load_model(cfg, named.file, **options)
