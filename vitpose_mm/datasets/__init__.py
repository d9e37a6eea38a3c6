"""MMPose's datasets with checks of their files, and several of them as one."""

from . import checked
from .apt36k import APT36KDataset
from .checks import DatasetChecks
from .combined import CombinedPoseDataset
from .mix_sampler import FixedMixSampler
from .teacher_cache import TeacherCacheDataset

__all__ = ['APT36KDataset', 'CombinedPoseDataset', 'DatasetChecks', 'FixedMixSampler', 'TeacherCacheDataset', 'checked']
