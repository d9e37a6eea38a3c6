"""Which points of a body a data set names: one table a data set, apart from the body itself."""

from dataclasses import dataclass

from .skeleton import HUMAN, Body


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
        category: Name of the category in the annotation file.
        body: The body that is drawn.
        landmarks: Keypoint name to landmark, in the data set's order.
        skeleton: Pairs of keypoint names that are joined by a line.
    """

    category: str
    body: Body
    landmarks: dict[str, Landmark]
    skeleton: tuple[tuple[str, str], ...]

    @property
    def names(self) -> list[str]:
        """Keypoint names in order."""
        return list(self.landmarks)

    def limbs(self) -> list[tuple[int, int]]:
        """The skeleton as pairs of indices from 0."""
        index = {name: i for i, name in enumerate(self.landmarks)}
        return [(index[a], index[b]) for a, b in self.skeleton]


def _two(name: str, joint: str, *shown_by: str, through: tuple[str, ...] = (), depth: float = 0.0) -> dict:
    """A landmark on the left and its counterpart on the right, at a joint."""
    return {
        f'{side}_{name}': Landmark(
            f'{side}_{joint}', tuple(f'{side}_{part}' for part in shown_by), through=through, depth=depth
        )
        for side in ('left', 'right')
    }


COCO = KeypointSet(
    category='person',
    body=HUMAN,
    landmarks={
        'nose': Landmark('head', ('nose',), (0.0, -0.12, 1.12), True),
        'left_eye': Landmark('head', ('head', 'nose'), (0.37, 0.12, 0.92), True, facing=0.12),
        'right_eye': Landmark('head', ('head', 'nose'), (-0.37, 0.12, 0.92), True, facing=0.12),
        'left_ear': Landmark('head', ('left_ear',), (1.0, 0.0, -0.08), True),
        'right_ear': Landmark('head', ('right_ear',), (-1.0, 0.0, -0.08), True),
        **_two('shoulder', 'shoulder', 'upper_arm', through=('torso', 'neck'), depth=0.055),
        **_two('elbow', 'elbow', 'upper_arm', 'forearm'),
        **_two('wrist', 'wrist', 'forearm', 'hand'),
        **_two('hip', 'hip', 'thigh', through=('torso',), depth=0.04),
        **_two('knee', 'knee', 'thigh', 'shank'),
        **_two('ankle', 'ankle', 'shank', 'foot'),
    },
    skeleton=(
        ('left_ankle', 'left_knee'), ('left_knee', 'left_hip'), ('right_ankle', 'right_knee'),
        ('right_knee', 'right_hip'), ('left_hip', 'right_hip'), ('left_shoulder', 'left_hip'),
        ('right_shoulder', 'right_hip'), ('left_shoulder', 'right_shoulder'), ('left_shoulder', 'left_elbow'),
        ('right_shoulder', 'right_elbow'), ('left_elbow', 'left_wrist'), ('right_elbow', 'right_wrist'),
        ('left_eye', 'right_eye'), ('nose', 'left_eye'), ('nose', 'right_eye'), ('left_eye', 'left_ear'),
        ('right_eye', 'right_ear'), ('left_ear', 'left_shoulder'), ('right_ear', 'right_shoulder'),
    ),
)

KINDS: dict[str, KeypointSet] = {'coco': COCO}


def keypoint_set(kind: str) -> KeypointSet:
    """The keypoint table of a kind.

    Raises:
        KeyError: If the kind is not known.
    """
    if kind not in KINDS:
        raise KeyError(f'unknown kind {kind!r}: known kinds are {", ".join(sorted(KINDS))}')
    return KINDS[kind]
