"""PosePredictor as a contestant."""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import numpy as np

from vitpose_mm.optim.autocast import EMULATION_WARNING, has_bfloat16

from ..predict.batching import Batch, fill_batches, start_work
from ..predict.poses import Frame
from ..predict.predictor import MAX_THREADS, PosePredictor, load_model
from .contestant import Boxes, Contestant, Images, LeftOut
from .setup import Setup


class Ours(Contestant):
    """PosePredictor in eager torch, in fp32 or bf16; left out in bf16 on a processor that only emulates it."""

    def __init__(self, setup: Setup, precision: str):
        if precision == 'bf16' and not has_bfloat16(setup.device.type):
            raise LeftOut(EMULATION_WARNING)
        model = load_model(setup.config, setup.checkpoint, device=str(setup.device), precision=precision)
        self._start(PosePredictor(model, batch_size=setup.batch_size))

    def _start(self, predictor: PosePredictor) -> None:
        self.predictor, self.model = predictor, cast(Any, predictor.model)
        self.pool = ThreadPoolExecutor(min(MAX_THREADS, os.cpu_count() or 1))  # as many threads as PosePredictor

    def preprocess(self, images: Images, boxes: Boxes) -> list[Batch]:
        """Boxes are checked and cropped, in threads, into uint8 arrays."""
        model = self.model
        works = (
            start_work(Frame(str(i), image), image_boxes, None, model.crop_rule, model.num_keypoints)
            for i, (image, image_boxes) in enumerate(zip(images, boxes, strict=True))
        )
        batches = list(fill_batches(works, model.crop_rule, self.predictor.batch_size, self.pool))
        for task in (task for batch in batches for task in batch.cropping):
            task.result()
        return batches

    def network(self, inputs: list[Batch]) -> list[Any]:
        """Crops are copied to the device, normalized and run."""
        return [self.model.heatmaps(batch.crops[: len(batch.people)]) for batch in inputs]

    def decode(self, inputs: list[Batch], outputs: list[Any]) -> np.ndarray:
        """A batch at a time on the device, then from pixels of the crop to those of the image."""
        for batch, output in zip(inputs, outputs, strict=True):
            batch.finish(self.model.crop_rule, *self._keypoints(output))
        return np.concatenate([work.poses.keypoints for batch in inputs for work in batch.works])

    def _keypoints(self, output: Any) -> tuple[np.ndarray, np.ndarray]:
        return self.model.decode(output)

    def predict(self, images: Images, boxes: Boxes) -> np.ndarray:
        """PosePredictor's own call; cropping overlaps with the network."""
        return np.concatenate([poses.keypoints for poses in self.predictor(list(images), list(boxes))])
