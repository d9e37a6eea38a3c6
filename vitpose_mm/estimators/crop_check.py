"""Check that teacher and student are trained on the same kind of crops."""

from collections.abc import Iterator
from typing import Any

from mmpose.datasets.transforms import TopdownAffine

from ..datasets.member_datasets import find_members, find_transforms
from ..datasets.metainfo import parse_metainfo
from ..heads import MultiDatasetHead
from .teacher import Teacher


def check_crop(dataset: Any, teacher: Teacher) -> None:
    """Refuse a teacher that was trained on crops with UDP if the student's are without, and the reverse.

    The coordinates of a keypoint in the two crops differ by up to a heatmap cell. The padding of boxes
    is not compared, because it only changes the scale of people. A teacher's config without a training
    set is accepted.

    Args:
        dataset: the student's training set, as built.
        teacher: its model is loaded.

    Raises:
        ValueError: names both crops.
    """
    own = find_members(dataset)
    mine = {step.use_udp for member in own for step in find_transforms(member, TopdownAffine)}
    names = {getattr(member, 'metainfo', {}).get('dataset_name') for member in own}
    several = isinstance(teacher.model.head, MultiDatasetHead)
    loader = teacher.read_config().get('train_dataloader') or {}
    theirs = set(_crops(loader.get('dataset') or {}, names if several else None))
    if mine and theirs and mine != theirs:
        raise ValueError(
            f"the student's training set has TopdownAffine with {_shown(mine)}, the teacher's ({teacher.config}) "
            f"{_shown(theirs)}: the same keypoint has other coordinates in the two crops. Use the teacher's use_udp "
            "and codec in the student's pipelines, or another teacher"
        )


def _crops(dataset: dict, names: set | None) -> Iterator[bool]:
    """`use_udp` of the crops in a dataset's config; with `names`, only of these members."""
    inner = [*dataset.get('datasets', ()), *([dataset['dataset']] if 'dataset' in dataset else [])]
    if inner and _class_name(dataset) != 'CombinedDataset':  # MMPose's crops in its own pipeline
        for each in inner:
            yield from _crops(each, names)
    elif names is None or parse_metainfo(dataset).get('dataset_name') in names:
        for step in dataset.get('pipeline', ()):
            if _class_name(step) in ('TopdownAffine', 'DecodeAndCrop'):
                yield step.get('use_udp', False)


def _class_name(config: dict) -> str:
    kind = config.get('type')
    return str(getattr(kind, '__name__', kind)).rpartition('.')[2]


def _shown(crops: set[bool]) -> str:
    return ' and '.join(f'use_udp={udp}' for udp in sorted(crops))
