"""Run a network in ONNX Runtime."""

import os
import re
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import InputError, one_line
from ..extras import need

CUDA = 'CUDAExecutionProvider'


class OnnxNetwork:
    """An ONNX file on a device of `choose_providers`; `stored` has the strings of its metadata_props by key.

    `input_shape` has None for a side with a name. ValueError if ONNX Runtime is not installed, has no
    such device, or cannot read the file.
    """

    def __init__(self, file: Path, device: str = 'auto'):
        runtime = need('onnxruntime', str(file))
        providers = choose_providers(runtime, device)
        options = runtime.SessionOptions()
        options.log_severity_level = 3  # errors; the rest is raised
        if threads := read_thread_count():
            options.intra_op_num_threads = threads  # as torch and OpenCV do; it does not read the variable itself
        try:
            self._session = runtime.InferenceSession(str(file), options, providers=providers)
        except Exception as problem:  # its exceptions derive from Exception alone
            reason = one_line(problem)[:300]
            raise InputError(f'{file}: ONNX Runtime cannot read it, damaged or not an ONNX file: {reason}') from problem
        self.device = actual_device(self._session, device)
        self.stored = dict(self._session.get_modelmeta().custom_metadata_map)
        inputs = self._session.get_inputs()
        shape = inputs[0].shape if inputs else ()
        self.input_shape = tuple(side if isinstance(side, int) else None for side in shape)

    def __call__(self, inputs: np.ndarray) -> list[np.ndarray]:
        """A batch -> the outputs, in their order in the file."""
        return self._session.run(None, {self._session.get_inputs()[0].name: inputs})


def choose_providers(runtime: Any, device: str) -> list[Any]:
    """ONNX Runtime's providers for 'auto' (a GPU if it has CUDA, or else the CPU), 'cpu', 'cuda' or 'cuda:1'."""
    runtime.disable_telemetry_events()  # that of Windows' builds
    number = re.fullmatch(r'cuda(?::(\d+))?', device, re.ASCII)
    has_cuda = CUDA in runtime.get_available_providers()
    if device not in ('auto', 'cpu') and not (number and has_cuda):
        reason = 'this ONNX Runtime has no CUDA' if number else 'unknown device'
        raise InputError(f"device={device!r}: {reason}; expected 'auto', 'cpu' or 'cuda' (or 'cuda:1', ...)")
    options = {'device_id': number[1]} if number and number[1] else {}
    return [(CUDA, options)] * (has_cuda and device != 'cpu') + ['CPUExecutionProvider']


def actual_device(session: Any, device: str) -> str:
    """The device of a session: 'cpu' where 'auto' fell back to it; ValueError if a requested GPU could not be used."""
    if CUDA in session.get_providers():
        return 'cuda' if device == 'auto' else device
    if device not in ('auto', 'cpu'):
        reason = 'ONNX Runtime fell back to the CPU (see its message above)'
        raise InputError(f"device={device!r}: {reason}; pass 'cpu', or fix its CUDA and cuDNN libraries")
    return 'cpu'


def read_thread_count() -> int | None:
    """The first number of OMP_NUM_THREADS, which may list one per nesting level; None if it is unset, empty or 0."""
    text = os.environ.get('OMP_NUM_THREADS', '')
    first = text.split(',')[0].strip()
    if first and not (first.isascii() and first.isdecimal()):
        raise InputError(f'OMP_NUM_THREADS={text!r}: expected an integer >= 1, or a list such as 2,1')
    return int(first or 0) or None
