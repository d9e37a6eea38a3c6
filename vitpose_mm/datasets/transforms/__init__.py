"""What a sample passes through between its image file and the model."""

from .image_file import CheckedLoadImage
from .keypoint_target import KeypointTarget
from .lazy_decoding import DecodeAndCrop, FastRandomBBoxTransform, LazyLoadImage, LazyRandomFlip
from .packing import PackCroppedInputs
from .pretrain_crop import PretrainCrop
from .whole_image import RandomWholeImage

__all__ = ['CheckedLoadImage', 'DecodeAndCrop', 'FastRandomBBoxTransform', 'KeypointTarget', 'LazyLoadImage']
__all__ += ['LazyRandomFlip', 'PackCroppedInputs', 'PretrainCrop', 'RandomWholeImage']
