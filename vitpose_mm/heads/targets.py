"""Do two codecs make the same heatmaps of the same keypoints?"""

import inspect
from functools import lru_cache

import numpy as np
from mmpose.codecs.base import BaseKeypointCodec

# of the input's width and height; off the cells' centres, where codecs differ
PROBES = np.array([[0.231, 0.313], [0.517, 0.486], [0.709, 0.834]])


@lru_cache(maxsize=16)  # training asks for the same pair with every batch
def same_targets(first: BaseKeypointCodec | None, second: BaseKeypointCodec | None) -> bool:
    """Whether both encode some keypoints into the same heatmaps; two absent codecs do.

    Heatmaps are compared, not arguments, so that those of decoding may differ.
    """
    if first is None or second is None:
        return first is second
    keypoints, visible = PROBES[None] * first.input_size, np.ones((1, len(PROBES)), np.float32)
    one, other = (codec.encode(keypoints.astype(np.float32), visible)['heatmaps'] for codec in (first, second))
    return one.shape == other.shape and np.allclose(one, other, atol=1e-4)


def describe(codec: BaseKeypointCodec | None) -> str:
    """A codec as its constructor's call."""
    if codec is None:
        return 'no codec'
    names = list(inspect.signature(type(codec)).parameters)
    return f'{type(codec).__name__}({", ".join(f"{name}={getattr(codec, name, None)}" for name in names)})'
