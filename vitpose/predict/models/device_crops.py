"""Crops of people on the device of the network: each frame is uploaded once."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vitpose_mm.layers.warp import warp_affine

from .crops import CropRule


@dataclass(frozen=True)
class DeviceCropRule(CropRule):
    """A crop rule that is applied on a device; gray levels differ by at most 1 from those of OpenCV."""

    device: torch.device = torch.device('cpu')
    stream: Any = field(default=None, init=False, repr=False, compare=False)  # for uploads and crops; None on a CPU

    def __post_init__(self) -> None:
        """Make the CUDA stream, before several threads crop."""
        if self.device.type == 'cuda':
            object.__setattr__(self, 'stream', torch.cuda.Stream(self.device))

    def empty(self, count: int) -> Any:
        """Allocate a batch to crop into: (count, h, w, 3) uint8 on the device."""
        with torch.cuda.stream(self.stream):
            return torch.empty((count, *self.input_size[::-1], 3), dtype=torch.uint8, device=self.device)

    def source(self, image: np.ndarray) -> Callable[[], Tensor]:
        """Return what `crop` takes of an image (H, W, 3) uint8: a function that uploads it in its first call."""
        return cache(lambda: self._upload(np.ascontiguousarray(image)))

    def crop(self, image: Any, centers: np.ndarray, scales: np.ndarray, out: Any) -> Callable[[], None] | None:
        """Crop regions of a `source` into `out` (N, h, w, 3); return what makes the current stream wait for them."""
        with torch.cuda.stream(self.stream), torch.inference_mode():
            matrices = self._upload(np.stack(self.matrices(centers, scales)).astype(np.float64))
            out.copy_(warp_affine(image().permute(2, 0, 1), matrices, self.input_size).permute(0, 2, 3, 1))
            if self.stream is None:
                return None
            event = self.stream.record_event()
        return lambda: torch.cuda.current_stream(self.device).wait_event(event)

    def _upload(self, array: np.ndarray) -> Tensor:
        tensor = torch.from_numpy(array)
        return (tensor.pin_memory() if self.stream else tensor).to(self.device, non_blocking=True)
