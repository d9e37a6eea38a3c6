"""Check that teacher and student are trained on the same kind of crop."""

from collections.abc import Iterator
from typing import Any

from mmpose.datasets.transforms import TopdownAffine

from ..datasets.combined import find_members, find_transforms
from ..datasets.metainfo import parse_metainfo
from ..heads import MultiDatasetHead
from .teacher import Teacher


def check_crop(dataset: Any, teacher: Teacher) -> None:
    """Refuse a teacher if either teacher or student was trained on UDP crops and the other was not.

    The coordinates of a keypoint in the two crops differ by up to a heatmap cell. The padding of boxes is not compared,
    because it only changes the scale of people. A teacher's config without a training set is accepted.

    `dataset` is the student's training set, as built; the teacher's model is loaded. A ValueError names both crops.
    """
    members = find_members(dataset)
    student_udp = {step.use_udp for member in members for step in find_transforms(member, TopdownAffine)}
    names = {getattr(member, 'metainfo', {}).get('dataset_name') for member in members}
    selects_head = isinstance(teacher.model.head, MultiDatasetHead)
    loader = teacher.read_config().get('train_dataloader') or {}
    teacher_udp = set(_find_udp(loader.get('dataset') or {}, names if selects_head else None))
    if student_udp and teacher_udp and student_udp != teacher_udp:
        raise ValueError(
            f"the student's training set has TopdownAffine with {_format(student_udp)}, the teacher's "
            f'({teacher.config}) {_format(teacher_udp)}: the same keypoint has different coordinates in the two crops. '
            "Use the teacher's use_udp and codec in the student's pipelines, or another teacher"
        )


def _find_udp(dataset: dict, names: set | None) -> Iterator[bool]:
    """Yield `use_udp` of the crops in a dataset's config; with `names`, only of these members."""
    inner = [*dataset.get('datasets', ()), *([dataset['dataset']] if 'dataset' in dataset else [])]
    if inner and _class_name(dataset) != 'CombinedDataset':  # MMPose's class crops in the combined pipeline
        for member in inner:
            yield from _find_udp(member, names)
    elif names is None or parse_metainfo(dataset).get('dataset_name') in names:
        for step in dataset.get('pipeline', ()):
            if _class_name(step) in ('TopdownAffine', 'DecodeAndCrop'):
                yield step.get('use_udp', False)


def _class_name(config: dict) -> str:
    kind = config.get('type')
    return str(getattr(kind, '__name__', kind)).rpartition('.')[2]


def _format(crops: set[bool]) -> str:
    return ' and '.join(f'use_udp={udp}' for udp in sorted(crops))
