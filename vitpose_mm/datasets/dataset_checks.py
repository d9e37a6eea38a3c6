"""A mixin that checks annotations, boxes, keypoints and images of MMPose's datasets."""

import json
import logging
import pickle
from typing import Any

import numpy as np
from mmengine.fileio import exists, get, get_local_path
from mmpose.datasets.datasets.base import BaseCocoStyleDataset

from vitpose_base.coco_fields import find_bad_fields

from ..logs import log
from .bad_images import ImageChecks
from .transforms.image_file import MissingImageError

MAX_SHOWN_IDS = 5
SKIP_HINT = 'set filter_cfg=dict(drop_bad_boxes=True) to skip such boxes and log their number'


class DatasetChecks(ImageChecks, BaseCocoStyleDataset):
    """Mixin that makes a top-down MMPose dataset report bad input instead of silently skipping or accepting it.

    - An annotation, detection or head-box file that is missing, and an annotation or detection file that is empty
      or not valid JSON, raise an error that names the file, and so does a JSON list instead of COCO's object.
    - A box without area or completely outside its image is skipped during training, and the number of skipped
      instances is logged once. In test mode it raises an error, since skipping a person can raise the score;
      with `filter_cfg=dict(drop_bad_boxes=True)` it is skipped and counted there too. (MMPose silently skips bad
      annotated boxes in both modes and keeps bad detected boxes.) Boxes are checked after MMPose's clipping to the
      last pixel of the image; boxes that MMPose does not clip (detections of `bbox_file`, hands) are compared
      with the image size. The MPII file has no image sizes, so only the area is checked there.
    - A missing or wrong field that MMPose takes for granted, such as a unique `id`, raises an error that names file,
      row and field.
    - A keypoint that is not finite raises an error in both modes.
    - A dataset without any instance left raises an error.
    - An image that is missing, empty, truncated or unreadable raises an error that names the file, or is skipped in
      training (see `ImageChecks`).

    Crowds and instances without labeled keypoints are dropped, as in MMPose.

    Args: those of `ImageChecks`, such as `on_bad_image`, and of MMPose's dataset.
    """

    _metainfo_copy: bytes | None = None

    def load_data_list(self) -> list[dict]:
        """Check that the files exist, then read the annotations as MMPose does.

        FileNotFoundError for a missing file; ValueError for invalid JSON, or if an annotation fails a check above.
        """
        json_files = [self.ann_file, *filter(None, [self.bbox_file])]
        for path in [*json_files, *filter(None, [getattr(self, 'headbox_file', None)])]:
            if not exists(path):
                raise FileNotFoundError(
                    f'{type(self).__name__}: {path} does not exist. Expected below data_root={self.data_root!r}: the '
                    f'annotation file {self.ann_file}, and the images in {next(iter(self.data_prefix.values()), "")}. '
                    'Put the dataset there, change data_root and ann_file, or render synthetic data with '
                    '`vitpose synth`.'
                )
        for path in json_files:
            _check_json_start(path)
        try:
            return super().load_data_list()
        except AssertionError as error:  # of xtcocotools
            if not get(self.ann_file).lstrip().startswith(b'{'):
                text = 'expected a JSON object with images and annotations, got a list'
                raise ValueError(f'{self.ann_file}: {text}') from error
            raise
        except (json.JSONDecodeError, UnicodeDecodeError):
            for path in json_files:
                _check_json_syntax(path)
            raise
        except (LookupError, TypeError, ValueError):
            if not self.bbox_file:
                self._check_fields(json.loads(get(self.ann_file)))
            elif hasattr(self, 'coco'):
                self._check_detections()
            raise

    def filter_data(self) -> list[dict]:
        """Filter as MMPose does, then check the detected boxes. ValueError for a bad one, or if no instance is left."""
        data_list = super().filter_data()
        if self.bbox_file:
            data_list = self._without(data_list, [info for info in data_list if self._is_bad_detection(info)])
        if not data_list:
            raise ValueError(
                f'{type(self).__name__}: no instance is left of {self.bbox_file or self.ann_file} '
                f'(filter_cfg={self.filter_cfg}). An instance needs a box with area, at least one labeled keypoint '
                'and iscrowd=0; a detection needs a score above the threshold.'
            )
        return data_list

    def prepare_data(self, idx: int) -> Any:
        """Run the pipeline on sample `idx`; see `ImageChecks`."""
        try:
            return super().prepare_data(idx)
        except MissingImageError as error:
            path = super(BaseCocoStyleDataset, self).get_data_info(idx)['img_path']
            raise MissingImageError(
                f'image {path} of {self.ann_file} is missing. Add the file, or change data_root={self.data_root!r} '
                f'and data_prefix={self.data_prefix!r} to the folder of the images.'
            ) from error

    def get_data_info(self, idx: int) -> dict:
        """Return MMPose's record of sample `idx`, with a separate copy of the metainfo that MMPose adds."""
        stored = super(BaseCocoStyleDataset, self).get_data_info(idx)
        if self._metainfo_copy is None:
            added = {key: value for key, value in super().get_data_info(idx).items() if key not in stored}
            self._metainfo_copy = pickle.dumps(added, pickle.HIGHEST_PROTOCOL)
        return {**stored, **pickle.loads(self._metainfo_copy)}  # several times faster than MMPose's deepcopy

    def _load_annotations(self) -> tuple[list[dict], list[dict]]:
        """Return MMPose's instances without bad boxes, and its image records."""
        instances, images = super()._load_annotations()
        self._check_fields(getattr(getattr(self, 'coco', None), 'dataset', None))
        sizes = {image['img_id']: (image.get('width'), image.get('height')) for image in images}
        self._check_keypoints(instances)
        bad = []
        for instance in instances:
            if instance.get('iscrowd') or instance.get('num_keypoints') == 0:
                continue  # MMPose drops it later
            problem = find_box_problem(instance, *sizes[instance['img_id']])
            if problem and self.test_mode and not self._drops_bad_boxes:
                raise ValueError(
                    f'{self._where(instance)}: {problem}. In a test set this would silently drop a person: '
                    f'correct or remove the annotation, or {SKIP_HINT}.'
                )
            if problem:
                bad.append(instance)
        return self._without(instances, bad), images

    @property
    def _drops_bad_boxes(self) -> bool:
        return bool((self.filter_cfg or {}).get('drop_bad_boxes'))

    def _without(self, instances: list[dict], bad: list[dict]) -> list[dict]:
        """Remove bad instances and log their number and first ids in one line."""
        if not bad:
            return instances
        ids = ', '.join(str(instance['id']) for instance in bad[:MAX_SHOWN_IDS])
        log(
            f'{type(self).__name__}: skipped {len(bad)} of {len(instances)} instances of '
            f'{self.bbox_file or self.ann_file}, whose box has no area or lies outside its image: '
            f'ids {ids}{", ..." if len(bad) > MAX_SHOWN_IDS else ""}',
            logging.WARNING,
        )
        skipped = {id(instance) for instance in bad}
        return [instance for instance in instances if id(instance) not in skipped]

    def _check_fields(self, content: Any) -> None:
        """Raise a ValueError for the first field of a COCO file that is absent or wrong."""
        if isinstance(content, dict):
            for bad in find_bad_fields(content, len(self.metainfo['keypoint_id2name'])):
                raise ValueError(f'{self.ann_file}: {bad}')

    def _check_detections(self) -> None:
        """Raise a ValueError for the first detection that MMPose cannot read."""
        for number, row in enumerate(json.loads(get(self.bbox_file))):
            try:
                if row['category_id'] == 1:
                    self.coco.loadImgs(row['image_id'])[0]
                    np.array([*row['bbox'][:4], row['score']], np.float32).reshape(5)
            except (LookupError, TypeError, ValueError) as error:
                expected = f'category_id, the image_id of an image of {self.ann_file}, bbox (x, y, w, h) and score'
                raise ValueError(
                    f'{self.bbox_file}: detection {number}: expected {expected}, got {str(row)[:200]}'
                ) from error

    def _check_keypoints(self, instances: list[dict]) -> None:
        """Raise a ValueError if the position or visibility of a keypoint is NaN or infinite."""
        if not instances:
            return
        xy, visible = (np.concatenate([info[key] for info in instances]) for key in ('keypoints', 'keypoints_visible'))
        for row, index in np.argwhere(~(np.isfinite(xy).all(axis=-1) & np.isfinite(visible))):  # of (N, K)
            raise ValueError(
                f'{self._where(instances[row])}: keypoint {index} is not finite: (x, y, visibility) = '
                f'{(*xy[row, index].tolist(), float(visible[row, index]))}. Use 0, 0, 0 for an unlabeled keypoint.'
            )

    def _is_bad_detection(self, data_info: dict) -> bool:
        """Return whether a detected box has no area or lies outside its image; raise if such boxes are not skipped."""
        x1, y1, x2, y2 = (float(value) for value in data_info['bbox'][0])
        height, width = data_info['img_shape']
        bad = find_box_problem(data_info, width, height) is not None
        if bad and not self._drops_bad_boxes:
            raise ValueError(
                f'{self.bbox_file}: the detection with id {data_info["id"]} in image {data_info["img_id"]} has box '
                f'(x, y, w, h) = ({x1:g}, {y1:g}, {x2 - x1:g}, {y2 - y1:g}), which has no area or lies outside the '
                f'{width} x {height} image. Correct or remove it, raise filter_cfg=dict(bbox_score_thr=...) above '
                f'its score {float(data_info["bbox_score"][0]):g}, or {SKIP_HINT}.'
            )
        return bad

    def _where(self, instance: dict) -> str:
        return f'{self.ann_file}: annotation {instance["id"]} in image {instance["img_id"]} ({instance["img_path"]})'


