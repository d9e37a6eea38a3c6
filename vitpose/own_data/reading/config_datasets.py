"""Read the datasets of a config, as annotations to check."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.registry import init_default_scope
from mmpose.datasets.datasets.base import BaseCocoStyleDataset
from mmpose.registry import DATASETS

from vitpose_base.coco_fields import EVALUATED, WITHOUT_AREA, find_bad_fields
from vitpose_mm.noise import quiet

from ...errors import InputError, one_line
from ...predict.inputs.coco_json import parse_json, short_text
from ...runs.training_config import members
from ..annotations import SPLITS, Instance, Photo


@dataclass
class ConfigDataset:
    """One dataset of a config."""

    name: str
    keypoint_names: list[str]
    mirror: list[int]  # index of each keypoint's counterpart on the other side
    splits: dict[str, list[Photo]]
    bad_fields: list[str]  # that the evaluation reads: where, and what is expected


def read_config_datasets(config: Any) -> list[ConfigDataset]:
    """Build the datasets of a config without their pipelines, with annotated boxes instead of found ones.

    ValueError if a dataset has no image with keypoints, or a file lacks what its class needs; OSError if a file does
    not exist.
    """
    init_default_scope(config.get('default_scope') or 'mmpose')
    datasets: dict[str, ConfigDataset] = {}
    places: list[tuple] = []
    for split in SPLITS:
        for member in filter(None, members((config.get(f'{split}_dataloader') or {}).get('dataset') or {})):
            places.append(tuple(map(member.get, ('type', 'data_root', 'ann_file', 'indices'))))
            if places[-1] in places[:-1]:  # the test set is usually the validation set
                continue
            try:
                dataset, content = _open_dataset(member)
            except AssertionError as problem:  # of MMPose, which asserts that files exist
                raise InputError(f'{member.get("ann_file")}: {one_line(problem)}') from problem
            meta = dataset.metainfo  # without keypoints for pre-training
            name, names = meta.get('dataset_name', type(dataset).__name__), meta.get('keypoint_id2name', {})
            new = ConfigDataset(name, [names[i] for i in range(len(names))], list(meta.get('flip_indices', ())), {}, [])
            known = datasets.setdefault(new.name, new)
            known.splits.setdefault(split, []).extend(_read_photos(dataset, content))
            known.bad_fields += _find_bad_fields(dataset, content, config.get(f'{split}_evaluator'))
    if not datasets:
        raise InputError('the config has no train_dataloader, val_dataloader or test_dataloader')
    return list(datasets.values())


def _open_dataset(member: Any) -> tuple[Any, Any]:
    """Build a dataset without its pipeline, and return it with the content of its JSON file.

    What MMPose's reader of COCO files takes for granted is checked; the classes of `DatasetChecks` do so themselves.
    """
    with quiet():
        dataset = DATASETS.build({**member, 'pipeline': [], 'lazy_init': True})
    file, reader = Path(dataset.ann_file), getattr(type(dataset), '_load_annotations', None)
    is_unchecked = file.suffix == '.json' and reader is BaseCocoStyleDataset._load_annotations
    is_read = is_unchecked or (file.suffix == '.json' and file.is_file())
    content = parse_json(file.read_bytes(), str(file)) if is_read else None
    if isinstance(content, dict) and content.get('annotations'):
        dataset.bbox_file = None  # its boxes come with keypoints at (0, 0), marked as visible
    if is_unchecked and not dataset.bbox_file:
        if not isinstance(content, dict):
            expected = 'expected a JSON object with images and annotations'
            raise InputError(f'{file}: {expected}, got {short_text(repr(content))}')
        for bad in find_bad_fields(content, dataset.metainfo['num_keypoints']):
            raise InputError(f'{file}: {bad}')
    with quiet():
        dataset.full_init()
    return dataset, content


def _find_bad_fields(dataset: Any, content: Any, evaluators: Any) -> list[str]:
    """Find the fields that COCO's evaluation reads and the annotation file of a dataset lacks."""
    given, file = evaluators if isinstance(evaluators, list) else [evaluators or {}], Path(dataset.ann_file).resolve()
    metrics = [
        metric for each in given for metric in each.get('metrics') or [each] if metric.get('type') == 'CocoMetric'
    ]
    areas = [each.get('use_area', True) for each in metrics if Path(each.get('ann_file') or file).resolve() == file]
    if not areas or not isinstance(content, dict):
        return []
    required = EVALUATED if any(areas) else WITHOUT_AREA
    found = find_bad_fields(content, required=required)
    return [f'{dataset.ann_file}: {bad}' for bad in found if bad.field in required]


def _read_photos(dataset: Any, content: Any) -> list[Photo]:
    photos: dict[str, Photo] = {}
    rows = content['images'] if isinstance(content, dict) else []
    sizes = {row['id']: (row['width'], row['height']) for row in rows if {'id', 'width', 'height'} <= row.keys()}
    for i in range(len(dataset)):
        info = dataset.get_data_info(i)
        path = info['img_path']
        photo = photos.setdefault(path, Photo(Path(path), path, size=sizes.get(info.get('img_id'))))
        if info.get('keypoints') is None or getattr(dataset, 'bbox_file', None):
            continue
        visible = np.asarray(info['keypoints_visible'], float)[0].reshape(-1, 1)
        x1, y1, x2, y2 = map(float, info['bbox'][0])
        where = f'{dataset.ann_file}: annotation {info.get("id", i)}'
        keypoints = np.concatenate((info['keypoints'][0], visible), -1)
        photo.instances.append(Instance(keypoints, where, (x1, y1, x2 - x1, y2 - y1)))
    return list(photos.values())
