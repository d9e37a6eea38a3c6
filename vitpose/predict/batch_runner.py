"""A model on batches of few sizes, and on smaller ones where the device's memory is too small."""

import sys
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from ..errors import InputError

SIZES = (1, 8, 32, 64)  # of batches on a GPU, and 64 doubled: each has a CUDA graph if the network is compiled
MAX_BATCH = 1024  # the largest that 'auto' tries


class BatchRunner:
    """Run a model on crops; on a GPU batches are filled to few sizes, and halved if memory is too small for them.

    A compiled model runs each size once before the first batch.

    Args:
        model: of a `PosePredictor`.
        batch_size: people per batch; None: 16 on the CPU, 64 on a GPU; 'auto': as None on the CPU, the largest size
            that fits in the memory of a GPU, up to MAX_BATCH.
        lock: held while the model runs.
    """

    def __init__(self, model: Any, batch_size: int | str | None, lock: AbstractContextManager):
        self.model, self.lock, self.is_cpu = model, lock, str(model.device) == 'cpu'
        self._to_warm = getattr(model, 'compiled', False) and not self.is_cpu
        default = 16 if self.is_cpu else 64
        self.size = default if batch_size in (None, 'auto') else int(batch_size or 0)
        if batch_size == 'auto' and not self.is_cpu:
            self.size = self._largest()
            print(f'--batch-size auto: {self.size} people', file=sys.stderr)

    def __call__(self, crops: Any, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Keypoints (count, K, 2) and scores (count, K) of the first `count` crops."""
        while True:
            try:
                if self._to_warm:
                    self._warm()
                starts = range(0, count, self.size)
                parts = [self._run(crops[i : i + self.size], min(self.size, count - i)) for i in starts]
                keypoints, scores = map(np.concatenate, zip(*parts, strict=True))
                return keypoints, scores
            except Exception as problem:
                if not is_out_of_memory(problem) or self.size == 1:
                    raise
            self.size //= 2
            print(f'out of memory on {self.model.device}: batches of {self.size} people from here', file=sys.stderr)

    def _run(self, crops: Any, count: int) -> tuple[np.ndarray, np.ndarray]:
        filled = count if self.is_cpu else min(filled_size(count), self.size)
        crops = crops[:filled]
        crops[count:] = 0
        with self.lock:
            keypoints, scores = self.model.predict(crops)
        shape = len(crops), self.model.num_keypoints
        if keypoints.shape != (*shape, 2) or scores.shape != shape:
            raise InputError(f'keypoints {keypoints.shape}, scores {scores.shape}: expected {(*shape, 2)}, {shape}')
        return keypoints[:count], scores[:count]

    def _warm(self) -> None:
        sizes = sorted({min(filled_size(count), self.size) for count in range(1, self.size + 1)}, reverse=True)
        numbers = ', '.join(map(str, sizes))
        print(f'compiling the network for batches of {numbers} people, which takes minutes', file=sys.stderr)
        for size in sizes * 2:  # a CUDA graph is recorded in the second run
            self._run(self.model.crop_rule.empty(size), size)
        self._to_warm = False

    def _largest(self) -> int:
        size = 1
        try:
            while size < MAX_BATCH:
                self.model.predict(self.model.crop_rule.empty(filled_size(size + 1)))
                size = filled_size(size + 1)
        except Exception as problem:
            if not is_out_of_memory(problem):
                raise
        return size


def filled_size(count: int) -> int:
    """The smallest of SIZES, or of 64 doubled, that is not below `count`."""
    return next((size for size in SIZES if size >= count), 1 << (count - 1).bit_length())


def is_out_of_memory(problem: Exception) -> bool:
    """Whether a device had too little memory, in any release of torch, whose class has moved."""
    return type(problem).__name__ == 'OutOfMemoryError'
