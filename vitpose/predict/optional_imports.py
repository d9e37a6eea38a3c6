"""Optional packages, imported where they are needed."""

import importlib
from types import ModuleType

from vitpose_base.installed import missing_packages

from ..errors import InputError

EXTRAS = dict(av='predict', trackers='track', supervision='track', pycocotools='eval', sleap_io='sleap')
EXTRAS |= dict(onnxruntime='onnx', openvino='openvino', gradio='app', torch='torch')


def import_optional(name: str, purpose: str) -> ModuleType:
    """Import an optional package, a key of `EXTRAS`. ValueError with the purpose and a command if it is missing."""
    try:
        return importlib.import_module(name)
    except ImportError as problem:
        remedy = f"pip install 'vitpose_mm[{EXTRAS[name]}]'"
        raise InputError(f'{purpose} needs the package {name} ({problem}): {remedy}') from problem


def check_openmmlab(config: object) -> None:
    """Raise a ValueError that says how to do without, or how to install OpenMMLab, if a config needs it here."""
    if missing := missing_packages():
        remedy = 'install them as requirements/tested.txt says, or pass the checkpoint alone, without a config'
        raise InputError(f'{config}: a config needs {", ".join(missing)}, not installed here: {remedy}')
