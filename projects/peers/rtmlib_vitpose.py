"""ViTPose of rtmlib, which runs ONNX Runtime, as a contestant."""

import logging
import warnings
from contextlib import redirect_stderr, redirect_stdout
from os import devnull
from typing import Any

import cv2
import numpy as np
import onnxruntime
import rtmlib
import torch
from torch import Tensor, nn

from vitpose.bench.bench_setup import Setup
from vitpose.bench.contestant import Boxes, Contestant, Images, LeftOut


class RtmlibViTPose(Contestant):
    """rtmlib's ViTPose on the model exported to ONNX; it predicts one person at a time, in fp32.

    Raises:
        LeftOut: the model cannot be exported, or has to run on a GPU that ONNX Runtime does not support.
    """

    packages = ('rtmlib', 'onnx', 'onnxruntime', 'onnxruntime-gpu')

    def __init__(self, setup: Setup):
        if setup.device.type == 'cuda' and 'CUDAExecutionProvider' not in onnxruntime.get_available_providers():
            raise LeftOut('ONNX Runtime has no CUDA here: pip install onnxruntime-gpu')
        width, height = setup.crop_rule.input_size
        mean, std = setup.preprocessor()
        file = setup.checkpoint.with_name('rtmlib.onnx')
        with warnings.catch_warnings(), open(devnull, 'w') as nowhere:
            warnings.simplefilter('ignore')
            logging.getLogger('torch.onnx').setLevel(logging.ERROR)
            with redirect_stdout(nowhere), redirect_stderr(nowhere):  # export and rtmlib print what they do
                try:
                    torch.onnx.export(_Heatmaps(setup.model()), (torch.zeros(1, 3, height, width),), str(file))
                except Exception as problem:  # torch's exporters raise many kinds
                    raise LeftOut(f'export to ONNX failed: {type(problem).__name__}: {str(problem)[:200]}') from problem
                self.tool = rtmlib.ViTPose(
                    str(file), (width, height), tuple(mean), tuple(std), device=setup.device.type
                )

    def preprocess(self, images: Images, boxes: Boxes) -> list[tuple]:
        """Crop per person by rtmlib, with normalization; it does not change BGR to RGB."""
        return [
            self.tool.preprocess(rgb, box)
            for rgb, image_boxes in zip(map(_rgb, images), boxes, strict=True)
            for box in image_boxes
        ]

    def network(self, inputs: list[tuple]) -> list[Any]:
        """ONNX Runtime per person."""
        return [self.tool.inference(crop) for crop, _, _ in inputs]

    def decode(self, inputs: list[tuple], outputs: list[Any]) -> np.ndarray:
        """Decoding per person by rtmlib."""
        pairs = zip(inputs, outputs, strict=True)
        return np.concatenate([self.tool.postprocess(maps, center, scale)[0] for (_, center, scale), maps in pairs])

    def predict(self, images: Images, boxes: Boxes) -> np.ndarray:
        """The call of rtmlib per image."""
        pairs = zip(images, boxes, strict=True)
        return np.concatenate([self.tool(_rgb(image), image_boxes)[0] for image, image_boxes in pairs])


class _Heatmaps(nn.Module):
    """A pose estimator as a network from images to heatmaps."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        return self.model(images, None, mode='tensor')


def _rgb(image: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
