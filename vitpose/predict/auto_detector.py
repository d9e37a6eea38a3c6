"""Find people with the best detector that is at hand."""

import os
import sys
from collections.abc import Sequence
from functools import cache, cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError, one_line
from ..models.download import DownloadError, cache_folder, is_reachable
from ..models.names import DETECTORS, detector_file
from .onnx_detector import open_detector
from .two_pass import TwoPassDetector

if TYPE_CHECKING:
    from .models.exported import ExportedModel
    from .models.graph_model import GraphModel

RTMDET = 'rtmdet_m_8xb32-100e_coco-obj365-person-*.pth'  # MMPose's detector 'human', in torch's cache
DOWNLOADED = 'nanodet'  # the smaller one of `DETECTORS`
TIMEOUT_S = 10


class AutoDetector:
    """The boxes of people: from the first detector of these that can be used, which is looked for with the first image.

    1. MMPose's RTMDet, where the pose model runs in torch, MMDetection is installed and the file was downloaded before;
    2. YOLOX or NanoDet of `DETECTORS`, where ONNX Runtime is installed, from the cache;
    3. NanoDet, downloaded if there is a network, which is tried once per process;
    4. the two passes of a `TwoPassDetector`, which finds one person; a line on stderr says so.

    Args:
        model: of people.
        options: those of `open_detector`; with `categories`, the fourth way is refused.
    """

    def __init__(self, model: 'GraphModel | ExportedModel', **options: Any):
        self.model, self._options = model, options

    @cached_property
    def chosen(self) -> Any:
        """The detector; ValueError if none can be used."""
        try:
            return open_detector(self._find_name(), device=str(self.model.device), **self._options)
        except DownloadError as raised:
            problem = one_line(raised)
        if self._options.get('categories'):
            raise InputError(f'categories={self._options["categories"]}: no detector; {problem}')
        print(f'people: {problem}: the model looks for one person per image', file=sys.stderr)
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
        """Images (H, W, 3) uint8 BGR -> for each boxes (N, 4) x1 y1 x2 y2 in image pixels, scores (N,); best first."""
        return self.chosen(images)

    def _find_name(self) -> str:
        """The name of the detector to open; DownloadError with the reason if there is none."""
        torch_home = Path(os.environ.get('TORCH_HOME') or Path(os.environ.get('XDG_CACHE_HOME') or '~/.cache', 'torch'))
        is_torch = not hasattr(self.model, 'info') and 'torch' in sys.modules and find_spec('mmdet')
        if is_torch and any(torch_home.expanduser().glob(f'hub/checkpoints/{RTMDET}')):
            return 'human'
        if find_spec('onnxruntime') is None:
            raise DownloadError("no detector without ONNX Runtime (pip install 'vitpose_mm[onnx]') or MMDetection")
        folder = cache_folder()
        for name, (url, _) in DETECTORS.items():
            if (folder / url.rpartition('/')[2]).is_file():
                return name
        if problem := _download():
            raise DownloadError(f'no detector in {folder}, and {problem}')
        return DOWNLOADED


@cache
def _download() -> str:
    """Download a detector; '' on success, or why it cannot be used, which is remembered for the process."""
    if os.environ.get('VITPOSE_OFFLINE'):
        return 'VITPOSE_OFFLINE is set'
    if not is_reachable(DETECTORS[DOWNLOADED][0]):
        return 'no network to download one'
    try:
        detector_file(DOWNLOADED, TIMEOUT_S)
    except DownloadError as problem:
        return one_line(problem)
    return ''
