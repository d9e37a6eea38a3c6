"""Optional packages, imported where they are needed."""

import importlib
from types import ModuleType

from ..errors import InputError

EXTRAS = {
    **{'av': 'predict', 'trackers': 'track', 'supervision': 'track', 'pycocotools': 'eval'},
    **{'onnxruntime': 'onnx', 'openvino': 'openvino', 'gradio': 'app'},
}


def need(name: str, purpose: str) -> ModuleType:
    """Import an optional package, a key of `EXTRAS`; ValueError with the purpose and a command if it is missing."""
    try:
        return importlib.import_module(name)
    except ImportError as problem:
        remedy = f"pip install 'vitpose_mm[{EXTRAS[name]}]'"
        raise InputError(f'{purpose} needs the package {name} ({problem}): {remedy}') from problem
