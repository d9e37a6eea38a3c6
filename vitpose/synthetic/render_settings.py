"""The settings of a synthetic dataset."""

from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from .keypoints import KINDS, keypoint_set
from .renderer import DIFFICULTIES, RenderedImage, render

SPLITS = ('train', 'val')


@dataclass(frozen=True)
class RenderSettings:
    """Everything that determines the bytes of a dataset."""

    train: int  # number of training images
    val: int  # number of held-out images
    seed: int = 0  # >= 0; image i of a split is seeded by (kind, seed, split, i) only
    difficulty: str = 'easy'  # a key of `renderer.DIFFICULTIES`
    kind: str = 'coco'  # a key of `keypoints.KINDS`
    width: int = 320  # in pixels
    height: int = 240

    def __post_init__(self) -> None:
        """Validate the settings."""
        ranges = {'train': (0, 10**6), 'val': (0, 10**6), 'seed': (0, 2**63 - 1)}
        for name, (low, high) in (ranges | dict.fromkeys(('width', 'height'), (64, 4096))).items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise InputError(f'{name} is {value}: expected an integer from {low} to {high}')
        if self.train + self.val == 0:
            raise InputError('train and val are both 0: expected at least one image')
        keypoint_set(self.kind)
        if self.difficulty not in DIFFICULTIES:
            raise InputError(f'unknown difficulty {self.difficulty!r}: expected one of {", ".join(DIFFICULTIES)}')


def render_one(settings: RenderSettings, split: str, index: int) -> RenderedImage:
    """Render image `index` of a split, independently of any other image; kinds of the same seed differ."""
    rng = np.random.default_rng([settings.seed, SPLITS.index(split), index, list(KINDS).index(settings.kind)])
    level = DIFFICULTIES[settings.difficulty]
    return render(rng, keypoint_set(settings.kind), level, settings.height, settings.width)


def file_name(index: int) -> str:
    """Return the file name of image `index` of a split."""
    return f'{index:06d}.jpg'
