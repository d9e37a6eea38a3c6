"""PosePredictor as a contestant: in torch, and with exported files."""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import numpy as np

from vitpose_mm.export.int8 import MIN_CALIBRATION_CROPS
from vitpose_mm.torch_support import EMULATION_WARNING, has_bfloat16

from ..export.rendered_crops import crop_people
from ..export.writing import SUFFIXES, Target, write_file
from ..predict.batching import Batch, fill_batches, start_work
from ..predict.models.torch_model import PoseModel
from ..predict.poses import Frame
from ..predict.predictor import MAX_THREADS, PosePredictor
from .bench_setup import Setup
from .contestant import Boxes, Contestant, Images, LeftOut


class Ours(Contestant):
    """PosePredictor in eager torch, in fp32 or bf16; left out in bf16 on a processor that only emulates it."""

    def __init__(self, setup: Setup, precision: str):
        if precision == 'bf16' and not has_bfloat16(setup.device.type):
            raise LeftOut(EMULATION_WARNING)
        self.predictor = self._load(setup, precision)
        self.model = cast(Any, self.predictor.model)
        self.pool = ThreadPoolExecutor(min(MAX_THREADS, os.cpu_count() or 1))  # as many threads as PosePredictor

    def _load(self, setup: Setup, precision: str) -> PosePredictor:
        options: dict[str, Any] = dict(device=str(setup.device), batch_size=setup.batch_size, precision=precision)
        return PosePredictor.load(setup.config, setup.checkpoint, **options)

    def preprocess(self, images: Images, boxes: Boxes) -> list[Batch]:
        """Check and crop the boxes, in threads, into uint8 arrays."""
        rule, pairs = self.model.crop_rule, enumerate(zip(images, boxes, strict=True))
        frames = (Frame(str(i), image, boxes=image_boxes) for i, (image, image_boxes) in pairs)
        works = (start_work(frame, rule, self.model.num_keypoints) for frame in frames)
        batches = list(fill_batches(works, rule, self.predictor.batch_size, self.pool))
        for batch in batches:
            batch.wait()
        return batches

    def network(self, inputs: list[Batch]) -> list[Any]:
        """Copy the crops to the device, normalize them and run the network."""
        return [self.model.heatmaps(batch.crops[: len(batch.people)]) for batch in inputs]

    def decode(self, inputs: list[Batch], outputs: list[Any]) -> np.ndarray:
        """Decode a batch at a time on the device, then map from pixels of the crop to those of the image."""
        for batch, output in zip(inputs, outputs, strict=True):
            keypoints, scores = self._keypoints(output)
            batch.finish(self.model.crop_rule, keypoints, scores, {})
        return np.concatenate([work.poses.keypoints for batch in inputs for work in batch.works])

    def _keypoints(self, output: Any) -> tuple[np.ndarray, np.ndarray]:
        return self.model.decode(output)

    def predict(self, images: Images, boxes: Boxes) -> np.ndarray:
        """Predict with PosePredictor's own call, in which cropping overlaps with the network."""
        return np.concatenate([poses.keypoints for poses in self.predictor(list(images), list(boxes))])


class Exported(Ours):
    """A file of the model, 'onnx' or 'openvino'; its network stage includes the decoding.

    In int8 it is calibrated with rendered people. It is left out on devices other than the CPU, in bf16 on a processor
    without it, or if the export fails.
    """

    packages = ('onnx', 'onnxruntime', 'onnxruntime-gpu', 'openvino')

    def __init__(self, setup: Setup, kind: str, precision: str):
        if setup.device.type != 'cpu':
            raise LeftOut('only measured on the CPU')
        self.kind = kind
        super().__init__(setup, precision)

    def _load(self, setup: Setup, precision: str) -> PosePredictor:
        model = PoseModel(setup.config, setup.checkpoint, 'cpu')
        crops = crop_people(model.crop_rule, MIN_CALIBRATION_CROPS if precision == 'int8' else 1)
        file = setup.checkpoint.with_name(f'{self.kind}-{precision}{SUFFIXES[self.kind]}')
        target = Target(self.kind, precision)
        try:  # differences are in the table
            write_file(model, setup.checkpoint, target, file, crops, checked=False)
        except ValueError as problem:
            raise LeftOut(f'export failed: {problem}') from problem
        return PosePredictor.load(file, device='cpu', batch_size=setup.batch_size)

    def network(self, inputs: list[Batch]) -> list[Any]:
        """Run normalization, network and decoding, which are one graph."""
        return [self.model.predict(batch.crops[: len(batch.people)]) for batch in inputs]

    def _keypoints(self, output: Any) -> tuple[np.ndarray, np.ndarray]:
        return output
