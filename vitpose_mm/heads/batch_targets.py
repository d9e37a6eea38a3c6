"""Training targets of a batch, and the comparison of codecs by the heatmaps that they encode."""

import inspect
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from mmpose.codecs.base import BaseKeypointCodec
from mmpose.structures import PoseDataSample
from torch import Tensor

from ..datasets.transforms.keypoint_target import KEYPOINT_TARGET
from ..layers.index import copy_to

Index = Tensor | slice
ALL = slice(None)
# relative to the input size; away from the centers of heatmap cells, where all codecs agree
PROBE_KEYPOINTS = np.array([[0.231, 0.313], [0.517, 0.486], [0.709, 0.834]])


def batch_targets(
    codec: BaseKeypointCodec | None, samples: Sequence[PoseDataSample], device: torch.device
) -> tuple[Tensor, Tensor]:
    """Return the heatmaps (B, K, Hm, Wm) and keypoint weights (B, K) to train on, on their device.

    The B samples have MMPose's heatmaps, or are from `KeypointTarget` and encoded by the head's codec. ValueError if a
    sample has neither, or the codec cannot encode a batch.
    """
    if all('heatmaps' in getattr(sample, 'gt_fields', ()) for sample in samples):
        return torch.stack([sample.gt_fields.heatmaps for sample in samples]), batch_weights(codec, samples, device)
    return _encode(codec, samples, device)


def batch_weights(codec: BaseKeypointCodec | None, samples: Sequence[PoseDataSample], device: torch.device) -> Tensor:
    """Return the keypoint weights (B, K) alone; arguments and errors as in `batch_targets`."""
    if all('keypoint_weights' in getattr(sample, 'gt_instance_labels', ()) for sample in samples):
        return torch.cat([sample.gt_instance_labels.keypoint_weights for sample in samples])
    return _encode(codec, samples, device)[1]


def _encode(
    codec: BaseKeypointCodec | None, samples: Sequence[PoseDataSample], device: torch.device
) -> tuple[Tensor, Tensor]:
    labels = keypoint_labels(samples, device, "or dict(type='GenerateTarget', encoder=CODEC) ")
    if codec is None or not hasattr(codec, 'targets'):
        raise ValueError(
            f"the head's decoder is {describe_codec(codec)}, which makes no heatmaps of a batch: set decoder="
            "dict(type='BatchUDPHeatmap' or 'BatchMSRAHeatmap', ...), or use MMPose's GenerateTarget in the pipeline"
        )
    heatmaps, weights = codec.targets(labels[..., :2], labels[..., 2])
    return heatmaps, weights * labels[..., 3]


def keypoint_labels(samples: Sequence[PoseDataSample], device: torch.device, others: str = '') -> Tensor:
    """Return the labels (B, K, 5) of `KeypointTarget`. ValueError without it, which also names `others` to use."""
    if not all(KEYPOINT_TARGET in getattr(sample, 'gt_instances', ()) for sample in samples):
        raise ValueError(
            "the samples have no training targets: the training pipeline needs dict(type='KeypointTarget', "
            f'encoder=CODEC) {others}before PackPoseInputs'
        )
    stacked = np.concatenate([sample.gt_instances[KEYPOINT_TARGET] for sample in samples])
    return copy_to(device, torch.from_numpy(stacked))


@lru_cache(maxsize=16)  # training compares the same pair in every batch
def same_targets(first: BaseKeypointCodec | None, second: BaseKeypointCodec | None) -> bool:
    """Return whether both codecs encode the same keypoints into the same heatmaps; True if both are None.

    Heatmaps are compared instead of arguments, because arguments that only affect decoding may differ.
    """
    if first is None or second is None:
        return first is second
    keypoints, visible = PROBE_KEYPOINTS[None] * first.input_size, np.ones((1, len(PROBE_KEYPOINTS)), np.float32)
    a, b = (codec.encode(keypoints.astype(np.float32), visible)['heatmaps'] for codec in (first, second))
    return a.shape == b.shape and np.allclose(a, b, atol=1e-4)


def describe_codec(codec: BaseKeypointCodec | None) -> str:
    """Format a codec as a call of its constructor."""
    if codec is None:
        return 'no codec'
    names = list(inspect.signature(type(codec)).parameters)
    return f'{type(codec).__name__}({", ".join(f"{name}={getattr(codec, name, None)}" for name in names)})'
