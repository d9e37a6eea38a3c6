"""What a dataset's config says of its keypoints."""

from typing import Any

from mmpose.datasets.datasets.utils import parse_pose_metainfo
from mmpose.registry import DATASETS


def dataset_class(dataset: dict) -> type:
    """The class of a dataset's config."""
    kind = dataset['type']
    return kind if isinstance(kind, type) else DATASETS.get(kind)


def raw_metainfo(dataset: dict) -> dict:
    """The metainfo that a dataset would have: the config's own, else that of its class."""
    return dataset.get('metainfo') or dataset_class(dataset).METAINFO  # type: ignore[attr-defined]


def metainfo(dataset: dict) -> dict[str, Any]:
    """The parsed metainfo of a dataset's config: `dataset_name`, `num_keypoints`, ...; nothing is loaded."""
    return parse_pose_metainfo(raw_metainfo(dataset))
