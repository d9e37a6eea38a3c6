"""MMPose's datasets with checked input files, and datasets and samplers that combine several of them."""

from . import checked
from .apt36k import APT36KDataset
from .checks import DatasetChecks
from .combined import CombinedPoseDataset
from .mix_sampler import FixedMixSampler
from .teacher_cache import TeacherCacheDataset

__all__ = ['APT36KDataset', 'CombinedPoseDataset', 'DatasetChecks', 'FixedMixSampler', 'TeacherCacheDataset', 'checked']
