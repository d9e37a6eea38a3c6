"""Take the teacher through every door: each way to deploy its weights, and what it scores there.

    python projects/real_people/doors.py --run work_dirs/real_people --weights FOLDER --out work_dirs/doors

`--run` is the `--out` of study.py, whose photographs it reads, and `--weights` the folder of NanoDet. Splits the head
`coco` from the committed weights, exports it, and prints over LSP's test people the AP of each form, which share of the
multiplications is in int8, and the largest distance of MMPose's and transformers' keypoints and heatmaps from ours;
and over COCO's test people AP with true boxes and with NanoDet's.
"""

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from mmengine import Config
from mmengine.registry import init_default_scope

sys.path.append(str(Path(__file__).resolve().parents[2]))  # for the imports from `projects`

from projects.real_people.evaluate import LIMBS, average_precision, open_model, predict_all
from projects.real_people.found_boxes import by_image, corners, detected_ap
from projects.real_people.photographs import read
from projects.real_people.ship import run
from projects.real_people.study import COMMITTED, HERE, members, set_size
from vitpose import PosePredictor
from vitpose.predict.detection.onnx_detector import OnnxDetector
from vitpose.runs.table import machine
from vitpose_base.files import write_text
from vitpose_mm.optim.autocast import has_bfloat16

FORMS = {  # name: options of `vitpose export`
    'ONNX Runtime fp32': ('teacher.onnx', 'onnx', 'fp32'),
    'OpenVINO fp32': ('teacher.xml', 'openvino', 'fp32'),
    'OpenVINO bf16': ('teacher_bf16.xml', 'openvino', 'bf16'),
    # without it, the 99th percentile of the distances is 2.12 px, and 2 is accepted
    'OpenVINO int8': ('teacher_int8.xml', 'openvino', 'int8', '--accuracy-drop', '0.01'),
}
COMPARED = 20  # photographs whose keypoints and heatmaps are compared


def write_config(photographs: Path, size: tuple[int, int], out: Path) -> Path:
    """Write the teacher's config for crops of (height, width), with LSP's test people as its test set."""
    config = Config.fromfile(HERE / 'network.py')
    set_size(config, size)
    config.model.backbone.init_cfg = None
    for member in members(config):
        member.data_root = f'{photographs}/'
        member.ann_file = {'choose.json': 'lsp_test.json', 'choose_14.json': 'lsp_test_14.json'}.get(
            member.ann_file, member.ann_file
        )
    for metric in config.test_evaluator.metrics:
        metric.ann_file = str(photographs / Path(metric.ann_file).name.replace('choose', 'lsp_test'))
    config.model.test_cfg = dict(flip_test=False)
    config.dump(out / 'several.py')
    return out / 'several.py'


def int8_share(file: Path) -> float:
    """The share of an OpenVINO model's multiplications whose both operands are quantized."""
    import openvino

    macs = {True: 0, False: 0}
    for node in openvino.Core().read_model(file).get_ops():
        kind = node.get_type_name()
        if kind not in ('MatMul', 'Convolution', 'ConvolutionBackpropData', 'GroupConvolution'):
            continue
        output, second = node.output(0).partial_shape, node.input_value(1).partial_shape
        # the batch is open: one person
        size = int(np.prod([1 if side.is_dynamic else side.get_length() for side in output]))
        sides = [1 if side.is_dynamic else side.get_length() for side in second]
        if kind == 'MatMul':
            terms = sides[-1 if node.get_attributes()['transpose_b'] else -2]
        elif kind == 'ConvolutionBackpropData':
            strides = np.prod(node.get_attributes()['strides'])
            terms = int(sides[0] * np.prod(sides[2:]) / strides)
        else:
            terms = int(np.prod(sides[1:]))
        macs[all(is_quantized(node.input_value(i).get_node()) for i in (0, 1))] += size * terms
    return macs[True] / sum(macs.values())


def is_quantized(node: Any) -> bool:
    """Whether a value comes from numbers in int8, through steps that only scale, shift or arrange them."""
    if (kind := node.get_type_name()) in ('FakeQuantize', 'Constant'):
        return kind == 'FakeQuantize' or node.get_element_type().get_type_name() in ('i8', 'u8')
    passing = ('Multiply', 'Subtract', 'Convert', 'Reshape', 'Transpose', 'Squeeze', 'Unsqueeze', 'Split', 'Gather')
    return kind in (*passing, 'VariadicSplit', 'StridedSlice') and is_quantized(node.input_value(0).get_node())


def mmpose_ap(config: Path, checkpoint: Path, out: Path) -> float:
    """AP of `mim test`."""
    command = [Path(sys.executable).with_name('mim'), 'test', 'mmpose', config, '--checkpoint', checkpoint]
    done = subprocess.run([*command, '--work-dir', out, '--gpus', '0'], capture_output=True, text=True, check=False)
    found = re.search(r'coco/AP: ([\d.]+)', done.stdout + done.stderr)
    if done.returncode or not found:
        raise RuntimeError(f'{" ".join(map(str, command))}: {done.stderr[-500:]}')
    return float(found[1])


