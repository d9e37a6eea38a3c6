"""Score finished predictions against COCO annotations: AP and AR, PCK and the error in pixels per keypoint."""

import io
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from vitpose_base.coco_fields import PERSON_AREA_SHARE, is_id

from ..errors import InputError
from ..models.hub import OKS_SIGMA
from .inputs.coco_json import flatten, is_crowd, match_ids, parse_json, parse_numbers, read_box, read_size, short_text
from .inputs.matching import Listed, describe_moved, match_names, name_few
from .inputs.sources import Source
from .optional_imports import import_optional
from .outputs.results import LINES, RESULTS, coco_people, frame_of, read_header, read_lines
from .poses import keypoint_names

STATS = ('AP', 'AP .5', 'AP .75', 'AP (M)', 'AP (L)', 'AR', 'AR .5', 'AR .75', 'AR (M)', 'AR (L)')  # as CocoMetric's
PCK = (0.05, 0.1, 0.2)  # of the longer side of the box
KEYPOINT_PCK = (0.1, 0.2)
KEYPOINT_HEADINGS = ('keypoint', 'labeled', 'error in pixels', *(f'PCK@{thr}' for thr in KEYPOINT_PCK))
AUC_PX, AUC_STEPS = 30, 20  # as MMPose's AUC: the mean PCK at 0, 1.5, ... 28.5 pixels


@dataclass
class Predicted:
    """What predictions say about images, by the ids of `_read_truth`."""

    metainfo: dict[str, Any]
    results: list[dict[str, Any]] = field(default_factory=list)  # in COCO's format, after OKS-NMS
    people: dict[Any, list[tuple]] = field(default_factory=lambda: defaultdict(list))  # boxes x1 y1 x2 y2 and keypoints
    notes: list[str] = field(default_factory=list)


def evaluate(predictions: Path, annotations: Path) -> tuple[dict[str, Any], list[str]]:
    """Return the scores of predictions.jsonl, or of keypoints.json beside it, and notes on what was left out.

    `coco/...` are COCO's, from -1 to 1, as MMPose's CocoMetric names them. The others take for each annotated person
    the predicted box that overlaps most, each once. `PCK@...` and `AUC` are MMPose's; people without prediction count 0
    in them, and not in `EPE`, the mean distance in pixels. `keypoints` has PCK, EPE and `labeled`, a count, by name.
    ValueError if one of the files cannot be read, or they do not belong together.
    """
    import_optional('pycocotools', 'vitpose eval')
    images, rows, notes = _read_truth(annotations)
    predicted = _read(predictions, annotations, images)
    predicted.notes += notes
    if not predicted.results:
        raise InputError(f'{predictions}: no person was predicted in the images of {annotations}')
    names = keypoint_names(predicted.metainfo)
    instances = _instances(annotations, rows, len(names))
    if missing := len({image['id'] for image in images} - predicted.people.keys()):
        of = f'{missing:,} of {len(images):,} images'
        predicted.notes.append(f'{of} have no predictions: their people count as missed')
    labeled, distances, sides = _distances(instances, predicted, {image['id']: image for image in images})
    found = int(np.isfinite(distances).any(1).sum())
    scores: dict[str, Any] = {'images': len(images), 'people': len(labeled), 'found': found}
    scores |= _coco_scores(images, instances, predicted, len(names))
    scores |= {f'PCK@{thr}': _mean(_pck(distances / sides, labeled, thr)) for thr in PCK}
    scores['AUC'] = float(np.mean([_mean(_pck(distances / AUC_PX, labeled, i / AUC_STEPS)) for i in range(AUC_STEPS)]))
    scores['EPE'] = _mean(distances[labeled & np.isfinite(distances)])
    scores['keypoints'] = keypoint_errors(names, labeled, distances, sides)
    return scores, predicted.notes


def keypoint_errors(
    names: Sequence[str], labeled: np.ndarray, distances: np.ndarray, sides: np.ndarray
) -> dict[str, dict[str, Any]]:
    """Return by keypoint `labeled`, a count, `EPE`, the mean distance in pixels, and the PCK at `KEYPOINT_PCK`.

    `labeled` (N, K) is bool, `distances` (N, K) are in pixels, infinite for people without prediction, `sides` (N, 1)
    the longer sides of their boxes. None where nothing is labeled or predicted.
    """
    measured = labeled & np.isfinite(distances)
    columns: dict[str, Any] = {'labeled': labeled.sum(0).tolist()}
    columns['EPE'] = [_mean(distances[measured[:, k], k]) for k in range(len(names))]
    columns |= {f'PCK@{thr}': _pck(distances / sides, labeled, thr) for thr in KEYPOINT_PCK}
    return {name: {key: values[k] for key, values in columns.items()} for k, name in enumerate(names)}


