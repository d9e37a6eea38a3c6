"""A body as a tree of joints with angle limits, its forward kinematics, and the human body.

The body frame has x towards the body's own left, y up and z forward; its unit is the body's stature. In the rest pose
the body is upright and its limbs hang. The angles of a joint are degrees about x, z and y of its parent's frame: y, the
twist, is applied first, then z, then x. A negative x swings a hanging limb forward, a positive x bends an upright spine
forward, and a positive z lifts a left limb away from the body. For right joints z and y have the opposite sign.
"""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

Range = tuple[float, float]
Angle = tuple[float, float, float]  # degrees about x, z and y
Angles = dict[str, Angle]  # by joint name


@dataclass(frozen=True)
class Joint:
    """One joint."""

    parent: str | None  # None for the root
    offset: tuple[float, float, float]  # (x, y, z) from the parent at rest, in statures
    limits: tuple[Range, Range, Range] = ((0.0, 0.0), (0.0, 0.0), (0.0, 0.0))  # of the angles about x, z and y
    stretch: str | None = None  # build factor (see `Body.factors`) that multiplies the offset

    def mirrored(self) -> 'Joint':
        """Return the joint of the other side."""
        about_x, (z_low, z_high), (y_low, y_high) = self.limits
        x, y, z = self.offset
        limits = (about_x, (-z_high, -z_low), (-y_high, -y_low))
        return Joint(self.parent and mirror_name(self.parent), (-x, y, z), limits, self.stretch)


@dataclass(frozen=True)
class Bone:
    """A drawable part between two joints."""

    start: str
    end: str
    radii: tuple[float, ...]  # half widths in statures at even distances from start to end
    flatness: float = 1.0  # ratio of depth to width of the cross-section; 1 is round
    cap: float = 1.0  # ratio of length to radius of the rounded ends
    z_offset: float = 0.0  # added to the z of the middle, in statures, when parts are sorted from back to front

    def mirrored(self) -> 'Bone':
        """Return the bone of the other side."""
        return replace(self, start=mirror_name(self.start), end=mirror_name(self.end))


