"""Images without labels, for pre-training."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmpose.datasets.datasets.base import BaseCocoStyleDataset
from mmpose.registry import DATASETS

from vitpose_base.file_names import list_files

from .bad_images import ImageChecks
from .metainfo import dataset_class

SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.webp', '.tif', '.tiff')


@DATASETS.register_module()
class UnlabeledDataset(ImageChecks):
    """Boxes or whole images of pose datasets and image folders, without their labels.

    A sample is a dict with `img_path`, `dataset_name` ('' for a folder) and, for a box, `bbox` (1, 4) as x1 y1 x2 y2
    in image pixels.

    Args:
        sources: folders, searched recursively, and configs of MMPose's datasets or ours.
        boxes: True for one sample per annotated box, also for people without keypoints; False for one sample per
            image. An image of a folder is a sample in both cases.
        pipeline: its first steps are `LoadImage` and `PretrainCrop`.
        **kwargs: of `ImageChecks`, the first of them `on_bad_image`, and of MMEngine's `BaseDataset`.

    Raises:
        FileNotFoundError: a folder does not exist.
        ValueError: there is no source, or a source has no image or box; in training, an image cannot be decoded.
    """

    def __init__(self, sources: Sequence[str | dict], boxes: bool = True, **kwargs: Any):
        if not sources or isinstance(sources, (str, dict)):
            raise ValueError(f'UnlabeledDataset: sources={sources!r}, expected a list of folders and dataset configs')
        self.sources, self.boxes = sources, boxes
        super().__init__(**kwargs)

    def load_data_list(self) -> list[dict]:
        """Return the records of all sources, in their order."""
        return [
            record
            for source in self.sources
            for record in (folder_records(source) if isinstance(source, str) else dataset_records(source, self.boxes))
        ]


def folder_records(folder: str) -> list[dict]:
    """List the images in and below a folder, sorted, without hidden ones.

    FileNotFoundError without the folder, ValueError without images.
    """
    if not Path(folder).is_dir():
        raise FileNotFoundError(f'UnlabeledDataset: the folder {folder} does not exist')
    paths = sorted(str(path) for path in list_files(Path(folder)) if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise ValueError(f'UnlabeledDataset: no image in {folder} or below; expected files with {", ".join(SUFFIXES)}')
    return [dict(img_path=path, dataset_name='') for path in paths]


def dataset_records(config: dict, boxes: bool) -> list[dict]:
    """List a pose dataset's boxes, or its images that have one. ValueError if it is unknown or has no instances."""
    kind = dataset_class(config)
    if kind is None:
        raise ValueError(f'UnlabeledDataset: dataset type {config["type"]!r} is not registered')
    if issubclass(kind, BaseCocoStyleDataset):
        kind = type(kind.__name__, (_AnyBox, kind), {})
    options = {key: value for key, value in config.items() if key != 'type'}
    dataset = kind(**{**options, 'pipeline': [], 'serialize_data': False})
    name = dataset.metainfo['dataset_name']
    records = dataset.data_list
    if boxes:
        return [dict(img_path=record['img_path'], bbox=record['bbox'], dataset_name=name) for record in records]
    return [dict(img_path=path, dataset_name=name) for path in dict.fromkeys(record['img_path'] for record in records)]


class _AnyBox(BaseCocoStyleDataset):
    """Mixin that also keeps instances without keypoints."""

    def parse_data_info(self, raw_data_info: dict) -> dict | None:
        raw_data_info['raw_ann_info'].setdefault('keypoints', [0, 0, 0] * self.metainfo['num_keypoints'])
        return super().parse_data_info(raw_data_info)

    @staticmethod
    def _is_valid_instance(data_info: dict) -> bool:
        x1, y1, x2, y2 = np.asarray(data_info['bbox'])[0]
        return not data_info.get('iscrowd') and bool(x2 > x1 and y2 > y1)
