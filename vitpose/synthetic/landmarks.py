"""What a keypoint is: a place on a body, and the parts that show it."""

from dataclasses import dataclass

from .species import Species


@dataclass(frozen=True)
class Landmark:
    """Where a keypoint sits and what shows it.

    Attributes:
        joint: The joint whose frame carries it.
        offset: From that joint in its frame: in statures, or in the head's half axes if `on_head`.
        on_head: Whether `offset` is in units of the head's half axes.
        shown_by: Parts of the same body that show the keypoint when they are what was drawn at its place.
        through: Parts that show it too, unless it lies behind their axis by more than `depth` (in statures).
        depth: See `through`.
        facing: For marks painted on the head: the smallest z, to the camera, of the landmark's direction.
    """

    joint: str
    shown_by: tuple[str, ...]
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0)
    on_head: bool = False
    through: tuple[str, ...] = ()
    depth: float = 0.0
    facing: float | None = None


@dataclass(frozen=True)
class KeypointSet:
    """One data set's keypoints on one body.

    Attributes:
        species: What is drawn.
        landmarks: Keypoint name to landmark, in the data set's order.
        skeleton: Pairs of keypoint names that are joined by a line.
        layout: How its annotation files are laid out: a name in `formats.LAYOUTS`.
        size: Columns and rows of an image, unless others are asked for.
    """

    species: Species
    landmarks: dict[str, Landmark]
    skeleton: tuple[tuple[str, str], ...]
    layout: str = 'coco'
    size: tuple[int, int] = (320, 240)

    @property
    def names(self) -> list[str]:
        """Keypoint names in order."""
        return list(self.landmarks)

    def limbs(self) -> list[tuple[int, int]]:
        """The skeleton as pairs of indices from 0."""
        index = {name: i for i, name in enumerate(self.landmarks)}
        return [(index[a], index[b]) for a, b in self.skeleton]


def two_sides(
    name: str,
    joint: str,
    *shown_by: str,
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0),
    through: tuple[str, ...] = (),
    depth: float = 0.0,
) -> dict[str, Landmark]:
    """A landmark on the left and its counterpart on the right, at a joint; `offset` is the left one's."""
    x, y, z = offset
    return {
        f'{side}_{name}': Landmark(
            f'{side}_{joint}',
            tuple(f'{side}_{part}' for part in shown_by),
            (sign * x, y, z),
            through=through,
            depth=depth,
        )
        for side, sign in (('left', 1), ('right', -1))
    }