@dataclass(frozen=True)
class Body:
    """Joints, drawable bones, and the variation between individuals."""

    joints: dict[str, Joint]  # parents first
    bones: dict[str, Bone]
    factors: dict[str, Range] = field(default_factory=dict)  # range of each build factor; `girth` multiplies all radii
    head_radii: tuple[float, float, float] = (0.06, 0.076, 0.069)  # half axes in statures around the joint `head`

    def sample_build(self, rng: np.random.Generator) -> dict[str, float]:
        """Sample the build factors of an individual."""
        return {name: float(rng.uniform(low, high)) for name, (low, high) in self.factors.items()}

    def clip(self, angles: Angles) -> Angles:
        """Clip angles to the joint limits, and add those of the joints that are not listed, which are 0."""
        return {
            name: tuple(np.clip(angles.get(name, (0, 0, 0)), *np.transpose(joint.limits)).tolist())
            for name, joint in self.joints.items()
        }

    def forward(
        self, angles: Angles, build: dict[str, float] | None = None, root: np.ndarray | None = None
    ) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Compute forward kinematics within the joint limits: position (3,) in statures, and rotation (3, 3), by joint.

        Build factors that are not listed are 1. `root` (3, 3) rotates the body into the camera's frame (x right, y up,
        z towards the camera); without it the body faces the camera.
        """
        base = np.eye(3) if root is None else root
        clipped = self.clip(angles)
        positions: dict[str, np.ndarray] = {}
        frames: dict[str, np.ndarray] = {}
        for name, joint in self.joints.items():
            offset = np.array(joint.offset) * (build or {}).get(joint.stretch or '', 1.0)
            if joint.parent is None:
                positions[name], parent_frame = offset, base
            else:
                parent_frame = frames[joint.parent]
                positions[name] = positions[joint.parent] + parent_frame @ offset
            turn = clipped[name]
            frames[name] = parent_frame @ rotation(*turn) if any(turn) else parent_frame
        return positions, frames


def rotation(x: float, z: float, y: float) -> np.ndarray:
    """Return the rotation matrix (3, 3) about y, then z, then x, in degrees."""
    (cx, cz, cy), (sx, sz, sy) = np.cos(np.radians((x, z, y))), np.sin(np.radians((x, z, y)))
    about_x = np.array(((1, 0, 0), (0, cx, -sx), (0, sx, cx)))
    about_z = np.array(((cz, -sz, 0), (sz, cz, 0), (0, 0, 1)))
    return about_x @ about_z @ np.array(((cy, 0, sy), (0, 1, 0), (-sy, 0, cy)))


def mirror_name(name: str) -> str:
    """Return the name of the same part on the other side; names without a side are unchanged."""
    side, mark, part = name.partition('_')
    return {'left': 'right', 'right': 'left'}.get(side, side) + mark + part


def both_sides(parts: dict[str, Any]) -> dict[str, Any]:
    """Add the mirrored right joints or bones to a table that has only the left ones."""
    out = {}
    for name, part in parts.items():
        out[name] = part
        if name.startswith('left_'):
            out[mirror_name(name)] = part.mirrored()
    return out


# Lengths are the usual anthropometric fractions of stature (Drillis and Contini, 1966). Limits are the active range of
# motion of an adult, slightly reduced where the full range about two axes would combine to an unnatural pose.
_JOINTS = {
    'pelvis': Joint(None, (0.0, 0.0, 0.0)),
    'spine': Joint('pelvis', (0.0, 0.07, 0.0), ((-20, 65), (-25, 25), (-30, 30)), 'torso'),
    'chest': Joint('spine', (0.0, 0.11, 0.0), ((-10, 20), (-12, 12), (-15, 15)), 'torso'),
    'neck': Joint('chest', (0.0, 0.125, 0.0), ((-30, 35), (-25, 25), (-40, 40)), 'torso'),
    'head': Joint('neck', (0.0, 0.112, 0.01), ((-15, 20), (-12, 12), (-35, 35))),
    'left_shoulder': Joint('chest', (0.104, 0.088, 0.0), ((-175, 45), (-5, 110), (-45, 60)), 'shoulders'),
    'left_elbow': Joint('left_shoulder', (0.0, -0.172, 0.0), ((-145, 0), (0, 0), (-60, 60)), 'arms'),
    'left_wrist': Joint('left_elbow', (0.0, -0.148, 0.0), ((-50, 50), (-20, 20), (0, 0)), 'arms'),
    'left_hand': Joint('left_wrist', (0.0, -0.075, 0.0), stretch='arms'),
    'left_hip': Joint('pelvis', (0.055, -0.01, 0.0), ((-115, 25), (-15, 50), (-30, 40)), 'hips'),
    'left_knee': Joint('left_hip', (0.0, -0.245, 0.0), ((0, 140), (0, 0), (0, 0)), 'legs'),
    'left_ankle': Joint('left_knee', (0.0, -0.235, 0.0), ((-20, 45), (-12, 12), (-10, 10)), 'legs'),
    'left_toe': Joint('left_ankle', (0.005, -0.03, 0.11)),
}
_BONES = {
    'torso': Bone('pelvis', 'neck', (0.082, 0.084, 0.075, 0.078, 0.096, 0.108, 0.107, 0.078), 0.62, 0.3),
    'neck': Bone('neck', 'head', (0.032, 0.028, 0.026), z_offset=0.005),
    'left_upper_arm': Bone('left_shoulder', 'left_elbow', (0.036, 0.034, 0.027)),
    'left_forearm': Bone('left_elbow', 'left_wrist', (0.027, 0.027, 0.018), z_offset=0.004),
    'left_hand': Bone('left_wrist', 'left_hand', (0.018, 0.022, 0.013), z_offset=0.006),
    'left_thigh': Bone('left_hip', 'left_knee', (0.06, 0.055, 0.046, 0.038), z_offset=-0.01),
    'left_shank': Bone('left_knee', 'left_ankle', (0.037, 0.041, 0.033, 0.022), z_offset=-0.012),
    'left_foot': Bone('left_ankle', 'left_toe', (0.026, 0.028, 0.021), z_offset=-0.008),
}
_FACTORS = dict(torso=(0.92, 1.08), shoulders=(0.88, 1.12), hips=(0.9, 1.15))
_FACTORS |= dict(arms=(0.92, 1.06), legs=(0.92, 1.06), girth=(0.92, 1.32))
HUMAN = Body(both_sides(_JOINTS), both_sides(_BONES), _FACTORS)
