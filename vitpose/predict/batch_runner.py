"""A model on batches of few sizes, and on smaller ones where the device's memory is too small."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from ..errors import InputError, warn

SIZES = (1, 8, 32, 64)  # of batches on a GPU, besides multiples of 64; a compiled network has CUDA graphs of these
MAX_SIZE = 1024  # from which 'auto' is halved


class BatchRunner:
    """Run a model on crops; on a GPU batches are filled to few sizes, and halved if memory is too small for them.

    There, a compiled model runs each size before the first batch, and larger batches in parts of 64.

    Args:
        model: of a `PosePredictor`.
        batch_size: people per batch; None: 16 on the CPU, 64 on a GPU; 'auto': as None on the CPU, on a GPU 1024, or
            what is left of it when memory is too small.
        lock: held while the model runs.
        extras: what the model returns besides keypoints and scores, see `GraphModel.predict`.
    """

    def __init__(self, model: Any, batch_size: Any, lock: AbstractContextManager, extras: Sequence[str] = ()):
        self.extras, self.model, self.lock, self.is_cpu = extras, model, lock, str(model.device) == 'cpu'
        self._is_warm = self.is_cpu or not getattr(model, 'compiled', False)
        default = 16 if self.is_cpu else MAX_SIZE if batch_size == 'auto' else 64
        size = default if batch_size in (None, 'auto') else batch_size
        self.size: int = size if self._is_warm else min(size, SIZES[-1])

    def __call__(self, crops: Any, count: int) -> tuple:
        """Predict keypoints (count, K, 2) and scores (count, K) of the first `count` crops, and the extras by name."""
        size = self.size  # which another thread may halve meanwhile
        try:
            if not self._is_warm:
                sizes = [size, *(smaller for smaller in SIZES[::-1] if smaller < size)]
                warn(f'compiling the network for batches of {sizes} people, which takes minutes')
                for one in sizes * 2:  # a CUDA graph is recorded in the second run
                    self._run(self.model.crop_rule.empty(one), one)
                self._is_warm = True
            parts = [self._run(crops[i : i + size], min(size, count - i)) for i in range(0, count, size)]
        except Exception as problem:
            # torch has moved its class, and ONNX Runtime has none
            texts = f'{type(problem).__name__} {problem}'
            if size == 1 or not ('OutOfMemoryError' in texts or 'Failed to allocate memory' in texts):
                raise
        else:
            keypoints, scores, extras = zip(*parts, strict=True)
            joined = {name: np.concatenate([part[name] for part in extras]) for name in self.extras}
            return np.concatenate(keypoints), np.concatenate(scores), joined
        self.size = min(self.size, size // 2)
        warn(f'out of memory on {self.model.device}: reducing the batch size to {self.size} people')
        return self(crops, count)

    def _run(self, crops: Any, count: int) -> tuple:
        crops = crops[: count if self.is_cpu else filled_size(count)]
        crops[count:] = 0
        with self.lock:
            keypoints, scores, *extras = self.model.predict(crops, *([self.extras] if self.extras else []))
        shape = len(crops), self.model.num_keypoints
        if keypoints.shape != (*shape, 2) or scores.shape != shape:
            raise InputError(f'keypoints {keypoints.shape}, scores {scores.shape}: expected {(*shape, 2)}, {shape}')
        return keypoints[:count], scores[:count], {name: extras[0][name][:count] for name in self.extras}


def filled_size(count: int) -> int:
    """Return the smallest of SIZES, or multiple of 64, that is not below `count`."""
    return next((size for size in SIZES if size >= count), -(-count // 64) * 64)
