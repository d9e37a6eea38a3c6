"""What a joined or wrapped dataset is made of."""

from typing import Any

from mmpose.datasets import CombinedDataset

from .combined import CombinedPoseDataset


def members(dataset: Any) -> list[Any]:
    """The datasets that pack the samples of a dataset: those that it joins or wraps, or itself.

    MMPose's ``CombinedDataset`` packs its members' samples, with its own pipeline and metainfo.
    """
    if isinstance(dataset, CombinedDataset) and not isinstance(dataset, CombinedPoseDataset):
        return [dataset]
    inner = getattr(dataset, 'datasets', None) or [each for each in [getattr(dataset, 'dataset', None)] if each]
    return [member for each in inner for member in members(each)] if inner else [dataset]


def transforms(dataset: Any, kind: type) -> list[Any]:
    """The steps of a type in a dataset's own pipeline."""
    steps = getattr(getattr(dataset, 'pipeline', None), 'transforms', ())
    return [step for step in steps if isinstance(step, kind)]
