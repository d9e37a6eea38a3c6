"""A concatenation of pose datasets, each with its own pipeline, codec and keypoints, and its members."""

from collections.abc import Sequence
from typing import Any

from mmengine.dataset import BaseDataset
from mmpose.datasets import CombinedDataset
from mmpose.registry import DATASETS

# MMPose's constructor needs metainfo before the members are built, whose metainfo then replaces it.
NO_METAINFO: dict = dict(dataset_name='', keypoint_info={}, skeleton_info={}, joint_weights=[], sigmas=[])


@DATASETS.register_module()
class CombinedPoseDataset(CombinedDataset):
    """Concatenate datasets ("members") and return each sample exactly as its member's pipeline packed it.

    MMPose's `CombinedDataset` applies one pipeline, and the flip order and joint weights of the combined metainfo, to
    all samples. Here each member's pipeline ends in `PackPoseInputs`, so members may differ
    in keypoints, codec, heatmap size and flip pairs.

    Args:
        datasets: configs of the members, each with its `pipeline`, and with `test_mode=True` for testing. Each
            member needs a unique `dataset_name`, which routes its samples.
        metainfo: the metainfo saved in checkpoints and used for samples without a dataset name; None for that of
            the first member. `members`, {dataset name: metainfo}, is added to it.
        sample_ratio_factor: one number >= 0 per member: samples per epoch = factor x len(member), spread evenly
            over the member. None for plain concatenation.
        pipeline: the test pipeline of the default dataset. Only MMPose's inferencers use it, which read it from the
            config; the samples of the members do not pass through it.

    Raises:
        ValueError: there is no member, two members have the same name, a member is empty, or the ratios are invalid.
    """

    def __init__(
        self,
        datasets: Sequence[dict],
        metainfo: dict | None = None,
        sample_ratio_factor: Sequence[float] | None = None,
        pipeline: Sequence[dict] = (),
    ):
        if not datasets:
            raise ValueError('CombinedPoseDataset: datasets is empty, expected at least one config')
        if sample_ratio_factor is not None:
            check_ratios(sample_ratio_factor, len(datasets), 'sample_ratio_factor')
        super().__init__(metainfo or NO_METAINFO, [], list(pipeline))
        self.datasets = [build_member(cfg) for cfg in datasets]
        if metainfo is None:
            self._metainfo = self.datasets[0].metainfo
        self._metainfo['members'] = {dataset.metainfo['dataset_name']: dataset.metainfo for dataset in self.datasets}
        self.resample = sample_ratio_factor is not None
        self._lens_ori = [len(dataset) for dataset in self.datasets]
        factors = sample_ratio_factor or [1] * len(self.datasets)
        self._lens = [round(number * factor) for number, factor in zip(self._lens_ori, factors, strict=True)]
        self._len = sum(self._lens)
        self._check_members(factors)

    @property
    def names(self) -> list[str]:
        """The `dataset_name` of each member."""
        return [dataset.metainfo['dataset_name'] for dataset in self.datasets]

    def prepare_data(self, idx: int) -> Any:
        """Return sample `idx` as its member's pipeline packed it."""
        member, index = self._get_subset_index(idx)
        return self.datasets[member][index]

    def get_data_info(self, idx: int) -> dict:
        """Return the record of sample `idx` from its member's `get_data_info`, before any pipeline."""
        member, index = self._get_subset_index(idx)
        return self.datasets[member].get_data_info(index)

    def _check_members(self, factors: Sequence[float]) -> None:
        names = self.names
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ValueError(
                f'CombinedPoseDataset: several members are named {", ".join(map(repr, repeated))} (all: {names}). '
                'The name selects the decoder and the metric: give each member a metainfo with a unique '
                'dataset_name, or merge the annotation files'
            )
        for name, size, factor, drawn in zip(names, self._lens_ori, factors, self._lens, strict=True):
            if factor > 0 and not drawn:
                raise ValueError(
                    f'CombinedPoseDataset: sample_ratio_factor={factor} leaves none of the {size} samples of '
                    f'{name!r}. Raise it, or set it to 0 to exclude the dataset'
                )


def build_member(cfg: dict) -> BaseDataset:
    """Build a member of a combined dataset. ValueError if it is empty."""
    try:
        dataset = DATASETS.build(cfg)
    except ValueError as error:
        if 'need at least one array' not in str(error):  # MMEngine's error when it serializes an empty list
            raise
        dataset = []
    if not len(dataset):
        raise ValueError(
            f'CombinedPoseDataset: {cfg["type"]} has no sample in {cfg.get("ann_file")} below '
            f'{cfg.get("data_root")}. Check the file and filter_cfg, or remove the dataset'
        )
    return dataset


def check_ratios(ratios: Sequence[float], members: int, argument: str) -> None:
    """Check that there is one ratio >= 0 per member, at least one > 0; else a ValueError names `argument`."""
    if len(ratios) != members:
        raise ValueError(
            f'{argument}={list(ratios)} has {len(ratios)} numbers for {members} datasets: give one per dataset'
        )
    if not all(ratio >= 0 for ratio in ratios) or not any(ratios):
        raise ValueError(f'{argument}={list(ratios)}: expected numbers >= 0, at least one of them > 0')


def find_members(dataset: Any) -> list[Any]:
    """Return the datasets whose pipelines pack the samples: the combined or wrapped ones, or the dataset itself.

    MMPose's `CombinedDataset` counts as one dataset, since it packs all samples with its own pipeline and metainfo.
    """
    if isinstance(dataset, CombinedDataset) and not isinstance(dataset, CombinedPoseDataset):
        return [dataset]
    inner = getattr(dataset, 'datasets', None) or list(filter(None, [getattr(dataset, 'dataset', None)]))
    return [member for part in inner for member in find_members(part)] if inner else [dataset]


def find_named_members(dataset: Any) -> list[tuple[str | None, Any]]:
    """Return the members of `find_members`, each with the `dataset_name` of its samples, None without metainfo.

    MMPose's `CombinedDataset` is listed once per name: its samples keep the names of the datasets that it combines.
    """
    return [
        ((getattr(part, 'metainfo', None) or {}).get('dataset_name'), member)
        for member in find_members(dataset)
        for part in getattr(member, 'datasets', [member])
    ]


def find_transforms(dataset: Any, kind: type) -> list[Any]:
    """Return the transforms of a type in the pipeline of a dataset itself."""
    steps = getattr(getattr(dataset, 'pipeline', None), 'transforms', ())
    return [step for step in steps if isinstance(step, kind)]