def score_text(value: float | None) -> str:
    """Format a count or a score for a table; what is not known, for COCO -1, is a dash."""
    return '-' if value is None or value == -1 else f'{value:,}' if isinstance(value, int) else f'{value:.3f}'


def _read_truth(path: Path) -> tuple[list[dict[str, Any]], dict[int, dict[str, Any]], list[str]]:
    """Read a COCO file: images, with ids from 1 and `size`, annotations with these ids by index, and notes.

    pycocotools counts what matches an annotation with the id 0 as wrong, and confuses annotations with the same id.
    """
    truth = parse_json(path.read_bytes(), f'{path}: not a JSON file')
    for key, needed in dict(images=('id', 'file_name'), annotations=('image_id',)).items():
        rows = truth.get(key) if isinstance(truth, dict) else None
        if not isinstance(rows, list) or not all(isinstance(row, dict) and set(needed) <= row.keys() for row in rows):
            raise InputError(f'{path}: expected a COCO file: {key}, a list of objects with {", ".join(needed)}')
        for i, row in enumerate(rows):
            if wrong := [name for name in needed if not is_id(row[name])]:
                expected = f'{path}: {key}[{i}]: expected {wrong[0]}, a number or a string'
                raise InputError(f'{expected}; got {short_text(repr(row[wrong[0]]))}')
    images: dict[str, dict[str, Any]] = {}
    names: dict[Any, str] = {}
    for i, row in enumerate(truth['images']):
        name = str(row['file_name'])
        if names.setdefault(row['id'], name) != name:
            raise InputError(f'{path}: images[{i}]: id {row["id"]!r} occurs twice')
        size = read_size(row.get('width'), row.get('height'))
        images.setdefault(name, dict(id=len(images) + 1, file_name=name, size=size and list(map(round, size))))
    ids, rows = match_ids(names, {row['image_id'] for row in truth['annotations']}), truth['annotations']
    numbers = {key: images[names[image]]['id'] for key, image in ids.items()}
    known = {i: row | {'image_id': numbers[key]} for i, row in enumerate(rows) if (key := row['image_id']) in numbers}
    left_out = f'{path}: {len(rows) - len(known):,} of {len(rows):,} annotations are of images that it does not list'
    return list(images.values()), known, [left_out] * (len(known) < len(rows))


def _read(path: Path, annotations: Path, images: list[dict]) -> Predicted:
    """Read the predictions of those images, whose names match as those of `--boxes`."""
    lines_file = path.with_name(LINES) if path.name == RESULTS else path  # which keypoints.json is made from
    if not lines_file.is_file():
        raise InputError(f'{path}: {lines_file} is missing, which `vitpose predict` writes beside it')
    lines = [line for line, _ in read_lines(lines_file) if line['size'] is not None]
    predicted = Predicted(read_header(lines_file))
    if videos := [line['file'] for line in lines if 'frame' in line]:
        raise InputError(f'{path}: {videos[0]} is a video or camera: expected predictions of images')
    listed = {image['file_name']: Listed({None: np.zeros((0, 4))}, image_id=image['id']) for image in images}
    matches = match_names(annotations, listed, [Source(line['file'], 'image') for line in lines], [])
    predicted.notes += describe_moved(annotations, listed, matches)
    sizes = {image['id']: image['size'] for image in images}
    others = []
    for line in lines:
        entry = matches[line['file']]
        if not isinstance(entry, Listed):
            others.append(line['file'])
            continue
        number = entry.image_id
        if sizes[number] not in (None, line['size']):
            sides = f'{line["size"]} pixels, and {sizes[number]} in {annotations}'
            raise InputError(f'{path}: {line["file"]} has {sides}: expected predictions of the annotated images')
        _, poses = frame_of(line)
        predicted.people[number] += zip(poses.boxes, poses.keypoints, strict=True)
        predicted.results += [dict(image_id=number, **person) for person in coco_people(line, predicted.metainfo)]
    if others:
        predicted.notes.append(f'{path}: {len(others):,} files that {annotations} does not list: {name_few(others)}')
    return predicted


