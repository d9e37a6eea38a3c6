"""Compare codecs by the heatmaps that they encode."""

import inspect
from functools import lru_cache

import numpy as np
from mmpose.codecs.base import BaseKeypointCodec

# relative to the input size; away from the centres of heatmap cells, where all codecs agree
PROBES = np.array([[0.231, 0.313], [0.517, 0.486], [0.709, 0.834]])


@lru_cache(maxsize=16)  # training compares the same pair in every batch
def same_targets(first: BaseKeypointCodec | None, second: BaseKeypointCodec | None) -> bool:
    """Whether both codecs encode the same keypoints into the same heatmaps; True if both are None.

    Heatmaps are compared instead of arguments, because arguments that only affect decoding may differ.
    """
    if first is None or second is None:
        return first is second
    keypoints, visible = PROBES[None] * first.input_size, np.ones((1, len(PROBES)), np.float32)
    one, other = (codec.encode(keypoints.astype(np.float32), visible)['heatmaps'] for codec in (first, second))
    return one.shape == other.shape and np.allclose(one, other, atol=1e-4)


def describe(codec: BaseKeypointCodec | None) -> str:
    """Format a codec as a call of its constructor."""
    if codec is None:
        return 'no codec'
    names = list(inspect.signature(type(codec)).parameters)
    return f'{type(codec).__name__}({", ".join(f"{name}={getattr(codec, name, None)}" for name in names)})'