def find_box_problem(instance: dict, width: int | None, height: int | None) -> str | None:
    """Return what is wrong with the box of an annotated instance, showing the raw box, or None for a valid box.

    `instance` is MMPose's record: `bbox` (1, 4) as x1 y1 x2 y2 in image pixels, and the raw annotation if the dataset
    keeps it. `width` and `height` are the image's in pixels, or None if the annotation file does not give them.
    """
    x1, y1, x2, y2 = instance['bbox'][0].tolist()
    raw = instance.get('raw_ann_info', {}).get('bbox', (x1, y1, x2 - x1, y2 - y1))
    x, y, w, h = (float(value) for value in raw)
    if width is not None and height is not None:
        x1, x2, y1, y2 = max(x1, 0), min(x2, width), max(y1, 0), min(y2, height)
    if w > 0 and h > 0 and x2 > x1 and y2 > y1:
        return None
    problem = f'lies outside the {width} x {height} image' if w > 0 and h > 0 else 'has no area'
    return f'box (x, y, w, h) = ({x:g}, {y:g}, {w:g}, {h:g}) {problem}'


def _check_json_start(path: str) -> None:
    """Raise a ValueError if a file is empty or does not start like a JSON object or list."""
    with get_local_path(path) as local_path, open(local_path, 'rb') as file:
        start = file.read(4096).lstrip()
    if not start:
        raise ValueError(f'{path} is empty: expected JSON annotations. Download the file again.')
    if start[:1] not in (b'{', b'['):
        raise ValueError(
            f"{path} is not JSON: it starts with {start[:20]!r}, expected '{{' or '['. Is it the annotation file?"
        )


def _check_json_syntax(path: str) -> None:
    """Raise a ValueError that names the position if a file is not valid JSON."""
    data = get(path)
    try:
        json.loads(data)
    except json.JSONDecodeError as error:
        raise ValueError(
            f'{path} is truncated or invalid JSON: {error.msg} at line {error.lineno}, column {error.colno}, '
            f'position {error.pos} of {len(data)} bytes. Download the file again.'
        ) from error
    except UnicodeDecodeError as error:
        raise ValueError(
            f'{path} is not text: byte {error.start} of {len(data)} is not {error.encoding}. Download the file again.'
        ) from error
