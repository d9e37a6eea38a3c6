"""A quadruped: body, gaits and coat.

The frame is that of `skeleton`: at rest the animal stands and faces along z; the unit is about its body length.
"""

import numpy as np

from ..paint import Appearance, sample_color
from .pose_families import Repertoire, both, left, right
from .skeleton import Angles, Body, Bone, Joint, both_sides
from .species import Species

_JOINTS = {
    'middle': Joint(None, (0.0, 0.0, 0.0), ((-45, 25), (-6, 6), (0, 0))),
    'withers': Joint('middle', (0.0, 0.02, 0.19), ((-8, 8), (-8, 8), (-14, 14)), 'trunk'),
    'rump': Joint('middle', (0.0, 0.0, -0.19), ((-8, 8), (-8, 8), (-14, 14)), 'trunk'),
    'neck': Joint('withers', (0.0, 0.03, 0.08), ((-25, 95), (-15, 15), (-40, 40))),
    'head': Joint('neck', (0.0, 0.15, 0.12), ((-30, 60), (-15, 15), (-40, 40)), 'neck'),
    'muzzle': Joint('head', (0.0, -0.028, 0.105), stretch='muzzle'),
    'nose': Joint('muzzle', (0.0, 0.012, 0.022)),
    'left_eye': Joint('head', (0.034, 0.028, 0.032)),
    'left_ear': Joint('head', (0.032, 0.042, -0.022), ((-25, 25), (-40, 30), (-30, 30))),
    'left_ear_tip': Joint('left_ear', (0.024, 0.07, -0.008), stretch='ears'),
    'tail_root': Joint('rump', (0.0, 0.04, -0.095), ((-70, 40), (-10, 10), (-40, 40))),
    'tail_middle': Joint('tail_root', (0.0, -0.08, -0.07), ((-35, 35), (-10, 10), (-30, 30)), 'tail'),
    'tail_tip': Joint('tail_middle', (0.0, -0.085, -0.045), stretch='tail'),
    'left_shoulder': Joint('withers', (0.055, -0.075, 0.055), ((-60, 50), (-4, 14), (-6, 6))),
    'left_elbow': Joint('left_shoulder', (0.005, -0.15, -0.03), ((-95, 12), (0, 0), (0, 0)), 'legs'),
    'left_wrist': Joint('left_elbow', (0.0, -0.14, 0.01), ((-8, 90), (0, 0), (0, 0)), 'legs'),
    'left_front_paw': Joint('left_wrist', (0.0, -0.105, 0.01), ((-20, 40), (0, 0), (0, 0)), 'legs'),
    'left_front_toe': Joint('left_front_paw', (0.0, -0.016, 0.03)),
    'left_hip': Joint('rump', (0.05, -0.055, -0.03), ((-65, 50), (-4, 14), (-6, 6))),
    'left_knee': Joint('left_hip', (0.012, -0.15, 0.06), ((-15, 105), (0, 0), (0, 0)), 'legs'),
    'left_hock': Joint('left_knee', (0.0, -0.13, -0.09), ((-105, 15), (0, 0), (0, 0)), 'legs'),
    'left_back_paw': Joint('left_hock', (0.0, -0.13, 0.015), ((-20, 40), (0, 0), (0, 0)), 'legs'),
    'left_back_toe': Joint('left_back_paw', (0.0, -0.016, 0.03)),
}
_BONES = {
    'loin': Bone('rump', 'middle', (0.098, 0.1, 0.096, 0.098), 1.08, 0.95),
    'chest': Bone('middle', 'withers', (0.098, 0.106, 0.112, 0.1), 1.08, 0.95, z_offset=0.001),
    'throat': Bone('neck', 'head', (0.08, 0.062, 0.05, 0.045), z_offset=0.005),
    'muzzle': Bone('head', 'muzzle', (0.034, 0.036, 0.03, 0.026), z_offset=0.025),
    'nose': Bone('muzzle', 'nose', (0.014, 0.016), z_offset=0.035),
    'left_eye': Bone('left_eye', 'left_eye', (0.0125, 0.0125), z_offset=0.022),
    'left_ear': Bone('left_ear', 'left_ear_tip', (0.024, 0.022, 0.007), 0.6, z_offset=0.012),
    'tail': Bone('tail_root', 'tail_middle', (0.026, 0.02, 0.018), z_offset=0.01),
    'tail_end': Bone('tail_middle', 'tail_tip', (0.018, 0.018, 0.01), z_offset=0.01),
    'left_upper_arm': Bone('left_shoulder', 'left_elbow', (0.07, 0.056, 0.036), z_offset=0.03),
    'left_forearm': Bone('left_elbow', 'left_wrist', (0.034, 0.03, 0.022)),
    'left_pastern': Bone('left_wrist', 'left_front_paw', (0.022, 0.019, 0.02)),
    'left_front_foot': Bone('left_front_paw', 'left_front_toe', (0.022, 0.02), z_offset=0.002),
    'left_thigh': Bone('left_hip', 'left_knee', (0.085, 0.07, 0.044), z_offset=0.03),
    'left_shank': Bone('left_knee', 'left_hock', (0.042, 0.034, 0.022)),
    'left_heel': Bone('left_hock', 'left_back_paw', (0.022, 0.019, 0.02)),
    'left_back_foot': Bone('left_back_paw', 'left_back_toe', (0.022, 0.02), z_offset=0.002),
}
_FACTORS = dict(trunk=(0.92, 1.08), neck=(0.6, 1.4), legs=(0.75, 1.25), muzzle=(0.5, 1.4))
_FACTORS |= dict(ears=(0.5, 1.3), tail=(0.7, 1.6), girth=(0.85, 1.25))
BODY = Body(both_sides(_JOINTS), both_sides(_BONES), _FACTORS, head_radii=(0.05, 0.052, 0.06))

