"""COCO AP of a model in torch and of its exported files, for the same people with the boxes of the annotations."""

import argparse
import contextlib
import io
import json
import sys
from pathlib import Path

from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from vitpose.cli.main import main as vitpose
from vitpose.export.writing import SUFFIXES
from vitpose_mm.torch_support import EMULATION_WARNING, has_bfloat16

FILES = {  # row -> options of `vitpose export`
    'ONNX Runtime fp32': ('onnx', 'fp32'),
    'OpenVINO fp32': ('openvino', 'fp32'),
    'OpenVINO bf16': ('openvino', 'bf16'),
    'OpenVINO int8': ('openvino', 'int8'),
    'OpenVINO int8, --accuracy-drop 0.005': ('openvino', 'int8', '--accuracy-drop', '0.005'),
}


def compare(config: Path, checkpoint: Path, data: Path, out: Path) -> dict[str, float | str]:
    """Export a model of one dataset to `out`, predict held-out images, evaluate; AP by row, or why there is none.

    `data` is a folder of `vitpose synth`; int8 is calibrated with its training images.
    """
    found: dict[str, float | str] = {
        'torch fp32': ap(data, out / 'torch', '--config', config, '--checkpoint', checkpoint, '--device', 'cpu')
    }
    for i, (row, (kind, precision, *options)) in enumerate(FILES.items()):
        if precision == 'bf16' and not has_bfloat16('cpu'):
            found[row] = EMULATION_WARNING
            continue
        file = out / f'model{i}{SUFFIXES[kind]}'
        kinds = ('--to', kind, '--precision', precision, '--out', file, '--overwrite', *options)
        calibration = ('--images', data / 'train', '--boxes', data / 'annotations/train.json')
        run('export', config, checkpoint, *kinds, *calibration)
        found[row] = ap(data, out / f'poses{i}', '--model', file)
    return found


def ap(data: Path, out: Path, *model: object) -> float:
    """COCO AP of `vitpose predict` on the held-out images of a folder."""
    truth = data / 'annotations/val.json'
    run('predict', data / 'val', '--boxes', truth, '--no-draw', '--out', out, *model)
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(truth))
        evaluation = COCOeval(coco, coco.loadRes(str(out / 'keypoints.json')), 'keypoints')
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return float(evaluation.stats[0])


def run(*words: object) -> None:
    """Run a command of `vitpose`."""
    print('vitpose', *words, file=sys.stderr)
    if vitpose([str(word) for word in words]):
        raise RuntimeError(f'vitpose {words[0]} failed, see above')


def main() -> int:
    """Compare what the command line says, print a table and write OUT/accuracy.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', type=Path, metavar='CONFIG')
    parser.add_argument('checkpoint', type=Path, metavar='CHECKPOINT')
    parser.add_argument('--data', required=True, type=Path, metavar='DIR', help='folder of `vitpose synth`')
    parser.add_argument('--out', type=Path, default=Path('work_dirs/accuracy'), metavar='DIR', help='(%(default)s)')
    args = parser.parse_args()
    found = compare(args.config, args.checkpoint, args.data, args.out)
    (args.out / 'accuracy.json').write_text(json.dumps(found, indent=2) + '\n')
    print('| file | AP |\n|---|---|')
    for row, score in found.items():
        print(f'| {row} | {score if isinstance(score, str) else format(score, ".4f")} |')
    return 0


if __name__ == '__main__':
    sys.exit(main())
