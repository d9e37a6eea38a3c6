"""`vitpose export`: one file that predicts without OpenMMLab."""

import argparse
import sys
from pathlib import Path
from typing import Any

DESCRIPTION = """Write a trained model as one file for another runtime, run the file, and compare
it with torch in fp32. If it differs too much, no file is left.

The file holds everything that prediction needs: network, decoding, how to crop,
keypoint names and skeleton; `vitpose inspect FILE` prints them. To run it,
vitpose needs only numpy, OpenCV and the runtime:
  pip install 'vitpose_mm[onnx]'      or [openvino], [torch]
  vitpose predict photos/ --model FILE --out poses

With --decode, the default, it takes uint8 crops and returns keypoints. With
--no-decode it takes normalised images and returns heatmaps, as other tools
expect, such as rtmlib's ViTPose.

docs/deployment.md says what each precision means and which differences are
accepted."""

EPILOG = """examples:
  vitpose export CONFIG FILE.pth --to onnx --out vitpose.onnx
  vitpose export CONFIG FILE.pth --to openvino --dataset aic --out aic.xml
  vitpose export CONFIG FILE.pth --to torch --compile --out vitpose.pt2
  vitpose export CONFIG FILE.pth --to openvino --precision int8 \\
      --images train2017/ --boxes person_keypoints_train2017.json --out int8.xml

exit code: 0 if all is well; 1 if the file differs too much or cannot be
written; 2 if nothing was started; 130 after Ctrl-C"""


def add_parser(subparsers: Any) -> None:
    """Add the parser of `vitpose export`."""
    parser = subparsers.add_parser(
        'export', description=DESCRIPTION, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', type=Path, metavar='CONFIG', help='config of the model')
    parser.add_argument('checkpoint', type=Path, metavar='CHECKPOINT', help='its weights')
    parser.add_argument('--to', required=True, choices=('onnx', 'openvino', 'torch'), help='runtime')
    parser.add_argument('--out', required=True, type=Path, metavar='FILE', help='file to write: .onnx, .xml or .pt2')
    parser.add_argument(
        '--precision', choices=('fp32', 'fp16', 'bf16', 'int8'), default='fp32', help='of the weights (default fp32)'
    )
    parser.add_argument(
        '--decode', action=argparse.BooleanOptionalAction, default=True, help='return keypoints (default: yes)'
    )
    parser.add_argument(
        '--compile', action='store_true', help='torch: machine code for this processor, by AOTInductor; takes minutes'
    )
    parser.add_argument('--flip-test', action='store_true', help='average with the mirrored crop: twice the time')
    parser.add_argument('--dataset', metavar='NAME', help='of a multi-dataset model: whose keypoints to predict')
    parser.add_argument(
        '--size', nargs=2, type=int, metavar=('H', 'W'), help="of the crops in pixels (default: the config's)"
    )
    parser.add_argument(
        '--images',
        nargs='+',
        default=(),
        metavar='INPUT',
        help='images to compare on (default: rendered people); int8 is calibrated with them',
    )
    parser.add_argument(
        '--accuracy-drop',
        type=float,
        metavar='D',
        help='int8: keep layers in fp32 until the agreement with fp32, from 0 to 1, falls by less than this',
    )
    parser.add_argument('--boxes', type=Path, metavar='FILE', help='their people, as for `vitpose predict`')


def run(args: argparse.Namespace) -> int:
    """Write a file, and print how it differs from torch; see EPILOG for the exit code."""
    code = 2
    try:
        model, target, crops = _prepare(args)
        code = 1
        from ..export.writing import write_file, written_files

        differences = write_file(model, args.checkpoint, target, args.out, crops)
    except (ValueError, KeyError, OSError) as problem:
        message = problem.args[0] if isinstance(problem, KeyError) else problem
        print('vitpose export:', ' '.join(str(message).split()), file=sys.stderr)
        return code
    except KeyboardInterrupt:
        print('vitpose export: interrupted; nothing is written', file=sys.stderr)
        return 130
    print(f'differences from torch in fp32, {differences.crops} crops:', *differences.lines(), sep='\n  ')
    for file in written_files(args.out):
        print(f'{file}: {file.stat().st_size / 1e6:.1f} MB')
    return 0


def _prepare(args: argparse.Namespace) -> tuple:
    """Check the arguments, cheap ones first; load the model and the crops to compare on."""
    from vitpose_mm.export.int8 import check_crop_count

    from ..export.people import crop_people
    from ..export.sizes import resized
    from ..export.writing import CALIBRATED, COMPARED, Target
    from ..predict.model import PoseModel, read_config

    target = Target(args.to, args.precision, args.decode, args.accuracy_drop, args.compile)
    target.check(args.out)
    if args.boxes and not args.images:
        raise ValueError(f'--boxes {args.boxes}: only with --images')
    int8 = target.precision == 'int8'
    if int8 and not args.images:
        check_crop_count(0)
    cfg, _ = read_config(args.config)
    if args.size:
        cfg = resized(cfg, tuple(args.size))
    model = PoseModel(cfg, args.checkpoint, 'cpu', 'fp32', args.flip_test, args.dataset)
    crops = crop_people(model.crop_rule, CALIBRATED if int8 else COMPARED, args.images, args.boxes)
    if int8:
        check_crop_count(len(crops))
    return model, target, crops
