"""The configs and the metainfo of their datasets, each read once per process, and the leaf configs by kind."""

import copy
import json
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest
from mmengine.config import Config
from mmpose.registry import DATASETS

CONFIGS = Path(__file__).resolve().parents[3] / 'configs'
LEAVES = sorted(path for path in CONFIGS.rglob('*.py') if '_base_' not in path.parts)
PRETRAIN = [path for path in LEAVES if path.parent.name == 'pretrain']
POSE = [path for path in LEAVES if path not in PRETRAIN]


def of_base(leaf: Path) -> Path:
    """Return the path of a leaf with `base` in place of its model size."""
    return leaf.with_name(re.sub(r'^(vitpose-(plus-)?)(small|large|huge)(?=(-simple)?_)', r'\1base', leaf.name))


RESIZED = [path for path in POSE if of_base(path) != path and of_base(path) in POSE]  # of a size that ViT-B also has


def for_each(leaves: Sequence[Path]) -> pytest.MarkDecorator:
    """Run a test once per leaf config, with its path as the argument `leaf`."""
    return pytest.mark.parametrize('leaf', leaves, ids=[str(path.relative_to(CONFIGS)) for path in leaves])


_read = cache(Config.fromfile)


def read_config(path: str | Path) -> Config:
    """Return a config, given by its path from `configs/`, merged with its base files; not to be changed."""
    return _read(CONFIGS / path)


def copy_config(path: str | Path) -> Config:
    return copy.deepcopy(read_config(path))


def read_metainfo(dataset: dict) -> dict:
    """Return a dataset's metainfo with the number of keypoints, without reading the dataset's files."""
    return _read_metainfo(dataset['type'], json.dumps(dataset.get('metainfo')))


@cache
def _read_metainfo(kind: str, metainfo: str) -> dict:
    content = DATASETS.get(kind)._load_metainfo(json.loads(metainfo))
    return dict(content, num_keypoints=len(content['keypoint_id2name']))