GAITS: dict[str, Angles] = {
    'stand': {'head': (18, 0, 0)},
    'walk': {'head': (15, 0, 0)}
    | left(shoulder=(-22, 0, 0), elbow=(-8, 0, 0), hip=(24, 0, 0))
    | right(shoulder=(20, 0, 0), wrist=(12, 0, 0), hip=(-16, 0, 0), knee=(12, 0, 0)),
    'trot': {'neck': (-8, 0, 0), 'head': (15, 0, 0), 'tail_root': (-35, 0, 0)}
    | left(shoulder=(-36, 0, 0), elbow=(-40, 0, 0), wrist=(55, 0, 0), hip=(30, 0, 0))
    | right(shoulder=(24, 0, 0), hip=(-24, 0, 0), knee=(40, 0, 0), hock=(-38, 0, 0)),
    'graze': {'neck': (88, 0, 0)} | left(shoulder=(-14, 0, 0)) | right(shoulder=(8, 0, 0)),
    'sit': {'middle': (-40, 0, 0), 'neck': (22, 0, 0), 'head': (22, 0, 0)}
    | both(shoulder=(42, 0, 0), hip=(-22, 6, 0), knee=(100, 0, 0), hock=(-95, 0, 0)),
}
WEIGHTS = dict(easy=dict(stand=5.0, walk=5.0, trot=4.0, graze=2.0), hard=dict.fromkeys(GAITS, 1.0) | {'anything': 2.0})


def sample_coat(rng: np.random.Generator, avoid: np.ndarray | None = None) -> Appearance:
    """Sample a coat of one color with darker paws, and the colors of eyes and nose; see `species.sample_clothes`."""
    coat = sample_color(rng, avoid, saturation=0.3)
    dark, bright = np.array((25, 25, 30)), np.array((60, 175, 215))
    colors = {'foot': coat * 0.6, 'eye': dark if coat.mean() > 85 else bright, 'nose': dark}
    bones = {bone: colors.get(bone.split('_')[-1], coat) for bone in BODY.bones}
    return Appearance(coat, coat, bones, has_face=False)


_CATEGORY = (8, 'dog', 'Canidae')  # AP-10K's
QUADRUPED = Species(BODY, Repertoire(GAITS, WEIGHTS), sample_coat, (60.0, 120.0), _CATEGORY, 'animals')
