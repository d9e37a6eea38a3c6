"""Score models on COCO's people with boxes that were found, next to true ones, and time them.

    python projects/real_people/found_boxes.py --photographs FOLDER --detector nanodet_416.onnx NAME=FILE.onnx ...

Prints AP with true boxes and with the detector's; for photographs of one person the mean OKS with the true box, after
two passes, and with the whole image; and people and images per second, reading and decoding included: with true boxes
on one core, and with the detector on two, each the median of five rounds in which the models alternate.
"""

import argparse
import json
import os
import statistics
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

sys.path.append(str(Path(__file__).resolve().parents[2]))  # for the imports from `projects`

from projects.real_people.evaluate import average_precision, coco_scores, mean_oks
from projects.real_people.photographs import read
from projects.studies.timing import alternate
from vitpose import PosePredictor
from vitpose.predict.detection.onnx_detector import OnnxDetector
from vitpose.predict.detection.two_pass import TwoPassDetector
from vitpose.predict.poses import Frame
from vitpose.runs.table import machine
from vitpose_base.files import write_text

ROUNDS = 5


def corners(people: list[dict[str, Any]]) -> np.ndarray:
    """Boxes (N, 4) x1 y1 x2 y2 of annotations."""
    boxes = np.array([person['bbox'] for person in people], float)
    return np.concatenate((boxes[:, :2], boxes[:, :2] + boxes[:, 2:]), 1)


def by_image(content: dict[str, Any], images: Path) -> list[tuple[dict[str, Any], Path, list[dict[str, Any]]]]:
    """The images of a file with their paths and people; those without people are left out."""
    people: dict[int, list] = {}
    for person in content['annotations']:
        people.setdefault(person['image_id'], []).append(person)
    known = [image for image in content['images'] if image['id'] in people]
    return [(image, images / image['file_name'], people[image['id']]) for image in known]


def detected_ap(predictor: PosePredictor, content: dict[str, Any], images: Path) -> tuple[float, float]:
    """AP and AP50 with the boxes of the predictor's detector; a person's score is the box's times the keypoints'."""
    results = []
    for image, path, _ in by_image(content, images):
        poses = predictor(path)
        for keypoints, scores, score in zip(poses.keypoints, poses.scores, poses.box_scores, strict=True):
            flat = np.c_[keypoints, scores].ravel().tolist()
            result = dict(image_id=image['id'], category_id=1, keypoints=flat, score=float(score * scores.mean()))
            results.append(result)
    return coco_scores(content, results)


def alone_oks(predictor: PosePredictor, content: dict[str, Any], images: Path, boxes: str) -> float:
    """The mean OKS in photographs of one labeled person, with 'true' boxes or those that the predictor finds."""
    alone = [(path, people) for _, path, people in by_image(content, images) if len(people) == 1]
    poses = [predictor(path, corners(people) if boxes == 'true' else None) for path, people in alone]
    predicted = np.array([np.c_[each.keypoints[0], each.scores[0]] for each in poses])
    return mean_oks(predicted, dict(content, annotations=[people[0] for _, people in alone]))


def run(predictor: PosePredictor, frames: list[Frame]) -> None:
    """Read and predict photographs, and keep nothing."""
    for _ in predictor.stream(frames):
        pass


def speed(files: dict[str, str], detector: Path | None, content: dict[str, Any], images: Path) -> dict[str, float]:
    """Per second: people with true boxes, or images with a detector; in a process of so many cores."""
    rows = by_image(content, images)
    frames = [Frame(str(path), None, boxes=None if detector else corners(people)) for _, path, people in rows]
    count = len(rows) if detector else len(content['annotations'])
    predictors = {
        name: PosePredictor.load(file, device='cpu', detector=OnnxDetector(detector) if detector else None)
        for name, file in files.items()
    }
    for predictor in predictors.values():
        run(predictor, frames[:10])
    times = alternate({name: partial(run, each, frames) for name, each in predictors.items()}, ROUNDS, warm_up=0)
    return {name: count / statistics.median(each) for name, each in times.items()}


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('models', nargs='+', metavar='NAME=FILE', help='exported files')
    parser.add_argument('--photographs', type=Path, required=True, help='folder that photographs.py wrote')
    parser.add_argument('--detector', type=Path, required=True, help='ONNX file of a person detector')
    parser.add_argument('--out', type=Path, help='JSON file to write')
    args = parser.parse_args()
    files = dict(word.split('=', 1) for word in args.models)
    content, images = read(args.photographs / 'coco_test.json'), args.photographs / 'images'
    table: dict[str, dict[str, float]] = {name: {} for name in files}
    # before any other thread of ONNX Runtime starts: they keep the cores of their process
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    for name, rate in speed(files, None, content, images).items():
        table[name]['people/s, true boxes, one core'] = rate
    os.sched_setaffinity(0, range(os.cpu_count() or 1))
    for name, rate in speed(files, args.detector, content, images).items():
        table[name]['images/s, detector'] = rate
    for name, file in files.items():
        predictor = PosePredictor.load(file, device='cpu', detector=None)
        poses = [predictor(path, corners(people)) for _, path, people in by_image(content, images)]
        predicted = np.concatenate([np.concatenate((each.keypoints, each.scores[..., None]), -1) for each in poses])
        ordered = dict(content, annotations=[p for _, _, people in by_image(content, images) for p in people])
        table[name]['AP, true boxes'] = average_precision(predicted, ordered)[0]
        table[name]['OKS, one person, true box'] = alone_oks(predictor, content, images, 'true')
        table[name]['OKS, one person, whole image'] = alone_oks(predictor, content, images, 'whole')
        predictor.detector = TwoPassDetector(predictor.model)
        table[name]['OKS, one person, two passes'] = alone_oks(predictor, content, images, 'found')
        predictor.detector = OnnxDetector(args.detector)
        table[name]['AP, detector'] = detected_ap(predictor, content, images)[0]
        print(name, *(f'{key} {value:.3f}' for key, value in table[name].items()), sep='\n  ', flush=True)
    if args.out:
        write_text(args.out, json.dumps(dict(scores=table, machine=machine()), indent=1) + '\n')


if __name__ == '__main__':
    main()
