"""MMPose's datasets with checked input files, and datasets and samplers that combine several of them."""

from . import checked
from .apt36k import APT36KDataset
from .checks import DatasetChecks
from .combined import CombinedPoseDataset
from .crop_image import CropImage, FlipBox, OpenImage, TurnBox
from .keypoint_target import KeypointTarget
from .mix_sampler import FixedMixSampler
from .packing import PackCrop
from .pretrain_crop import PretrainCrop
from .teacher_cache import TeacherCacheDataset
from .unlabelled import UnlabelledDataset

__all__ = [
    'APT36KDataset',
    'CombinedPoseDataset',
    'CropImage',
    'DatasetChecks',
    'FixedMixSampler',
    'FlipBox',
    'KeypointTarget',
    'OpenImage',
    'PackCrop',
    'PretrainCrop',
    'TeacherCacheDataset',
    'TurnBox',
    'UnlabelledDataset',
    'checked',
]
