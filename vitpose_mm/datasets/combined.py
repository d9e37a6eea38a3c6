"""Several pose datasets as one, each with its own pipeline, codec and keypoints."""

from collections.abc import Sequence
from typing import Any

from mmengine.dataset import BaseDataset
from mmpose.datasets import CombinedDataset
from mmpose.registry import DATASETS

# MMPose's constructor parses some metainfo before it can be known which the first member has.
NO_METAINFO: dict = dict(dataset_name='', keypoint_info={}, skeleton_info={}, joint_weights=[], sigmas=[])


@DATASETS.register_module()
class CombinedPoseDataset(CombinedDataset):
    """Joins datasets whose samples stay what their own pipelines made of them.

    MMPose's ``CombinedDataset`` gives all samples one flip order, one set of joint weights and one
    pipeline, that of the combined metainfo. Here a member's pipeline ends in ``PackPoseInputs`` and
    nothing is touched after it, so members may differ in keypoints, codec, heatmap size and flip.

    Args:
        datasets: configs of the members, each with its ``pipeline``; for testing each with
            ``test_mode=True``. No two may have one ``dataset_name``, which routes the samples.
        metainfo: what checkpoints and samples without a name are taken for; None for the first
            member's. The combined dataset's own ``metainfo`` also has ``members``: each one's by name.
        sample_ratio_factor: one number from 0 a member: so many times its length are drawn of it
            an epoch, spread evenly over it. None for plain concatenation.
        pipeline: what MMPose's inferencers, which read it in the config, prepare an image with: the
            test pipeline of the default dataset. No sample of a member passes it.

    Raises:
        ValueError: no or several members of one name, an empty member, or ratios that do not fit.
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
        """The ``dataset_name`` of each member."""
        return [dataset.metainfo['dataset_name'] for dataset in self.datasets]

    def prepare_data(self, idx: int) -> Any:
        """A member's sample, as the member's pipeline packed it."""
        member, index = self._get_subset_index(idx)
        return self.datasets[member][index]

    def get_data_info(self, idx: int) -> dict:
        """A member's record, as its own `get_data_info` gives it: no pipeline has run."""
        member, index = self._get_subset_index(idx)
        return self.datasets[member].get_data_info(index)

    def _check_members(self, factors: Sequence[float]) -> None:
        names = self.names
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(
                f'CombinedPoseDataset: several members are named {", ".join(map(repr, twice))} (all: {names}). A name '
                'chooses decoder and metric: give one of them a metainfo with a dataset_name of its own, or join its '
                'annotation files'
            )
        for name, number, factor, left in zip(names, self._lens_ori, factors, self._lens, strict=True):
            if factor > 0 and not left:
                raise ValueError(
                    f'CombinedPoseDataset: sample_ratio_factor={factor} leaves none of the {number} '
                    f'samples of {name!r}. Raise it, or set 0 to leave them out'
                )


def build_member(cfg: dict) -> BaseDataset:
    """A member of a combined dataset.

    Raises:
        ValueError: it is empty.
    """
    try:
        dataset = DATASETS.build(cfg)
    except ValueError as error:
        if 'need at least one array' not in str(error):  # MMEngine's, when there is nothing to serialise
            raise
        raise ValueError(no_sample(cfg)) from error
    if not len(dataset):
        raise ValueError(no_sample(cfg))
    return dataset


def no_sample(cfg: dict) -> str:
    """The message about an empty dataset."""
    return (
        f'CombinedPoseDataset: {cfg["type"]} has no sample in {cfg.get("ann_file")} below '
        f'{cfg.get("data_root")}. Check the file and filter_cfg, or leave the dataset out'
    )


def check_ratios(ratios: Sequence[float], members: int, argument: str) -> None:
    """Refuse ratios that are not one number from 0 a member, or all 0.

    Raises:
        ValueError: names the argument, what it is and how many were expected.
    """
    if len(ratios) != members:
        raise ValueError(f'{argument}={list(ratios)} has {len(ratios)} numbers for {members} datasets: give one each')
    if not all(ratio >= 0 for ratio in ratios) or not any(ratios):
        raise ValueError(f'{argument}={list(ratios)}: expected numbers from 0, at least one of them above it')
