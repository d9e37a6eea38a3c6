"""Find people with an ONNX file of NanoDet or YOLOX: without torch and MMDetection.

Sources: the decoders of NanoDet, NanoDet-Plus and YOLOX, as their authors export them, and MMDeploy's export of YOLOX
with suppression inside. The shapes of its outputs tell the kind of a file.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from ...errors import InputError, MissingFileError, one_line
from ...models.names import DETECTORS, detector_file
from ..models.onnx_backend import OnnxNetwork

if TYPE_CHECKING:
    from .detector import Detector

PERSON = 0  # among COCO's classes
ANIMALS = 'bird cat dog horse sheep cow elephant bear zebra giraffe'.split()
CLASSES = {'person': PERSON} | {name: 14 + i for i, name in enumerate(ANIMALS)}
STRIDES = 8, 16, 32, 64  # of the grids, in input pixels; only NanoDet-Plus has the last one
DEFAULT_SIDE = 640  # input pixels, where the file leaves it open
GRAY = 114  # beside the image, for YOLOX; for NanoDet it is 0
MEAN = np.array([103.53, 116.28, 123.675], np.float32)  # of NanoDet, BGR
STD = np.array([57.375, 57.12, 58.395], np.float32)
EXPECTED = 'expected an input (1, 3, h, w), and the outputs of YOLOX, (1, N, 5 + classes), or (1, N, 5) with labels; '
EXPECTED += 'of NanoDet, scores and distances per grid; or of NanoDet-Plus, (1, N, classes + distances)'


class OnnxDetector:
    """Boxes of people in images.

    Args:
        file: FILE.onnx of YOLOX, with or without non-maximum suppression inside, of NanoDet or of NanoDet-Plus.
        device: as for `choose_providers`.
        score_threshold: keep boxes with a higher score.
        nms_threshold: of boxes with a larger intersection over union, keep the one with the highest score; None: the
            authors' (0.45 of YOLOX, 0.6 of NanoDet). A file with suppression inside has its own.
        categories: numbers of COCO's 80 classes, or names in `CLASSES`; boxes of any of them are kept.

    FileNotFoundError if there is no such file; nothing is downloaded. ValueError if ONNX Runtime is not installed, or
    the file is none of these detectors.
    """

    batch_size = 1

    def __init__(
        self,
        file: str | Path,
        device: str = 'auto',
        score_threshold: float = 0.3,
        nms_threshold: float | None = None,
        categories: Sequence[int | str] = (PERSON,),
    ):
        named = [CLASSES.get(str(each), each) for each in categories]
        if wrong := [each for each in named if not str(each).isdecimal() or int(each) > 79]:
            raise InputError(f'detector {file}: class {wrong[0]!r}: expected 0 to 79, or one of {", ".join(CLASSES)}')
        self.categories = [int(each) for each in named]
        if not Path(file).is_file():
            raise MissingFileError(f'detector {file}: no such file')
        self._network = OnnxNetwork(Path(file), device)
        shape, outputs = self._network.input_shape, []
        self._size = tuple(side or DEFAULT_SIDE for side in [*shape, 0, 0][2:4])
        self.score_threshold = score_threshold
        if len(shape) == 4 and shape[1] == 3:
            try:  # the file may name the outputs' sizes only symbolically
                outputs = self._run(np.zeros((*self._size, 3), np.float32))
            except Exception as problem:  # ONNX Runtime's exceptions derive directly from it
                raise InputError(f'detector {file}: {one_line(problem)[:300]}; {EXPECTED}') from problem
        grids = [np.indices([-(-side // stride) for side in self._size]).reshape(2, -1).T for stride in STRIDES]
        self._kind = _find_kind(outputs, [len(grid) for grid in grids])
        if not self._kind:
            found = ', '.join(str(output.shape) for output in outputs) or 'unknown'
            raise InputError(f'detector {file}: input {shape}, outputs {found}; {EXPECTED}')
        default = 0.6 if self._kind.startswith('nanodet') else 0.45
        self.nms_threshold = default if nms_threshold is None else nms_threshold
        number = 4 if self._kind == 'nanodet-plus' else 3
        self._cells = np.concatenate(grids[:number])[:, ::-1]  # x and y
        self._strides = np.repeat(STRIDES[:number], [len(grid) for grid in grids[:number]])[:, None]
        # YOLOX may have been exported with its boxes in pixels: offsets from a cell never reach 64 cells
        self._is_decoded = self._kind == 'yolox' and outputs[0][:, :2].max() > 64

    def __call__(self, images: Sequence[np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return boxes (N, 4) x1 y1 x2 y2 in image pixels, scores (N,), best first, per image (H, W, 3) uint8 BGR."""
        return [self._detect(image) for image in images]

    def _detect(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        full, is_nanodet = self._size[::-1], self._kind.startswith('nanodet')
        ratio = min(side / original for side, original in zip(full, image.shape[1::-1], strict=True))
        width, height = (max(round(side * ratio), 1) for side in image.shape[1::-1])
        if self._kind == 'nanodet-plus':  # whose configs stretch the image
            width, height = full
        padded = np.full((*self._size, 3), 0 if is_nanodet else GRAY, np.float32)
        padded[:height, :width] = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
        corners, scores = self._decode(self._run((padded - MEAN) / STD if is_nanodet else padded))
        kept = np.flatnonzero(scores > self.score_threshold)
        kept = kept[np.argsort(-scores[kept], kind='stable')]
        if self._kind != 'suppressed':
            sides = np.concatenate((corners[:, :2], corners[:, 2:] - corners[:, :2]), 1)[kept]
            best = cv2.dnn.NMSBoxes(sides.tolist(), scores[kept].tolist(), self.score_threshold, self.nms_threshold)
            kept = kept[np.asarray(best, int).ravel()]
        corners = np.clip(corners[kept], 0, (width, height) * 2) if is_nanodet else corners[kept]
        zoom = np.array([width / image.shape[1], height / image.shape[0]] * 2)
        return (corners / zoom).astype(np.float32), scores[kept].astype(np.float32)

    def _run(self, pixels: np.ndarray) -> list[np.ndarray]:
        """Run the network on an input (h, w, 3), and return the outputs without the batch."""
        return [output[0] for output in self._network(np.ascontiguousarray(pixels.transpose(2, 0, 1)[None]))]

    def _decode(self, outputs: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Decode outputs into corners (N, 4) x1 y1 x2 y2 in input pixels, and scores (N,) of the wanted classes."""
        rows = outputs[0]
        if self._kind == 'suppressed':
            return rows[:, :4], rows[:, 4] * (np.isin(outputs[1], self.categories) if len(outputs) > 1 else 1)
        if self._kind == 'yolox':
            centers, sizes = rows[:, :2], rows[:, 2:4]
            if not self._is_decoded:
                centers, sizes = (centers + self._cells) * self._strides, np.exp(sizes) * self._strides
            return np.concatenate((centers - sizes / 2, centers + sizes / 2), 1), rows[:, 4] * self._best(rows[:, 5:])
        scores, distances = _split_nanodet(outputs)
        logits = distances.reshape(len(distances), 4, -1)
        logits = np.exp(logits - logits.max(-1, keepdims=True))
        steps = (logits * np.arange(logits.shape[-1])).sum(-1) / logits.sum(-1)  # left, top, right, bottom
        centers = (self._cells + (0.5 if self._kind == 'nanodet' else 0)) * self._strides
        steps = steps * self._strides
        return np.concatenate((centers - steps[:, :2], centers + steps[:, 2:]), 1), self._best(scores)

    def _best(self, scores: np.ndarray) -> np.ndarray:
        """Reduce scores (N, classes) to those (N,) of the best class that is looked for."""
        return scores[:, [i for i in self.categories if i < scores.shape[1]]].max(1, initial=0)


def _find_kind(outputs: list[np.ndarray], cells: list[int]) -> str:
    """Find the kind of a detector by its outputs for an image and the cells of each grid; '' if it is none of them."""
    shapes = [output.shape for output in outputs]
    rows, columns = shapes[0] if shapes and len(shapes[0]) == 2 else (0, 0)
    if columns == 5 and shapes[1:] in ([], [(rows,)]):
        return 'suppressed'
    few, all_cells = sum(cells[:3]), sum(cells)
    is_single = len(shapes) == 1 and rows in (few, all_cells)
    if is_single or sorted(shape[0] for shape in shapes if len(shape) == 2) == sorted(cells[:3] * 2):
        scores, distances = _split_nanodet(outputs)
        if scores.size and distances.size and distances.shape[1] % 4 == 0:
            return 'nanodet-plus' if is_single and rows == all_cells else 'nanodet'
    return 'yolox' if is_single and rows == few and columns > 5 else ''


def _split_nanodet(outputs: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Split class scores (N, classes) of all cells from logits (N, 4 * bins) of their distances to the box's sides.

    Scores lie between 0 and 1, which logits of thousands of cells do not.
    """
    if len(outputs) == 1:
        is_score = np.asarray(((outputs[0] >= 0) & (outputs[0] <= 1)).all(0))
        number = len(is_score) if is_score.all() else int(is_score.argmin())
        return outputs[0][:, :number], outputs[0][:, number:]
    scores, distances = list[np.ndarray](), list[np.ndarray]()
    for output in sorted(outputs, key=len, reverse=True):
        (scores if output.min() >= 0 and output.max() <= 1 else distances).append(output)
    if len({part.shape[1] for part in scores}) != 1 or len({part.shape[1] for part in distances}) != 1:
        return np.empty((0, 0)), np.empty((0, 0))
    return np.concatenate(scores), np.concatenate(distances)


def open_detector(
    model: str | Path, checkpoint: str | Path | None = None, *, device: str = 'auto', **options: Any
) -> 'Detector':
    """Open a detector by its name or file: an `OnnxDetector` of `DETECTORS` or FILE.onnx, or else a `Detector`.

    `options` are those of the class that are not None: score_threshold, nms_threshold, categories. ValueError, too, for
    detectors of other projects.
    """
    if is_foreign(model):
        works = f"'auto', {', '.join(DETECTORS)}, FILE.onnx of YOLOX or NanoDet, or MMDetection's such as rtmdet-m"
        raise InputError(f'detector {model}: not read here; expected {works}; or pass its boxes with --boxes')
    options = {name: value for name, value in options.items() if value is not None}
    if str(model) not in DETECTORS and Path(model).suffix != '.onnx':
        from vitpose_mm.noise import quiet

        with quiet():
            from .detector import Detector

        return Detector(model, checkpoint, device, **options)
    if checkpoint is not None:
        raise InputError(f'detector {model} {checkpoint}: an ONNX file has its weights in it')
    file = detector_file(str(model)) if str(model) in DETECTORS else model
    return OnnxDetector(file, device, **options)  # type: ignore[return-value]  # it is called in the same way


def is_foreign(model: str | Path) -> bool:
    """Answer whether a detector is Ultralytics' or transformers'. MMDetection's YOLOv3 has names such as yolov3_d53."""
    is_named = re.match(r'yolo(v?\d+[a-z]?|_nas)\b|detr_res', Path(model).name)
    return Path(model).suffix in ('.pt', '.engine', '.tflite') or bool(is_named)
