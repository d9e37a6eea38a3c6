"""An exported file: crops in, keypoints out, without OpenMMLab."""

from collections.abc import Collection
from pathlib import Path

import numpy as np

from ...errors import InputError, MissingFileError
from .file_info import read_info
from .onnx_backend import OnnxNetwork
from .openvino_backend import OpenVinoNetwork

CHECKPOINTS = ('.pth', '.pt', '.bin', '.safetensors', '.index.json')
KINDS: dict[str, type[OnnxNetwork] | type[OpenVinoNetwork]] = {'.onnx': OnnxNetwork, '.xml': OpenVinoNetwork}


class ExportedModel:
    """A file that `vitpose export` wrote, for one dataset: FILE.onnx, or FILE.xml of OpenVINO with FILE.bin beside it.

    It has the attributes of `PoseModel`, and its metadata as `info`; the backends say which devices there are.
    OSError if it does not exist; ValueError if it is damaged, foreign or newer, or its runtime is not installed.
    """

    def __init__(self, file: str | Path, device: str = 'auto'):
        self.file = Path(file)
        if not self.file.is_file():
            raise MissingFileError(f'{file}: no such file')
        self.network = KINDS[self.file.suffix](self.file, str(device))  # also a torch.device
        self.info = read_info(self.network.stored, str(file))
        self.crop_rule, self.metainfo = self.info.crop_rule, self.info.metainfo | {'model': self.file.name}
        self.num_keypoints, self.extras = len(self.info.keypoint_names), tuple(self.info.extras)
        self.device, self.precision, self.flip_test = self.network.device, self.info.precision, self.info.flip_test

    def check(self, precision: str | None = None, flip_test: bool = False, dataset: str | None = None) -> None:
        """Raise a ValueError unless it returns keypoints, and is what is asked for; None accepts any."""
        if self.info.outputs != 'keypoints':
            raise InputError(f'{self.file} returns heatmaps, and keypoints are needed: export it without --no-decode')
        for key, value in dict(precision=precision, flip_test=flip_test or None, dataset=dataset).items():
            if (key, value) != ('precision', 'auto') and value not in (None, has := getattr(self.info, key)):
                raise InputError(f'{self.file}: {key}={value!r}: this file was exported with {has!r}')

    def predict(self, crops: np.ndarray, extras: Collection[str] = ()) -> tuple:
        """Predict keypoints and scores of crops, and some `extras`, as `GraphModel.predict` returns them."""
        keypoints, scores, *others = self.network(crops)
        named = dict(zip(self.info.extras, others, strict=False))
        return (keypoints, scores, {name: named[name] for name in extras}) if extras else (keypoints, scores)


def is_exported(file: str | Path) -> bool:
    """Answer whether a path looks like that of an exported file, rather than a config or checkpoint."""
    return Path(file).suffix in KINDS


def is_checkpoint(path: str | Path) -> bool:
    """Answer whether a path looks like that of a checkpoint, or of a folder with one, rather than a config."""
    return Path(path).is_dir() or str(path).endswith(CHECKPOINTS)