def inferencer_distance(config: Path, checkpoint: Path, predictor: PosePredictor, rows: list) -> float:
    """The largest distance in pixels of MMPoseInferencer's keypoints in photographs of one person."""
    from mmpose.apis import MMPoseInferencer

    inferencer = MMPoseInferencer(str(config), str(checkpoint), device='cpu', det_model='whole_image')
    farthest = 0.0
    for _, path, _ in rows:
        (theirs,) = next(inferencer(str(path)))['predictions'][0]
        ours = predictor(path).keypoints[0]
        farthest = max(farthest, float(np.abs(ours - np.array(theirs['keypoints'])).max()))
    return farthest


def transformers_difference(checkpoint: Path, predictor: PosePredictor, rows: list, out: Path) -> float:
    """The largest difference of the heatmaps of transformers' VitPose with the converted weights."""
    from transformers import VitPoseForPoseEstimation

    run('convert', checkpoint, out, '--to', 'transformers', '--img-size', *predictor.model.crop_rule.input_size[::-1])
    theirs, model = VitPoseForPoseEstimation.from_pretrained(out).eval(), predictor.model
    largest = 0.0
    for _, path, people in rows:
        regions = model.crop_rule.regions(corners(people))
        crops = np.empty((len(people), *model.crop_rule.input_size[::-1], 3), np.uint8)
        model.crop_rule.crop(cv2.imread(str(path)), *regions, crops)
        with torch.inference_mode():
            heatmaps = theirs(model.normalized(crops)).heatmaps
        largest = max(largest, float((heatmaps - model.heatmaps(crops)).abs().max()))
    return largest


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add('--run', type=Path, default=Path('work_dirs/real_people'), help='the --out of study.py')
    add('--weights', type=Path, required=True, help='folder of nanodet_416.onnx')
    add('--teacher', type=Path, default=COMMITTED['full_size'], help='its weights (default: the committed ones)')
    add('--size', type=int, nargs=2, default=(256, 192), metavar=('H', 'W'), help="of the teacher's crops")
    add('--out', type=Path, default=Path('work_dirs/doors'), help='folder of the exported files')
    add('--results', type=Path, default=HERE / 'results/doors.json', help='JSON file to write')
    args = parser.parse_args()
    init_default_scope('mmpose')
    args.out.mkdir(parents=True, exist_ok=True)
    photographs, out = (args.run / 'photographs').resolve(), args.out.resolve()
    config, images = write_config(photographs, args.size, out), photographs / 'images'
    single, checkpoint = out / 'teacher.py', out / 'teacher.pth'
    for old in (checkpoint, single):
        old.unlink(missing_ok=True)
    run('split', config, args.teacher, '--dataset', 'coco', '--out', checkpoint)
    forms = {'torch fp32': f'{single},{checkpoint}'}
    table: dict[str, dict[str, float]] = {}
    for name, (file, kind, precision, *more) in FORMS.items():
        if precision == 'bf16' and not has_bfloat16('cpu'):
            continue
        options = ('--to', kind, '--precision', precision, '--out', out / file, '--overwrite', *more)
        try:
            run('export', single, checkpoint, *options, '--images', photographs / 'images/lsp/*[05].jpg')
            forms[name] = str(out / file)
        except RuntimeError as refused:  # its keypoints differ too much: `vitpose export` has said by how much
            print(name, refused)
            table[name] = {'is exported': 0}
    people = {name: read(photographs / f'{name}.json') for name in ('lsp_test', 'coco_test')}
    for name, files in forms.items():
        predicted = predict_all(open_model(files), people['lsp_test'], images)
        row = table[name] = dict(AP_limbs=average_precision(predicted, people['lsp_test'], LIMBS)[0])
        row['AP'] = average_precision(predicted, people['lsp_test'])[0]
        print(name, row, flush=True)
    if 'OpenVINO int8' in forms:
        table['OpenVINO int8']['share of int8'] = int8_share(out / 'teacher_int8.xml')
    table['mim test'] = dict(AP=mmpose_ap(single, checkpoint, out / 'test'))
    predictor = PosePredictor.load(single, checkpoint, device='cpu', detector=None)
    rows = by_image(people['lsp_test'], images)
    table['MMPoseInferencer'] = {'px': inferencer_distance(single, checkpoint, predictor, rows[:COMPARED])}
    difference = transformers_difference(checkpoint, predictor, rows[:COMPARED], out / 'transformers')
    table['transformers'] = {'heatmaps': difference}
    true = predict_all(open_model(forms['torch fp32']), people['coco_test'], images)
    table['COCO, true boxes'] = dict(AP=average_precision(true, people['coco_test'])[0])
    predictor.detector = OnnxDetector(args.weights / 'nanodet_416.onnx')
    table['COCO, NanoDet'] = dict(AP=detected_ap(predictor, people['coco_test'], images)[0])
    print(json.dumps(table, indent=1))
    write_text(args.results, json.dumps(dict(scores=table, machine=machine()), indent=1) + '\n')


if __name__ == '__main__':
    main()
