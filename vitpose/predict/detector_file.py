"""Find people with an ONNX file of YOLOX, through rtmlib: without torch and MMDetection."""

import contextlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError, MissingFileError, one_line

if TYPE_CHECKING:
    from .detector import Detector

INSTALL = "pip install --no-deps rtmlib && pip install tqdm 'vitpose_mm[onnx]'"  # it requires a second OpenCV
PERSON = 0  # among COCO's classes


class FileDetector:
    """Boxes of people in images, by rtmlib's `YOLOX`.

    Args:
        file: FILE.onnx of YOLOX, with or without non-maximum suppression inside, such as those that rtmlib lists.
        device: 'auto' (a GPU if ONNX Runtime has one, or else the CPU), 'cpu' or 'cuda'.
        score_threshold: keep boxes with a higher score; a file with suppression inside keeps those above 0.3.

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
        gpu = device != 'cpu' and 'CUDAExecutionProvider' in onnxruntime.get_available_providers()
        try:
            with contextlib.redirect_stdout(io.StringIO()):  # it prints the name of the file
                self._tool = YOLOX(str(file), score_thr=score_threshold, device='cuda' if gpu else 'cpu')
        except Exception as problem:  # ONNX Runtime's exceptions derive from Exception alone
            raise InputError(f'detector {file}: ONNX Runtime cannot read it: {one_line(problem)[:300]}') from problem
        inputs, outputs = self._tool.session.get_inputs()[0].shape, self._tool.session.get_outputs()[0].shape
        columns = outputs[-1] if len(outputs) == 3 else 0  # a name where it is dynamic
        if len(inputs) != 4 or inputs[1] != 3 or (isinstance(columns, int) and columns < 5):
            expected = 'expected those of YOLOX: (1, 3, h, w), and (1, N, 5) or (1, N, 5 + classes)'
            raise InputError(f'detector {file}: input {inputs} and output {outputs}; {expected}')
        fixed = all(isinstance(side, int) for side in inputs[2:])
        self._tool.model_input_size = tuple(inputs[2:]) if fixed else (640, 640)
        # with suppression inside there are no classes; else boxes of all classes are returned
        self._tool.det_mode = 'human' if columns == 5 else 'multiclass'

    def __call__(self, images: Sequence[np.ndarray]) -> list[tuple[np.ndarray, None]]:
        """Images, each (H, W, 3) uint8 BGR -> for each boxes (N, 4) x1 y1 x2 y2 in image pixels; without scores."""
        results = map(self._tool, images)
        boxes = results if self._tool.det_mode == 'human' else (boxes[kinds == PERSON] for boxes, kinds in results)
        return [(np.asarray(found, np.float32).reshape(-1, 4), None) for found in boxes]


def open_detector(model: str | Path, checkpoint: str | Path | None = None, *, device: str = 'auto') -> 'Detector':
    """A `FileDetector` of FILE.onnx, which has no checkpoint, or else a `Detector`."""
    if Path(model).suffix != '.onnx':
        from .detector import Detector

        return Detector(model, checkpoint, device)
    if checkpoint is not None:
        raise InputError(f'detector {model} {checkpoint}: an ONNX file has its weights in it')
    return FileDetector(model, device)  # type: ignore[return-value]  # it is called in the same way
