"""Checks of annotations, boxes, keypoints and images, to be mixed into MMPose's datasets."""

import json
import logging
import os.path as osp
from typing import Any

import numpy as np
from mmengine.fileio import exists
from mmengine.logging import print_log
from mmpose.datasets.datasets.base import BaseCocoStyleDataset

from .image_file import check_image_file
from .json_file import check_json_begins, check_json_whole

SHOWN_IDS = 5
DROP = 'set filter_cfg=dict(drop_bad_boxes=True) to skip such boxes and log their number'


class DatasetChecks(BaseCocoStyleDataset):
    """Checks that any top-down MMPose dataset gains by being mixed with this class.

    - A missing annotation, detection or head-box file, one that is empty or not whole JSON: an
      error that names the file.
    - A box without area or wholly outside its image: in training the instance is skipped, with
      one logged count; in test mode an error, since a skipped person can raise the score. With
      ``filter_cfg=dict(drop_bad_boxes=True)`` it is skipped and counted in test mode, too. MMPose
      skips annotated ones silently in both modes and keeps detected ones. A box is judged as
      MMPose clips it, to the image's last pixel; what MMPose does not clip (detections of
      ``bbox_file``, hands) against the image's size. MPII's file holds no image sizes, so only the
      area is checked there.
    - Instances that are crowds or have no keypoint are dropped as MMPose drops them.
    - A keypoint that is not a finite number: an error in both modes.
    - No instance left: an error.
    - An image that is missing, empty, truncated or no image: an error that names the file.
    """

    def load_data_list(self) -> list[dict]:
        """Read the annotations, as MMPose, after a look at their files.

        Raises:
            FileNotFoundError: one of the files does not exist.
            ValueError: one is not whole JSON, or its content fails a check above.
        """
        json_files = [self.ann_file, *([self.bbox_file] if self.bbox_file else [])]
        headbox_file = getattr(self, 'headbox_file', None)
        for path in [*json_files, *([headbox_file] if headbox_file else [])]:
            if not exists(path):
                raise FileNotFoundError(self._missing_message(path))
        for path in json_files:
            check_json_begins(path)
        try:
            return super().load_data_list()
        except (json.JSONDecodeError, UnicodeDecodeError):
            for path in json_files:
                check_json_whole(path)
            raise

    def filter_data(self) -> list[dict]:
        """Filter as MMPose; then check detected boxes, and that something is left.

        Raises:
            ValueError: a detected box is unusable, or nothing is left.
        """
        data_list = super().filter_data()
        if self.bbox_file:
            data_list = self._without(data_list, [info for info in data_list if self._is_bad_detection(info)])
        if not data_list:
            raise ValueError(
                f'{type(self).__name__}: no instance is left of {self.bbox_file or self.ann_file}'
                f' (filter_cfg={self.filter_cfg}). Instances need a box with area, at least one '
                f'labelled keypoint and iscrowd=0; detections a score over the threshold.'
            )
        return data_list

    def prepare_data(self, idx: int) -> Any:
        """One sample through the pipeline, its image file looked at first.

        Raises:
            FileNotFoundError: the image does not exist.
            ValueError: the image cannot be decoded as a whole.
        """
        path = self.get_data_info(idx)['img_path']
        if osp.isfile(path):
            check_image_file(path)
        try:
            return super().prepare_data(idx)
        except FileNotFoundError as error:
            if osp.isfile(path):  # another file is missing
                raise
            raise FileNotFoundError(
                f'image {path} of {self.ann_file} is missing. Put it there, or point data_root='
                f'{self.data_root!r} and data_prefix={self.data_prefix!r} to the images.'
            ) from error

    def _load_annotations(self) -> tuple[list[dict], list[dict]]:
        """MMPose's instances without those whose box cannot be used."""
        instances, images = super()._load_annotations()
        sizes = {image['img_id']: (image.get('width'), image.get('height')) for image in images}
        self._check_keypoints(instances)
        skipped = []
        for instance in instances:
            if _is_dropped_by_mmpose(instance):
                continue
            width, height = sizes[instance['img_id']]
            fault = box_fault(instance, width, height)
            if fault and self.test_mode and not self._drops_bad_boxes:
                raise ValueError(
                    f'{self._where(instance)}: {fault}. In a test set this would drop a person '
                    f'unseen: correct or remove the annotation, or {DROP}.'
                )
            if fault:
                skipped.append(instance)
        return self._without(instances, skipped), images

    @property
    def _drops_bad_boxes(self) -> bool:
        return bool((self.filter_cfg or {}).get('drop_bad_boxes'))

    def _without(self, instances: list[dict], skipped: list[dict]) -> list[dict]:
        """The instances that are not skipped; one line says how many are."""
        if not skipped:
            return instances
        ids = ', '.join(str(instance['id']) for instance in skipped[:SHOWN_IDS])
        more = ', ...' if len(skipped) > SHOWN_IDS else ''
        print_log(
            f'{type(self).__name__}: skipped {len(skipped)} of {len(instances)} instances of '
            f'{self.bbox_file or self.ann_file}, whose box has no area or lies outside its image: '
            f'ids {ids}{more}',
            logger='current',
            level=logging.WARNING,
        )
        left_out = {id(instance) for instance in skipped}
        return [instance for instance in instances if id(instance) not in left_out]

    def _check_keypoints(self, instances: list[dict]) -> None:
        """Refuse a keypoint whose position or visibility is NaN or infinite."""
        for instance in instances:
            parts = [instance['keypoints'], instance['keypoints_visible'][..., None]]
            keypoints = np.concatenate(parts, axis=-1)[0]  # (K, 3)
            bad = np.flatnonzero(~np.isfinite(keypoints).all(axis=-1))
            if bad.size:
                raise ValueError(
                    f'{self._where(instance)}: keypoint {bad[0]} is not finite: (x, y, visibility) '
                    f'= {tuple(keypoints[bad[0]].tolist())}. Mark a keypoint that is not labelled '
                    f'by 0, 0, 0.'
                )

    def _is_bad_detection(self, data_info: dict) -> bool:
        """Whether a detected box has no area or lies wholly outside its image; refuse one unless such are dropped."""
        x1, y1, x2, y2 = (float(value) for value in data_info['bbox'][0])
        height, width = data_info['img_shape']
        overlap_x = min(x2, width) - max(x1, 0)
        overlap_y = min(y2, height) - max(y1, 0)
        # Written so that NaN, which compares false with everything, is refused too.
        bad = not (overlap_x > 0 and overlap_y > 0)
        if bad and not self._drops_bad_boxes:
            raise ValueError(
                f'{self.bbox_file}: the detection with id {data_info["id"]} in image '
                f'{data_info["img_id"]} has box (x, y, w, h) = ({x1:g}, {y1:g}, {x2 - x1:g}, '
                f'{y2 - y1:g}), without area or outside the {width} x {height} image. Correct or '
                f'remove it, raise filter_cfg=dict(bbox_score_thr=...) over its score '
                f'{float(data_info["bbox_score"][0]):g}, or {DROP}.'
            )
        return bad

    def _where(self, instance: dict) -> str:
        return f'{self.ann_file}: annotation {instance["id"]} in image {instance["img_id"]} ({instance["img_path"]})'

    def _missing_message(self, path: str) -> str:
        images = next(iter(self.data_prefix.values()), '')
        return (
            f'{type(self).__name__}: {path} does not exist. Expected below data_root='
            f'{self.data_root!r}: the annotation file {self.ann_file}, the images in {images}. Put '
            f'the data set there, change data_root and ann_file, or render built-in data with '
            f'`vitpose synth`.'
        )


