"""The metainfo of a dataset's config, without building the dataset."""

from copy import deepcopy
from functools import lru_cache
from typing import Any

from mmpose.datasets.datasets.utils import parse_pose_metainfo
from mmpose.registry import DATASETS


def dataset_class(dataset: dict) -> type:
    """Return the class that a dataset's config names."""
    kind = dataset['type']
    return kind if isinstance(kind, type) else DATASETS.get(kind)


def raw_metainfo(dataset: dict) -> dict:
    """Return the unparsed metainfo: the config's, or else that of the dataset's class."""
    return dataset.get('metainfo') or dataset_class(dataset).METAINFO  # type: ignore[attr-defined]


def parse_metainfo(dataset: dict) -> dict[str, Any]:
    """Return the parsed metainfo of a dataset's config: `dataset_name`, `num_keypoints`, ..."""
    raw = raw_metainfo(dataset)
    return deepcopy(_parsed_file(raw['from_file'])) if set(raw) == {'from_file'} else parse_pose_metainfo(raw)


@lru_cache
def _parsed_file(path: str) -> dict[str, Any]:
    return parse_pose_metainfo(dict(from_file=path))  # takes 0.1 s
