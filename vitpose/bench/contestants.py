"""What is measured: contestants, each with the same four stages, registered by name.

To add a contestant, write a class with the stages of `Contestant` in a file of its own, and register in `CONTESTANTS` a
function that makes it from a `Setup`. The function imports the contestant's packages, and raises `LeftOut` with the
reason if it cannot run here. Nothing else has to be changed: timing, comparison, table, plot and JSON follow.

>>> def _my_backend(setup):
...     from .my_backend import MyBackend
...
...     return MyBackend(setup)
>>> CONTESTANTS['my-backend'] = _my_backend
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np

from .setup import Setup

Images = Sequence[np.ndarray]  # each (H, W, 3) uint8 BGR
Boxes = Sequence[np.ndarray]  # for each image (N, 4) x1 y1 x2 y2 in image pixels, float32
REFERENCE = 'ours-fp32'  # differences in pixels are from its keypoints


class Contestant(ABC):
    """A way to predict poses, in three stages and end to end; docs/benchmark.md says what each stage contains."""

    @abstractmethod
    def preprocess(self, images: Images, boxes: Boxes) -> Any:
        """Crop the people of all images: whatever `network` takes, in batches."""

    @abstractmethod
    def network(self, inputs: Any) -> Any:
        """Heatmaps of the inputs, or whatever `decode` takes; may still be computing on a GPU."""

    @abstractmethod
    def decode(self, inputs: Any, outputs: Any) -> np.ndarray:
        """Keypoints (N, K, 2) in image pixels of the people of all images, in their order."""

    def predict(self, images: Images, boxes: Boxes) -> np.ndarray:
        """As `decode`, end to end; override it where the contestant has a call of its own for this."""
        inputs = self.preprocess(images, boxes)
        return self.decode(inputs, self.network(inputs))


class LeftOut(Exception):
    """Why a contestant cannot run here or with this model, in one line."""


def _ours(precision: str) -> Callable[[Setup], Contestant]:
    def make(setup: Setup) -> Contestant:
        from .ours import Ours

        return Ours(setup, precision)

    return make


def _exported(kind: str, precision: str) -> Callable[[Setup], Contestant]:
    def make(setup: Setup) -> Contestant:
        runtime = 'onnxruntime' if kind == 'onnx' else 'openvino'
        need("pip install 'vitpose_mm[export]'", 'onnx', 'onnxscript', runtime, *['nncf'] * (precision == 'int8'))
        from .exported import Exported

        return Exported(setup, kind, precision)

    return make


def _mmpose(setup: Setup) -> Contestant:
    from .mmpose_peer import Inferencer

    return Inferencer(setup)


def _transformers(setup: Setup) -> Contestant:
    need('pip install transformers==4.53.3', 'transformers')
    from .transformers_peer import TransformersVitPose

    return TransformersVitPose(setup)


def _rtmlib(setup: Setup) -> Contestant:
    # its dependency opencv-contrib-python would overwrite opencv-python's files
    need('pip install --no-deps rtmlib && pip install onnx onnxscript onnxruntime', 'rtmlib', 'onnx', 'onnxruntime')
    from .rtmlib_peer import RtmlibViTPose

    return RtmlibViTPose(setup)


CONTESTANTS: dict[str, Callable[[Setup], Contestant]] = {
    REFERENCE: _ours('fp32'),
    'ours-bf16': _ours('bf16'),
    'onnx-fp32': _exported('onnx', 'fp32'),
    'openvino-fp32': _exported('openvino', 'fp32'),
    'openvino-bf16': _exported('openvino', 'bf16'),
    'openvino-int8': _exported('openvino', 'int8'),
    'mmpose': _mmpose,
    'transformers': _transformers,
    'rtmlib': _rtmlib,
}


def need(command: str, *packages: str) -> None:
    """Raise `LeftOut` with the command that installs them unless all packages are installed."""
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        raise LeftOut(f'{", ".join(missing)} not installed: {command}')


def need_usual(setup: Setup, name: str) -> None:
    """Raise `LeftOut` unless the model crops, normalises and decodes in the one way that some peers have."""
    rule, model = setup.crop_rule, setup.config.model
    codec, steps = model.head.decoder['type'], model.data_preprocessor
    if not rule.use_udp or rule.padding != 1.25 or 'UDPHeatmap' not in str(codec):
        raise LeftOut(
            f'{name} always crops and decodes with UDP and padding 1.25; this model has use_udp={rule.use_udp}, '
            f'padding={rule.padding} and {codec}'
        )
    if not steps.get('mean') or not steps.get('bgr_to_rgb'):
        raise LeftOut(f"{name} takes normalised RGB images; this model's data_preprocessor is {dict(steps)}")
    if 'output_keypoint_indices' in model.test_cfg:
        raise LeftOut(f"{name} cannot leave out keypoints; this model's test_cfg has output_keypoint_indices")


def make_contestants(setup: Setup, names: Sequence[str] = ()) -> tuple[dict[str, Contestant], dict[str, str]]:
    """Make contestants, the reference first; those that cannot run are left out.

    Args:
        setup: model, weights and settings.
        names: keys of `CONTESTANTS`; empty for all.

    Returns:
        The contestants by name, and why the others are left out, by name.

    Raises:
        ValueError: a name is unknown.
    """
    check_names(names)
    made, left_out = {}, {}
    for name, make in CONTESTANTS.items():
        if names and name not in (REFERENCE, *names):
            continue
        try:
            made[name] = make(setup)
        except LeftOut as reason:
            left_out[name] = ' '.join(str(reason).split())
    return made, left_out


def check_names(names: Sequence[str]) -> None:
    """Raise a ValueError for a name that is not one of `CONTESTANTS`."""
    unknown = [name for name in names if name not in CONTESTANTS]
    if unknown:
        raise ValueError(f'--only {" ".join(unknown)}: expected some of {", ".join(CONTESTANTS)}')