def box_fault(instance: dict, width: int | None, height: int | None) -> str | None:
    """What is wrong with an instance's box, if anything.

    Args:
        instance: MMPose's record: ``bbox`` (1, 4) x1 y1 x2 y2 in image pixels, and where the
            dataset keeps it the raw annotation.
        width: image width in pixels, None when the annotation file does not say.
        height: image height in pixels, None likewise.

    Returns:
        A text that names the box as the file has it, or None for a usable box.
    """
    x1, y1, x2, y2 = (float(value) for value in instance['bbox'][0])
    raw = instance.get('raw_ann_info', {}).get('bbox', (x1, y1, x2 - x1, y2 - y1))
    x, y, w, h = (float(value) for value in raw)
    shown = f'box (x, y, w, h) = ({x:g}, {y:g}, {w:g}, {h:g})'
    if not (w > 0 and h > 0):
        return f'{shown} has no area'
    if width is not None and height is not None:
        x1, x2 = np.clip((x1, x2), 0, width)
        y1, y2 = np.clip((y1, y2), 0, height)
    if not (x2 > x1 and y2 > y1):
        return f'{shown} lies outside the {width} x {height} image'
    return None


def _is_dropped_by_mmpose(instance: dict) -> bool:
    return bool(instance.get('iscrowd')) or instance.get('num_keypoints') == 0
