"""The member datasets of combined or wrapped datasets, and their pipelines."""

from typing import Any

from mmpose.datasets import CombinedDataset

from .combined import CombinedPoseDataset


def find_members(dataset: Any) -> list[Any]:
    """Return the datasets whose pipelines pack the samples: the combined or wrapped ones, or the dataset itself.

    MMPose's `CombinedDataset` counts as one dataset, since it packs all samples with its own pipeline and metainfo.
    """
    if isinstance(dataset, CombinedDataset) and not isinstance(dataset, CombinedPoseDataset):
        return [dataset]
    inner = getattr(dataset, 'datasets', None) or list(filter(None, [getattr(dataset, 'dataset', None)]))
    return [member for part in inner for member in find_members(part)] if inner else [dataset]


def find_transforms(dataset: Any, kind: type) -> list[Any]:
    """Return the transforms of a type in the pipeline of a dataset itself."""
    steps = getattr(getattr(dataset, 'pipeline', None), 'transforms', ())
    return [step for step in steps if isinstance(step, kind)]
