"""Whom the renderer draws: a body with what it does, what it wears and how it is looked at."""

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
        category: Its number in the annotation file.
        name: Its name there.
        family: Its supercategory there.
        factors: Build factors that are its own, as in `Body.factors`.
    """

    category: int
    name: str
    family: str
    factors: dict[str, Range] = field(default_factory=dict)


@dataclass(frozen=True)
class Species:
    """Everything that is drawn of one kind of being.

    Attributes:
        body: Joints and bones.
        repertoire: Poses.
        dress: Samples what one individual looks like; see `wardrobe.sample_wardrobe`.
        yaws: Degrees that it is turned from the camera in a scene's front and back views; either side if not 0 and 180.
        breeds: Categories, each as likely as another.
        noun: What many of them are called.
    """

    body: Body
    repertoire: Repertoire
    dress: Callable[[np.random.Generator, np.ndarray | None], Wardrobe] = sample_wardrobe
    yaws: tuple[float, float] = (0.0, 180.0)
    breeds: tuple[Breed, ...] = (Breed(1, 'person', 'person'),)
    noun: str = 'people'

    def sample_breed(self, rng: np.random.Generator) -> Breed:
        """The only breed, or any."""
        return self.breeds[rng.integers(len(self.breeds))] if len(self.breeds) > 1 else self.breeds[0]


PERSON = Species(HUMAN, PEOPLE)
