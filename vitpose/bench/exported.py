"""PosePredictor with exported files as contestants."""

from typing import Any

import numpy as np

from vitpose_mm.export.int8 import MIN_CALIBRATION_CROPS
from vitpose_mm.optim.autocast import EMULATION_WARNING, has_bfloat16

from ..export.people import crop_people
from ..export.writing import SUFFIXES, Target, write_file
from ..predict.batching import Batch
from ..predict.models.torch_model import PoseModel
from ..predict.predictor import PosePredictor
from .contestant import LeftOut
from .ours import Ours
from .setup import Setup


class Exported(Ours):
    """A file of the model, 'onnx' or 'openvino'; its network stage includes the decoding.

    It is calibrated with rendered people in int8, and left out on another device than the CPU, in bf16 on a processor
    without it, or if the export fails.
    """

    packages = ('onnx', 'onnxruntime', 'onnxruntime-gpu', 'openvino')

    def __init__(self, setup: Setup, kind: str, precision: str):
        if setup.device.type != 'cpu':
            raise LeftOut('measured on the CPU alone')
        if precision == 'bf16' and not has_bfloat16('cpu'):
            raise LeftOut(EMULATION_WARNING)
        model = PoseModel(setup.config, setup.checkpoint, 'cpu')
        crops = crop_people(model.crop_rule, MIN_CALIBRATION_CROPS if precision == 'int8' else 1)
        file = setup.checkpoint.with_name(f'{kind}-{precision}{SUFFIXES[kind]}')
        try:  # differences are in the table
            write_file(model, setup.checkpoint, Target(kind, precision), file, crops, accept=lambda differences: None)
        except ValueError as problem:
            raise LeftOut(f'export failed: {problem}') from problem
        self._start(PosePredictor.load(file, device='cpu', batch_size=setup.batch_size))

    def network(self, inputs: list[Batch]) -> list[Any]:
        """Normalisation, network and decoding, which are one graph."""
        return [self.model.predict(batch.crops[: len(batch.people)]) for batch in inputs]

    def _keypoints(self, output: Any) -> tuple[np.ndarray, np.ndarray]:
        return output
