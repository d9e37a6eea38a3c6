"""What makes a data set."""

from dataclasses import dataclass

import numpy as np

from .keypoints import KINDS, keypoint_set
from .renderer import Rendered, difficulty, render

SPLITS = ('train', 'val')


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a data set's bytes.

    Attributes:
        train: Number of training images.
        val: Number of held-out images.
        seed: Any whole number from 0: image i of a split depends on (kind, seed, split, i) and nothing else.
        difficulty: 'easy' or 'hard'.
        kind: Keypoint set, as in `keypoints.KINDS`.
        width: Columns of an image.
        height: Rows of an image.
        quality: JPEG quality, 1 to 100.
    """

    train: int
    val: int
    seed: int = 0
    difficulty: str = 'easy'
    kind: str = 'coco'
    width: int = 320
    height: int = 240
    quality: int = 92

    def __post_init__(self) -> None:
        """Refuse numbers that no data set can be made of."""
        for name, low, high in (
            ('train', 0, 10**6),
            ('val', 0, 10**6),
            ('seed', 0, 2**63 - 1),
            ('quality', 1, 100),
            ('width', 64, 4096),
            ('height', 64, 4096),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f'{name} is {value}: give a whole number from {low} to {high}')
        if self.train + self.val == 0:
            raise ValueError('train and val are both 0: ask for at least one image')
        keypoint_set(self.kind)
        difficulty(self.difficulty)

    def count(self, split: str) -> int:
        """How many images a split has."""
        return {'train': self.train, 'val': self.val}[split]


def render_one(recipe: Recipe, split: str, index: int) -> Rendered:
    """Image `index` of a split, whatever was rendered before it.

    Raises:
        ValueError: If the split is not 'train' or 'val'.
    """
    if split not in SPLITS:
        raise ValueError(f'split is {split!r}: it is one of {", ".join(SPLITS)}')
    state = [recipe.seed, SPLITS.index(split), index]
    if recipe.kind != 'coco':  # other people than another kind's of the same seed
        state.append(list(KINDS).index(recipe.kind))
    rng = np.random.default_rng(state)
    return render(rng, keypoint_set(recipe.kind), difficulty(recipe.difficulty), recipe.height, recipe.width)


def file_name(index: int) -> str:
    """Name of image `index` of a split."""
    return f'{index:06d}.jpg'
