"""Find people with the best detector that is at hand."""

import os
import sys
from collections.abc import Sequence
from functools import cache, cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import InputError, one_line, warn
from ...models.download import DownloadError, cache_folder, is_reachable
from ...models.names import DETECTORS, detector_file
from .onnx_detector import open_detector
from .two_pass import TwoPassDetector

if TYPE_CHECKING:
    from ..models.exported import ExportedModel
    from ..models.graph_model import GraphModel

# MMPose's detector 'human', which MMEngine downloads into torch's cache
RTMDET = (
    'https://download.openmmlab.com/mmpose/v1/projects/rtmposev1/rtmdet_m_8xb32-100e_coco-obj365-person-235e8209.pth'
)
DOWNLOADED = 'nanodet'  # the smaller one of `DETECTORS`
TIMEOUT_S = 10
OPTIONS = ('score_threshold', 'nms_threshold', 'categories')  # of `open_detector`


class AutoDetector:
    """The boxes of people, from the first of these detectors that can be used; it is chosen with the first image.

    1. MMPose's RTMDet, where the pose model runs in torch and MMDetection is installed, from the cache or the network;
    2. YOLOX or NanoDet of `DETECTORS`, where ONNX Runtime is installed, from the cache;
    3. NanoDet, downloaded if there is a network, which is tried once per process;
    4. the two passes of a `TwoPassDetector`, which finds one person; a warning says so.

    `model` is one of people. `options` are those of `open_detector`; with `categories`, the fourth way is refused.
    """

    def __init__(self, model: 'GraphModel | ExportedModel', **options: Any):
        self.model, self._options = model, options

    @cached_property
    def chosen(self) -> Any:
        """The detector. ValueError if none can be used, and the classes that are looked for need one."""
        try:
            if self._has_rtmdet():
                try:
                    return open_beside(self.model, 'human', **self._options)
                except (ImportError, AssertionError) as problem:
                    warn(f'people: MMDetection cannot be used: {one_line(problem)}')
            return open_beside(self.model, _find_file(), **self._options)
        except DownloadError as problem:
            reason = one_line(problem)
        if self._options.get('categories'):
            raise InputError(f'categories={self._options["categories"]}: no detector; {reason}')
        warn(f'people: {reason}: the model looks for one person per image')
        return TwoPassDetector(self.model)

    @property
    def batch_size(self) -> int:
        """Images per call, once it is known."""
        return self.chosen.batch_size if 'chosen' in self.__dict__ else 1

    @property
    def score_threshold(self) -> float:
        """The lowest score of a box."""
        return self.chosen.score_threshold

    def __call__(self, images: Sequence[np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return boxes (N, 4) x1 y1 x2 y2 in image pixels, scores (N,), best first, per image (H, W, 3) uint8 BGR."""
        return self.chosen(images)

    def _has_rtmdet(self) -> bool:
        torch_home = Path(os.environ.get('TORCH_HOME') or Path(os.environ.get('XDG_CACHE_HOME') or '~/.cache', 'torch'))
        is_torch = not hasattr(self.model, 'info') and 'torch' in sys.modules and find_spec('mmdet')
        file = torch_home.expanduser() / 'hub/checkpoints' / RTMDET.rpartition('/')[2]
        return bool(is_torch) and (file.is_file() or not _is_offline(RTMDET))


def _find_file() -> Path:
    """Find the checked file of an ONNX detector. DownloadError with the reason if there is none."""
    if find_spec('onnxruntime') is None:
        raise DownloadError("no detector without ONNX Runtime (pip install 'vitpose_mm[onnx]') or MMDetection")
    folder = cache_folder()
    for name, (url, _) in DETECTORS.items():
        if (folder / url.rpartition('/')[2]).is_file():
            return detector_file(name, TIMEOUT_S)
    if isinstance(found := _download(), str):
        raise DownloadError(f'no detector in {folder}, and {found}')
    return found


@cache
def _is_offline(url: str) -> str:
    """Say why nothing is downloaded from an address, or ''; remembered for the process."""
    if os.environ.get('VITPOSE_OFFLINE'):
        return 'VITPOSE_OFFLINE is set'
    return '' if is_reachable(url) else 'no network to download one'


@cache
def _download() -> Path | str:
    """Download a detector; its file, or why it cannot be used, which is remembered for the process."""
    if reason := _is_offline(DETECTORS[DOWNLOADED][0]):
        return reason
    try:
        return detector_file(DOWNLOADED, TIMEOUT_S)
    except DownloadError as problem:
        return one_line(problem)


def choose_detector(model: 'GraphModel | ExportedModel', detector: Any, **options: Any) -> Any:
    """Choose the detector by `PosePredictor`'s arguments. ValueError for options that are unknown, or cannot apply."""
    if unknown := options.keys() - set(OPTIONS):
        raise InputError(f'detector_options: {", ".join(sorted(unknown))}: expected some of {", ".join(OPTIONS)}')
    if detector and not isinstance(detector, str | Path) and not hasattr(detector, 'batch_size'):
        expected = "expected None, 'auto', a name or file, or what open_detector returns"
        raise InputError(f'detector of type {type(detector).__name__}: {expected}')
    kind = model.metainfo.get('objects') if detector == 'auto' else None
    options = {key: value for key, value in options.items() if value is not None}
    if kind == 'person':
        return AutoDetector(model, **options)
    if isinstance(detector, str | Path) and detector != 'auto':
        return open_beside(model, detector, **options)
    if options:
        found = 'the model has none by default' if detector == 'auto' else f'detector={detector!r} has its own'
        raise InputError(f'{", ".join(options)}: only for a detector given by name; {found}')
    if detector == 'auto':
        return TwoPassDetector(model) if kind == 'two_pass' else None
    return detector


def open_beside(model: 'GraphModel | ExportedModel', detector: str | Path, **options: Any) -> Any:
    """Open a detector on the model's device; beside a GPU of torch, ONNX Runtime takes CUDA, or the CPU without it."""
    device, is_onnx = str(model.device), str(detector) in DETECTORS or Path(detector).suffix == '.onnx'
    is_gpu_of_torch = device != 'cpu' and not hasattr(model, 'info')
    return open_detector(detector, device='auto' if is_onnx and is_gpu_of_torch else device, **options)
