"""The configs and the metainfo of their datasets, each read once per process."""

import json
from functools import cache
from pathlib import Path

from mmengine.config import Config
from mmpose.registry import DATASETS

CONFIGS = Path(__file__).resolve().parents[3] / 'configs'


@cache
def read_config(path: str | Path) -> Config:
    """Return a config, given by its path from `configs/`; it must be copied before it is changed."""
    return Config.fromfile(CONFIGS / path)


def read_metainfo(dataset: dict) -> dict:
    """Return a dataset's metainfo with the number of keypoints, without reading the dataset's files."""
    return _read_metainfo(dataset['type'], json.dumps(dataset.get('metainfo')))


@cache
def _read_metainfo(kind: str, metainfo: str) -> dict:
    content = DATASETS.get(kind)._load_metainfo(json.loads(metainfo))
    return dict(content, num_keypoints=len(content['keypoint_id2name']))