def _instances(path: Path, rows: dict[int, dict], count: int) -> list[dict]:
    """Return the annotations with `count` keypoints, completed for COCO's evaluation. ValueError if there are none."""
    instances, kinds = list[dict](), Counter[int]()
    for i, row in rows.items():
        values, where = flatten(row.get('keypoints')), f'{path}: annotations[{i}]'
        kinds[number := len(values) // 3 if isinstance(values, list) else 0] += 1
        if number != count:
            continue
        points = parse_numbers(values, 3 * count, f'{where}: keypoints').reshape(-1, 3)
        points[~np.isfinite(points).all(1)] = 0
        labeled = int((points[:, 2] > 0).sum())
        box = read_box(row, where) or (0, 0, 0, 0)
        kind, area = row.get('category_id'), row.get('area') or box[2] * box[3] * PERSON_AREA_SHARE
        numbers = [1 if kind is None else kind, area]
        kind, area = parse_numbers(numbers, 2, f'{where}: category_id and area', finite=True).tolist()
        instance = dict(id=len(instances) + 1, image_id=row['image_id'], category_id=kind, iscrowd=int(is_crowd(row)))
        instance |= dict(num_keypoints=labeled, keypoints=points.ravel().tolist(), bbox=box, area=area)
        instances.append(instance)
    if not instances:
        has = ', '.join(f'{number:,} with {kind}' for kind, number in kinds.most_common(3)) or 'none'
        raise InputError(f'{path}: no annotation has {count} keypoints, as the predictions; it has {has}')
    if all(row['iscrowd'] or not row['num_keypoints'] for row in instances):
        raise InputError(f'{path}: no annotation of a person, rather than a crowd, has labeled keypoints')
    return instances


def _coco_scores(images: list[dict], instances: list[dict], predicted: Predicted, count: int) -> dict[str, float]:
    """Compute COCO's AP and AR with the model's sigmas, or else COCO's for 17 keypoints, otherwise `OKS_SIGMA`."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    results, kinds = predicted.results, {result['category_id'] for result in predicted.results}
    if len(kinds) == 1:  # as of predictions without categories
        one = {'category_id': 1}
        instances, results = ([row | one for row in rows] for rows in (instances, results))
    categories = [{'id': kind} for kind in {row['category_id'] for row in instances}]
    with redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = dict(images=images, annotations=instances, categories=categories)
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(results), 'keypoints')
        if (sigmas := predicted.metainfo.get('sigmas')) is None and count != 17:
            predicted.notes.append(f'the sigmas of the OKS are not known: {OKS_SIGMA} for each keypoint')
            sigmas = [OKS_SIGMA] * count
        if sigmas is not None:
            evaluation.params.kpt_oks_sigmas = np.array(sigmas)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return {f'coco/{name}': float(value) for name, value in zip(STATS, evaluation.stats, strict=True)}


def _distances(instances: list[dict], predicted: Predicted, images: dict[Any, dict]) -> tuple[np.ndarray, ...]:
    """Measure for the N annotated people: labeled (N, K), distances in pixels (N, K), longer side of the box (N, 1).

    Distances are infinite for people without prediction.
    """
    from pycocotools.mask import iou

    people = [row for row in instances if not row['iscrowd'] and row['num_keypoints']]
    points = np.array([row['keypoints'] for row in people]).reshape(len(people), -1, 3)
    boxes = np.array([row['bbox'] for row in people], float).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    for box, row in zip(boxes, people, strict=True):  # as MMPose's datasets
        if size := images[row['image_id']]['size']:
            box[:] = box.clip(0, np.array(size * 2) - 1)
    distances = np.full(points.shape[:2], np.inf)
    by_image = defaultdict(list)
    for i, row in enumerate(people):
        by_image[row['image_id']].append(i)
    sides = boxes[:, 2:] - boxes[:, :2]
    xywh = np.hstack((boxes[:, :2], sides))
    for number, rows in by_image.items():
        found = predicted.people[number]
        theirs = np.array([np.append(box[:2], box[2:] - box[:2]) for box, _ in found], float).reshape(-1, 4)
        overlaps = np.array(iou(xywh[rows], theirs, [0] * len(found)))
        while overlaps.size and overlaps.max() > 0:
            best, j = np.unravel_index(overlaps.argmax(), overlaps.shape)
            distances[rows[best]] = np.linalg.norm(found[j][1] - points[rows[best], :, :2], axis=-1)
            overlaps[best], overlaps[:, j] = 0, 0
    distances[np.isnan(distances)] = np.inf
    return points[..., 2] > 0, distances, sides.max(1, keepdims=True, initial=1e-6)


def _pck(distances: np.ndarray, labeled: np.ndarray, threshold: float) -> list[float | None]:
    """Compute the share of distances (N, K) below a threshold, per keypoint; None for one that is never labeled."""
    near = (distances < threshold) & labeled
    return [float(near[:, k].sum() / n) if (n := labeled[:, k].sum()) else None for k in range(labeled.shape[1])]


def _mean(values: Any) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
