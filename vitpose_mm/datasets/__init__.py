"""MMPose's datasets with checked input files, and datasets and samplers that combine several of them."""

from . import checked, transforms
from .apt36k import APT36KDataset
from .combined import CombinedPoseDataset
from .dataset_checks import DatasetChecks
from .mix_sampler import FixedMixSampler
from .teacher_cache_dataset import TeacherCacheDataset
from .unlabeled import UnlabeledDataset

__all__ = ['APT36KDataset', 'CombinedPoseDataset', 'DatasetChecks', 'FixedMixSampler', 'TeacherCacheDataset']
__all__ += ['UnlabeledDataset', 'checked', 'transforms']
