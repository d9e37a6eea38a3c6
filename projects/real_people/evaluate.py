"""Score models on people with true boxes, with MoveNet beside them.

    python projects/real_people/evaluate.py --photographs FOLDER --weights FOLDER NAME=FILE.onnx NAME=CONFIG,CHECKPOINT

`--photographs` is the folder that photographs.py wrote, and `--weights` that of MoveNet. Prints, for LSP's test people,
AP over the 12 limb joints and their PCK@0.2 of the torso (left shoulder to right hip); for COCO's people AP, AP50 and
the mean OKS. The faces of LSP are MoveNet's own: figures over all 17 keypoints of LSP say nothing about MoveNet.
"""

import argparse
import contextlib
import io
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine import Config
from pycocotools.cocoeval import Params
from xtcocotools.coco import COCO
from xtcocotools.cocoeval import COCOeval

sys.path.append(str(Path(__file__).resolve().parents[2]))  # for the imports from `projects`

from projects.real_people.photographs import MoveNet, read
from vitpose import PosePredictor
from vitpose.predict.models.torch_model import head_names
from vitpose.runs.table import machine
from vitpose_base.files import write_text

SIGMAS = Params('keypoints').kpt_oks_sigmas  # COCO's
LIMBS = slice(5, 17)
LEFT_SHOULDER, RIGHT_HIP = 5, 12
Predict = Callable[[Path, list[list[float]]], np.ndarray]  # image and boxes x y w h -> (N, 17, 3)


def predict_all(predict: Predict, content: dict[str, Any], images: Path) -> np.ndarray:
    """Keypoints (N, 17, 3) of all people of a file, in its order."""
    by_image: dict[int, list[int]] = {}
    for i, person in enumerate(content['annotations']):
        by_image.setdefault(person['image_id'], []).append(i)
    files = {image['id']: images / image['file_name'] for image in content['images']}
    keypoints = np.zeros((len(content['annotations']), 17, 3))
    for image, indices in by_image.items():
        keypoints[indices] = predict(files[image], [content['annotations'][i]['bbox'] for i in indices])
    return keypoints


def true_keypoints(content: dict[str, Any]) -> np.ndarray:
    """The labels (N, 17, 3) of a file."""
    return np.array([person['keypoints'] for person in content['annotations']], float).reshape(-1, 17, 3)


def mean_oks(predicted: np.ndarray, content: dict[str, Any]) -> float:
    """The mean OKS of people with at least one labeled keypoint."""
    true = true_keypoints(content)
    area = np.array([person['area'] for person in content['annotations']])
    squares = ((predicted[..., :2] - true[..., :2]) ** 2).sum(-1)
    similar = np.exp(-squares / (2 * area[:, None] * (2 * SIGMAS) ** 2))
    seen = true[..., 2] > 0
    has_labels = seen.any(1)
    return float(((similar * seen).sum(1)[has_labels] / seen.sum(1)[has_labels]).mean())


def torso_pck(predicted: np.ndarray, content: dict[str, Any], threshold: float = 0.2) -> float:
    """The share of labeled limb joints within a part of the torso, among people whose torso is labeled."""
    true = true_keypoints(content)
    torso = np.linalg.norm(true[:, LEFT_SHOULDER, :2] - true[:, RIGHT_HIP, :2], axis=1)
    known = (true[:, [LEFT_SHOULDER, RIGHT_HIP], 2] > 0).all(1)
    distance = np.linalg.norm(predicted[:, LIMBS, :2] - true[:, LIMBS, :2], axis=-1) / np.maximum(torso, 1e-6)[:, None]
    counted = (true[:, LIMBS, 2] > 0) & known[:, None]
    return float((distance <= threshold)[counted].mean())


def average_precision(
    predicted: np.ndarray, content: dict[str, Any], joints: slice = slice(None)
) -> tuple[float, float]:
    """AP and AP50 over some joints; the score of a person is the mean of theirs."""
    true = true_keypoints(content)[:, joints]
    people = [
        dict(person, keypoints=labels.ravel().tolist(), num_keypoints=int((labels[:, 2] > 0).sum()))
        for person, labels in zip(content['annotations'], true, strict=True)
    ]
    results = [
        dict(
            image_id=person['image_id'],
            category_id=1,
            keypoints=points.ravel().tolist(),
            score=float(points[:, 2].mean()),
        )
        for person, points in zip(content['annotations'], predicted[:, joints], strict=True)
    ]
    return coco_scores(dict(content, annotations=people), results, SIGMAS[joints])


def coco_scores(
    content: dict[str, Any], results: list[dict[str, Any]], sigmas: np.ndarray = SIGMAS
) -> tuple[float, float]:
    """AP and AP50 of COCO keypoint results on the people of a file."""
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = content
        truth.createIndex()
        scores = COCOeval(truth, truth.loadRes(results), 'keypoints', sigmas, use_area=True)
        scores.evaluate()
        scores.accumulate()
        scores.summarize()
    return float(scores.stats[0]), float(scores.stats[1])


def open_model(words: str) -> Predict:
    """A model of `vitpose`: an exported file, or CONFIG,CHECKPOINT, of several heads `coco`."""
    files = words.split(',')
    has_several_heads = len(files) == 2 and head_names(Config.fromfile(files[0]))
    predictor = PosePredictor.load(*files, dataset='coco' if has_several_heads else None)

    def predict(image: Path, boxes: list[list[float]]) -> np.ndarray:
        corners = np.array(boxes, float)
        corners[:, 2:] += corners[:, :2]
        poses = predictor(image, boxes=corners)
        return np.concatenate((poses.keypoints, poses.scores[..., None]), -1)

    return predict


def evaluate(models: dict[str, Predict], photographs: Path, files: Sequence[str], out: Path | None = None) -> None:
    """Print the scores of all models on annotation files of a folder, and add them to those in a JSON file."""
    table: dict[str, dict[str, dict[str, float]]] = (
        json.loads(out.read_text())['scores'] if out and out.exists() else {}
    )
    for file in files:
        content = read(photographs / f'{file}.json')
        for name, predict in models.items():
            predicted = predict_all(predict, content, photographs / 'images')
            limbs = average_precision(predicted, content, LIMBS)
            figures = dict(AP_limbs=limbs[0], AP50_limbs=limbs[1], PCK=torso_pck(predicted, content))
            figures.update(zip(('AP', 'AP50'), average_precision(predicted, content), strict=True))
            figures['OKS'] = mean_oks(predicted, content)
            table.setdefault(file, {})[name] = figures
            print(f'{file:12} {name:20}', *(f'{key} {value:.3f}' for key, value in figures.items()), flush=True)
    if out:
        write_text(out, json.dumps(dict(scores=table, machine=machine()), indent=1) + '\n')


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('models', nargs='*', metavar='NAME=FILE', help='models, see above')
    parser.add_argument('--photographs', type=Path, required=True, help='folder that photographs.py wrote')
    parser.add_argument('--weights', type=Path, help='folder of MoveNet')
    parser.add_argument(
        '--files', nargs='+', default=['lsp_test', 'coco_test'], help='annotation files (default: both tests)'
    )
    parser.add_argument('--out', type=Path, help='JSON file to write')
    args = parser.parse_args()
    models = {name: open_model(files) for name, files in (word.split('=', 1) for word in args.models)}
    if args.weights:
        models['MoveNet Thunder'] = MoveNet(args.weights).predict
    evaluate(models, args.photographs, args.files, args.out)


if __name__ == '__main__':
    main()
