"""The appearance of a person: skin, hair and clothes."""

from dataclasses import dataclass

import numpy as np

from .paint import Face, Paint

_SKIN = np.array(((178, 205, 238), (150, 190, 230), (120, 165, 215), (95, 140, 195), (70, 105, 160), (50, 75, 115)))
_HAIR = np.array(((25, 25, 30), (30, 45, 75), (45, 75, 125), (95, 160, 205), (40, 60, 150), (150, 150, 150)))


@dataclass(frozen=True)
class Wardrobe:
    """Colours of one individual, the same on both sides so that they do not reveal left and right.

    Attributes:
        face: Colours of the head.
        paints: Bone name to paint; bones that are not listed have the colour of the skin.
        long_hair: Length of the hair below the head's centre, in half axes; 0 for short hair.
    """

    face: Face
    paints: dict[str, Paint]
    long_hair: float


def sample_wardrobe(rng: np.random.Generator, avoid: np.ndarray | None = None) -> Wardrobe:
    """Sample clothes, skin and hair.

    Args:
        rng: Random generator.
        avoid: (3,) BGR, mean colour of the background: clothes avoid it and sleeves leave the forearms bare. None for
            any colour and any sleeves.
    """
    skin = (_SKIN[rng.integers(len(_SKIN))] * rng.uniform(0.92, 1.06)).astype(np.float32)
    hair = (_HAIR[rng.integers(len(_HAIR))] * rng.uniform(0.8, 1.2)).astype(np.float32)
    iris = np.array(((60, 35, 20), (30, 40, 60), (110, 70, 40))[rng.integers(3)], np.float32)
    face = Face(skin, hair, float(rng.uniform(-0.08, 0.22)), iris)
    shirt, trousers, shoes = (_cloth(rng, avoid) for _ in range(3))
    sleeve, leg = int(rng.integers(3 if avoid is None else 2)), int(rng.integers(3))
    band = _cloth(rng, avoid) if rng.random() < 0.35 else shirt
    paints = {'torso': _torso(shirt, trousers, band, rng)}
    for side in ('left', 'right'):
        paints[f'{side}_upper_arm'] = _clothed((0.25, 0.85, 2.0)[sleeve], shirt, skin)
        paints[f'{side}_forearm'] = _clothed((-1.0, -1.0, 0.92)[sleeve], shirt, skin)
        paints[f'{side}_thigh'] = _clothed((0.8, 2.0, 2.0)[leg], trousers, skin)
        paints[f'{side}_shank'] = _clothed((-1.0, 0.9, 0.97)[leg], trousers, skin)
        paints[f'{side}_foot'] = Paint.plain(shoes)
    return Wardrobe(face, paints, float(rng.uniform(0.9, 1.9)) if rng.random() < 0.3 else 0.0)


def _cloth(rng: np.random.Generator, avoid: np.ndarray | None) -> np.ndarray:
    colour = rng.uniform(25, 240, 3)
    for _ in range(8):
        if avoid is None or np.abs(colour - avoid).max() > 75:
            break
        colour = rng.uniform(25, 240, 3)
    return colour.astype(np.float32)


def _clothed(end: float, cloth: np.ndarray, skin: np.ndarray) -> Paint:
    """Return the paint of a limb that is clothed up to t = `end` and bare beyond."""
    if end < 0:
        return Paint.plain(skin)
    return Paint.plain(cloth) if end > 1 else Paint((end,), np.stack((cloth, skin)))


def _torso(shirt: np.ndarray, trousers: np.ndarray, band: np.ndarray, rng: np.random.Generator) -> Paint:
    """Return the paint of a torso: trousers below the hem, then rings of shirt and band colour."""
    hem = float(rng.uniform(0.06, 0.2))
    rings = int(rng.integers(2, 9))
    stops = tuple(float(stop) for stop in np.linspace(hem, 0.95, rings))
    return Paint(stops, np.stack([trousers] + [(shirt, band)[i % 2] for i in range(rings)]))
