"""What a contestant is: four stages, each of which is timed."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

Images = Sequence[np.ndarray]  # each (H, W, 3) uint8 BGR
Boxes = Sequence[np.ndarray]  # for each image (N, 4) x1 y1 x2 y2 in image pixels, float32
REFERENCE = 'ours-fp32'  # differences in pixels are from its keypoints


class Contestant(ABC):
    """A way to predict poses, in three stages and end to end; docs/benchmark.md says what the stages contain."""

    packages: tuple[str, ...] = ()  # distributions that it runs on, whose versions are recorded

    @abstractmethod
    def preprocess(self, images: Images, boxes: Boxes) -> Any:
        """Crop the people of all images into whatever `network` takes, in batches."""

    @abstractmethod
    def network(self, inputs: Any) -> Any:
        """Compute the heatmaps of the inputs, or whatever `decode` takes; a GPU may still be computing them."""

    @abstractmethod
    def decode(self, inputs: Any, outputs: Any) -> np.ndarray:
        """Decode the keypoints (N, K, 2) in image pixels of the people of all images, in their order."""

    def predict(self, images: Images, boxes: Boxes) -> np.ndarray:
        """Predict end to end, with the result of `decode`. Override it if the contestant has a call for this."""
        inputs = self.preprocess(images, boxes)
        return self.decode(inputs, self.network(inputs))


class LeftOut(Exception):
    """Why a contestant cannot run here or with this model, in one line."""
