"""Find people with an ONNX file of YOLOX, through rtmlib: without torch and MMDetection."""

import contextlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from ..errors import InputError, MissingFileError, one_line
from .models.onnx_backend import actual_device, choose_providers

if TYPE_CHECKING:
    from .detector import Detector

INSTALL = "pip install --no-deps rtmlib && pip install tqdm 'vitpose_mm[onnx]'"  # it requires a second OpenCV
PERSON = 0  # among COCO's classes
STRIDES = 8, 16, 32  # of YOLOX's grids, in pixels
NMS_THRESHOLD = 0.45


class FileDetector:
    """Boxes of people in images, with rtmlib's `YOLOX`.

    Args:
        file: FILE.onnx of YOLOX, with or without non-maximum suppression inside, such as those that rtmlib lists.
        device: 'auto' (a GPU if ONNX Runtime has one, or else the CPU), 'cpu', 'cuda' or 'cuda:1'.
        score_threshold: keep boxes with a higher score.

    Raises:
        FileNotFoundError: there is no such file; nothing is downloaded.
        ValueError: rtmlib is not installed, or the file is not one of YOLOX.
    """

    batch_size = 1

    def __init__(self, file: str | Path, device: str = 'auto', score_threshold: float = 0.3):
        if not Path(file).is_file():
            raise MissingFileError(f'detector {file}: no such file')
        try:
            import onnxruntime
            from rtmlib import YOLOX
        except ImportError as problem:
            raise InputError(f'detector {file} needs rtmlib ({problem}): {INSTALL}') from problem
        gpu = len(choose_providers(onnxruntime, device)) > 1
        try:
            with contextlib.redirect_stdout(io.StringIO()):  # it prints the name of the file
                self._tool = YOLOX(str(file), device='cuda' if gpu and device == 'auto' else device if gpu else 'cpu')
            inputs = self._tool.session.get_inputs()[0].shape
            fixed = all(isinstance(side, int) for side in inputs[2:])
            self._tool.model_input_size = self._size = tuple(inputs[2:]) if fixed else (640, 640)
            outputs: tuple[int, ...] = ()
            if len(inputs) == 4 and inputs[1] == 3:  # dimensions of outputs may have names: a gray image tells them
                outputs = self._tool.inference(np.full((*self._size, 3), 114, np.uint8))[0].shape
        except Exception as problem:  # ONNX Runtime's exceptions derive from Exception alone
            raise InputError(f'detector {file}: ONNX Runtime cannot read it: {one_line(problem)[:300]}') from problem
        actual_device(self._tool.session, device)
        cells = sum((self._size[0] // stride) * (self._size[1] // stride) for stride in STRIDES)
        if len(outputs) != 3 or outputs[2] < 5 or (outputs[2] > 5 and outputs[1] != cells):
            expected = 'expected those of YOLOX: (1, 3, h, w), and (1, N, 5) or (1, N, 5 + classes)'
            raise InputError(f'detector {file}: input {inputs} and output {outputs or "unknown"}; {expected}')
        self.score_threshold = score_threshold

    def __call__(self, images: Sequence[np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
        """Images (H, W, 3) uint8 BGR -> for each boxes (N, 4) x1 y1 x2 y2 in image pixels, scores (N,)."""
        return [self._detect(image) for image in images]

    def _detect(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        padded, ratio = self._tool.preprocess(image)
        rows, *labels = (output[0] for output in self._tool.inference(padded))
        if rows.shape[1] == 5:  # with suppression inside
            boxes, scores = rows[:, :4], rows[:, 4]
            kept = (scores > self.score_threshold) & (labels[0] == PERSON if labels else True)
        else:
            boxes, scores = self._decode(rows), rows[:, 4] * rows[:, 5 + PERSON]
            sides = np.concatenate((boxes[:, :2], boxes[:, 2:] - boxes[:, :2]), 1)
            kept = np.array(cv2.dnn.NMSBoxes(sides, scores, self.score_threshold, NMS_THRESHOLD), int).ravel()
        return (boxes[kept] / ratio).astype(np.float32), scores[kept].astype(np.float32)

    def _decode(self, rows: np.ndarray) -> np.ndarray:
        """Centers and logarithmic sizes in cells, of all grids -> x1 y1 x2 y2 in pixels of the network's input."""
        grids = [np.indices((self._size[0] // s, self._size[1] // s)).reshape(2, -1).T[:, ::-1] for s in STRIDES]
        strides = np.repeat(STRIDES, [len(grid) for grid in grids])[:, None]
        centers, sizes = rows[:, :2] + np.concatenate(grids), np.exp(rows[:, 2:4])
        return np.concatenate((centers - sizes / 2, centers + sizes / 2), 1) * strides


def open_detector(model: str | Path, checkpoint: str | Path | None = None, *, device: str = 'auto') -> 'Detector':
    """A `FileDetector` of FILE.onnx, which has no checkpoint, or else a `Detector`."""
    if Path(model).suffix != '.onnx':
        from .detector import Detector

        return Detector(model, checkpoint, device)
    if checkpoint is not None:
        raise InputError(f'detector {model} {checkpoint}: an ONNX file has its weights in it')
    return FileDetector(model, device)  # type: ignore[return-value]  # it is called in the same way
