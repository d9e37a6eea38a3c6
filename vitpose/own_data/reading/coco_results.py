"""Read COCO keypoint results, as `vitpose predict --save coco` writes them, as a COCO keypoint file."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import InputError
from ...predict.drawing import DrawStyle
from ...predict.inputs.coco_json import parse_json
from ...predict.outputs.results import IMAGES, SETTINGS


def join_results(file: Path, results: list, notes: list[str]) -> dict[str, Any]:
    """Return the content of a COCO keypoint file: the results as annotations, and images.json beside them.

    Keypoints with a score of at least `--kpt-score` of that run, by default 0.3, are visible, others are not labeled.
    Frames of videos are left out. ValueError without images.json, or without images, or for tasks of Label Studio.
    """
    listed = file.with_name(IMAGES)
    if results and isinstance(results[0], dict) and results[0].keys() & {'data', 'completions'}:
        raise InputError(f"{file}: tasks in Label Studio's own format: export them as COCO or YOLO")
    if not listed.is_file():
        remedy = 'pass a COCO keypoint file, such as labels.json of `vitpose predict --save cvat`'
        raise InputError(f'{file}: a list of COCO results, without {listed}, which names their images; {remedy}')
    content = parse_json(listed.read_bytes(), f'{listed}: not a JSON file')
    if not isinstance(content, dict) or not isinstance(content.get('images'), list):
        raise InputError(f'{listed}: expected an object with a list of images')
    images = [row for row in content['images'] if not (isinstance(row, dict) and 'frame' in row)]
    frames = {str(row.get('id')) for row in content['images'] if isinstance(row, dict) and 'frame' in row}
    threshold = DrawStyle().kpt_score  # by default
    with suppress(OSError, KeyError, TypeError, ValueError):
        threshold = float(json.loads(file.with_name(SETTINGS).read_text(encoding='utf-8'))['kpt_score'])
    if frames and not images:
        raise InputError(f'{file}: only results of videos; label their frames with `vitpose predict --save slp`')
    rows = [_label_points(row, threshold, frames) if isinstance(row, dict) else row for row in results]
    notes.append(f'{file}: results of a model; keypoints with a score below {threshold:g} are not labeled')
    if frames:
        notes.append(f'{file}: {len(frames):,} frames of videos are left out: `vitpose predict --save slp` labels them')
    return content | dict(images=images, annotations=rows)


def _label_points(row: dict, threshold: float, frames: set[str]) -> dict:
    """Return a result with labels instead of scores: v = 2 from the threshold on, else x = y = v = 0; {} for frames."""
    if str(row.get('image_id')) in frames:
        return {}
    try:
        points = np.array(row.get('keypoints'), float).reshape(-1, 3)
    except (OverflowError, TypeError, ValueError):
        return row  # the check of fields names it
    labels = np.where(points[:, 2:] >= threshold, points * (1, 1, 0) + (0, 0, 2), 0)
    return row | dict(keypoints=labels.ravel().tolist())
