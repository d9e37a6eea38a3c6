"""Does a teacher know the crops that its student sees?"""

from collections.abc import Iterator
from typing import Any

from mmpose.datasets.transforms import TopdownAffine

from ..datasets.members import members, transforms
from ..datasets.metainfo import metainfo
from ..heads import MultiDatasetHead
from .teacher import Teacher


def check_crop(dataset: Any, teacher: Teacher) -> None:
    """Refuse a teacher whose config crops with UDP where the student's training set does not, or without it.

    The same keypoint then is in another place of the crop, by up to a heatmap cell. The padding of
    boxes is not compared: it only shows people at another scale. Nor is what the teacher's config
    does not say, such as one without a training set.

    Args:
        dataset: the student's training set, as built.
        teacher: its model is loaded.

    Raises:
        ValueError: names both crops.
    """
    own = members(dataset)
    mine = {step.use_udp for member in own for step in transforms(member, TopdownAffine)}
    names = {getattr(member, 'metainfo', {}).get('dataset_name') for member in own}
    several = isinstance(teacher.model.head, MultiDatasetHead)
    loader = teacher.read_config().get('train_dataloader') or {}
    theirs = set(_crops(loader.get('dataset') or {}, names if several else None))
    if mine and theirs and mine != theirs:
        raise ValueError(
            f"the student's training set has TopdownAffine with {_shown(mine)}, the teacher's "
            f'({teacher.config}) {_shown(theirs)}: the same keypoint has other coordinates in the two '
            "crops. Set use_udp in the student's pipelines, and its codec, as the teacher has them, or "
            'take another teacher'
        )


def _crops(dataset: dict, names: set | None) -> Iterator[bool]:
    """`use_udp` of the crops in a dataset's config; given `names`, of these members alone."""
    inner = [*dataset.get('datasets', ()), *([dataset['dataset']] if 'dataset' in dataset else [])]
    if inner and _class_name(dataset) != 'CombinedDataset':  # MMPose's crops what it joins
        for each in inner:
            yield from _crops(each, names)
    elif names is None or metainfo(dataset).get('dataset_name') in names:
        for step in dataset.get('pipeline', ()):
            if _class_name(step) == 'TopdownAffine':
                yield step.get('use_udp', False)


def _class_name(config: dict) -> str:
    kind = config.get('type')
    return str(getattr(kind, '__name__', kind)).rpartition('.')[2]


def _shown(crops: set[bool]) -> str:
    return ' and '.join(f'use_udp={udp}' for udp in sorted(crops))
