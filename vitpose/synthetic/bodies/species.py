"""Species: a body with its poses, colors, views and category; and the species of people."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..paint import Appearance, sample_color
from .pose_families import PEOPLE, Repertoire
from .skeleton import HUMAN, Body

_SKIN = np.array(((178, 205, 238), (150, 190, 230), (120, 165, 215), (95, 140, 195), (70, 105, 160), (50, 75, 115)))
_HAIR = np.array(((25, 25, 30), (30, 45, 75), (45, 75, 125), (95, 160, 205), (40, 60, 150), (150, 150, 150)))


def sample_clothes(rng: np.random.Generator, avoid: np.ndarray | None = None) -> Appearance:
    """Sample skin, hair and clothes; with `avoid`, a color (3,) BGR, clothes differ from it and forearms are bare."""
    skin = _SKIN[rng.integers(len(_SKIN))] * rng.uniform(0.92, 1.06)
    hair = _HAIR[rng.integers(len(_HAIR))] * rng.uniform(0.8, 1.2)
    shirt, trousers, shoes = (sample_color(rng, avoid) for _ in range(3))
    long_sleeves, long_trousers = avoid is None and rng.random() < 0.33, rng.random() < 0.67
    limbs = {'upper_arm': shirt, 'forearm': shirt if long_sleeves else skin}
    limbs |= {'thigh': trousers, 'shank': trousers if long_trousers else skin, 'foot': shoes}
    sides = {f'{side}_{limb}': color for side in ('left', 'right') for limb, color in limbs.items()}
    return Appearance(skin, hair, {'torso': shirt} | sides)


@dataclass(frozen=True)
class Species:
    """Everything needed to sample, draw and label one species."""

    body: Body
    repertoire: Repertoire
    dress: Callable[[np.random.Generator, np.ndarray | None], Appearance] = sample_clothes
    yaws: tuple[float, float] = (0.0, 180.0)  # mean degrees of front and back views; random sign if the first is not 0
    category: tuple[int, str, str] = (1, 'person', 'person')  # id, name and supercategory in the annotation file
    noun: str = 'people'  # plural, for messages


PERSON = Species(HUMAN, PEOPLE)
