"""Result files: JSON lines and COCO keypoint results."""

import json
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from vitpose_base.files import replacing

from ..inputs.matching import GivenBoxes
from ..poses import Frame, Poses

MIN_SCORE = 0.2  # keypoints with a lower score do not count in a person's score, as in MMPose's CocoMetric


class JsonArray:
    """A file with a JSON array that is written item by item, and appears under its name when it is closed.

    Every '<' is escaped, so that the array can stand in the script of an HTML page, between `head` and `tail`.
    """

    def __init__(self, path: Path, head: str = '', tail: str = '\n') -> None:
        self._stack = ExitStack()
        part = self._stack.enter_context(replacing(path))
        self._file = self._stack.enter_context(part.open('w', encoding='utf-8'))
        self._file.write(f'{head}[')
        self._tail, self._separator = tail, '\n'

    def append(self, item: object) -> None:
        """Write one item."""
        self._file.write(self._separator + json.dumps(item, allow_nan=False).replace('<', r'\u003c'))
        self._separator = ',\n'

    def close(self) -> None:
        """Finish the array and the file."""
        with self._stack:
            self._file.write(f'\n]{self._tail}')


class JsonLines:
    """One line per frame, written as it is predicted: see `line_of`."""

    def __init__(self, path: Path) -> None:
        self._file = path.open('w', encoding='utf-8', buffering=1)
        self.close = self._file.close

    def write(self, frame: Frame, poses: Poses) -> None:
        """Append the line of a frame."""
        self._file.write(json.dumps(line_of(frame, poses), allow_nan=False) + '\n')


class CocoResults:
    """COCO keypoint results, in the format that `COCO.loadRes` of pycocotools reads.

    The score of a person is that of MMPose's CocoMetric: the box's score times the mean of the keypoint scores above
    0.2. Image ids and categories are those of the given boxes. Without such ids images are numbered from 1, and a COCO
    file of these images without annotations is written beside the results: `COCO(images).loadRes(results)`.
    """

    def __init__(self, results: Path, images: Path, metainfo: Mapping[str, Any], given: GivenBoxes | None = None):
        self._ids, self._categories = (given.image_ids, given.categories) if given else (None, {})
        self._results = JsonArray(results)
        names, links = metainfo['keypoint_id2name'], metainfo['skeleton_links']
        category = {'id': 1, 'name': 'person', 'keypoints': [names[i] for i in range(len(names))]}
        category['skeleton'] = [[int(a) + 1, int(b) + 1] for a, b in links]
        head = f'{{"annotations": [],\n"categories": {json.dumps([category])},\n"images": '
        self._images = None if self._ids else JsonArray(images, head, '}\n')
        self._count = 0

    def write(self, frame: Frame, poses: Poses) -> None:
        """Append the people of a frame; a frame without image is left out."""
        if frame.image is None:
            return
        self._count += 1
        image_id = self._ids[frame.name] if self._ids else self._count
        if self._images:
            height, width = frame.image.shape[:2]
            index = {} if frame.index is None else {'frame': frame.index}
            self._images.append({'id': image_id, 'file_name': frame.name, 'width': width, 'height': height, **index})
        categories = self._categories.get(frame.name)
        kinds = np.ones(len(poses.rows), int) if categories is None else categories[poses.rows]
        people = zip(poses.keypoints, poses.scores, poses.box_scores, kinds.tolist(), strict=True)
        for points, scores, box_score, kind in people:
            counted = scores[scores > MIN_SCORE]
            score = float(box_score * (counted.mean() if len(counted) else 0))
            keypoints = rounded(np.column_stack((points, scores)).ravel())
            self._results.append(dict(image_id=image_id, category_id=kind, keypoints=keypoints, score=score))

    def close(self) -> None:
        """Finish the files."""
        self._results.close()
        if self._images:
            self._images.close()


def line_of(frame: Frame, poses: Poses) -> dict[str, Any]:
    """Return what the line of a frame in predictions.jsonl holds.

    file: `Frame.name`; frame and time: index and seconds, of videos only; size: [width, height], or None; error: None,
    or why there is no image. For each person: boxes [x1, y1, x2, y2], scores of the boxes, keypoints [[x, y], ...], all
    in image pixels, keypoint_scores, and track_ids: None without tracking, -1 for a person without track. dropped: one
    reason per box that was not predicted.
    """
    return {
        'file': frame.name,
        **({} if frame.index is None else {'frame': frame.index, 'time': frame.time and round(frame.time, 6)}),
        'size': None if frame.image is None else [frame.image.shape[1], frame.image.shape[0]],
        'error': frame.error,
        'boxes': rounded(poses.boxes),
        'scores': rounded(poses.box_scores),
        'keypoints': rounded(poses.keypoints),
        'keypoint_scores': rounded(poses.scores),
        'track_ids': None if poses.track_ids is None else poses.track_ids.tolist(),
        'dropped': poses.dropped,
    }


def rounded(values: Any, digits: int = 4) -> Any:
    """An array or a number, as lists or a number for JSON."""
    return np.asarray(values, np.float64).round(digits).tolist()
