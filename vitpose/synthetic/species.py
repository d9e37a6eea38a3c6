"""Species: a body with its poses, appearance, views and categories."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from .poses import PEOPLE, Repertoire
from .skeleton import HUMAN, Body, Range
from .wardrobe import Wardrobe, sample_wardrobe


@dataclass(frozen=True)
class Breed:
    """One category of a species.

    Attributes:
        category: Category id in the annotation file.
        name: Category name in the annotation file.
        family: Supercategory in the annotation file.
        factors: Ranges of build factors that override `Body.factors`.
    """

    category: int
    name: str
    family: str
    factors: dict[str, Range] = field(default_factory=dict)


@dataclass(frozen=True)
class Species:
    """Everything needed to sample and draw one species.

    Attributes:
        body: Joints and bones.
        repertoire: Poses.
        dress: Samples the appearance of an individual; see `wardrobe.sample_wardrobe`.
        yaws: Mean yaw in degrees of front views and back views; with random sign if the first is not 0.
        breeds: Categories, sampled uniformly.
        noun: Plural noun for messages.
    """

    body: Body
    repertoire: Repertoire
    dress: Callable[[np.random.Generator, np.ndarray | None], Wardrobe] = sample_wardrobe
    yaws: tuple[float, float] = (0.0, 180.0)
    breeds: tuple[Breed, ...] = (Breed(1, 'person', 'person'),)
    noun: str = 'people'

    def sample_breed(self, rng: np.random.Generator) -> Breed:
        """Sample a breed; draws no random number if there is only one."""
        return self.breeds[rng.integers(len(self.breeds))] if len(self.breeds) > 1 else self.breeds[0]


PERSON = Species(HUMAN, PEOPLE)
