"""Run a network in ONNX Runtime."""

import os
import re
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import InputError, one_line
from ..optional_imports import import_optional

CPU = 'CPUExecutionProvider'
PROVIDERS = {'cuda': 'CUDAExecutionProvider', 'coreml': 'CoreMLExecutionProvider', 'directml': 'DmlExecutionProvider'}
REMEDIES = {
    'cuda': 'install onnxruntime-gpu instead of onnxruntime',
    'coreml': 'CoreML needs macOS',
    'directml': 'on Windows, install onnxruntime-directml instead of onnxruntime',
}


class OnnxNetwork:
    """An ONNX file on a device of `choose_providers`; `stored` has the strings of its metadata_props by key.

    `input_shape` has None for a side with a name. ValueError if ONNX Runtime is not installed, has no such device, or
    cannot read the file.
    """

    def __init__(self, file: Path, device: str = 'auto'):
        runtime = import_optional('onnxruntime', str(file))
        providers = choose_providers(runtime, device)
        options = runtime.SessionOptions()
        options.log_severity_level = 3  # errors; the rest is raised
        # threads that wait for work must not keep the cores from another session, such as a detector's
        options.add_session_config_entry('session.intra_op.allow_spinning', '0')
        if threads := read_thread_count():
            options.intra_op_num_threads = threads  # as torch and OpenCV do; it does not read the variable itself
        try:
            self._session = runtime.InferenceSession(str(file), options, providers=providers)
        except Exception as problem:  # its exceptions derive directly from Exception
            reason = one_line(problem)[:300]
            raise InputError(f'{file}: ONNX Runtime cannot read it, damaged or not an ONNX file: {reason}') from problem
        used = self._session.get_providers()
        self.device = device
        if device == 'auto':
            self.device = 'cuda' if PROVIDERS['cuda'] in used else 'cpu'
        elif providers[0] != CPU and providers[0][0] not in used:
            reason = 'ONNX Runtime fell back to the CPU (see its message above)'
            raise InputError(f"device={device!r}: {reason}; pass 'cpu', or fix its libraries, for cuda CUDA and cuDNN")
        self.stored = dict(self._session.get_modelmeta().custom_metadata_map)
        inputs = self._session.get_inputs()
        shape = inputs[0].shape if inputs else ()
        self.input_shape = tuple(side if isinstance(side, int) else None for side in shape)

    def __call__(self, inputs: np.ndarray) -> list[np.ndarray]:
        """Run a batch and return the outputs, in their order in the file."""
        return self._session.run(None, {self._session.get_inputs()[0].name: inputs})


def choose_providers(runtime: Any, device: str) -> list[Any]:
    """Choose ONNX Runtime's providers for 'auto' (CUDA if it has it, or else the CPU), 'cpu', or a key of `PROVIDERS`.

    'cuda' and 'directml' may have a number, as in 'cuda:1'. ValueError if ONNX Runtime lacks the device.
    """
    runtime.disable_telemetry_events()  # that of Windows' builds
    available = runtime.get_available_providers()
    named = 'cuda' if device == 'auto' and PROVIDERS['cuda'] in available else device
    if not (match := re.fullmatch(r'(auto|cpu|cuda|coreml|directml)|(cuda|directml):(\d+)', named, re.ASCII)):
        expected = "'auto', 'cpu', 'cuda' (or 'cuda:1', ...), 'coreml' or 'directml'"
        raise InputError(f'device={device!r}: unknown device; expected {expected}')
    name, number = match[1] or match[2], match[3]
    if name in ('auto', 'cpu'):
        return [CPU]
    if PROVIDERS[name] not in available:
        has = ', '.join(available)
        raise InputError(f"device={device!r}: this ONNX Runtime has {has}; {REMEDIES[name]}, or pass 'cpu'")
    return [(PROVIDERS[name], {'device_id': number} if number else {}), CPU]


def read_thread_count() -> int | None:
    """Read the first number of OMP_NUM_THREADS, which may list one per nesting level; None if unset, empty or 0."""
    text = os.environ.get('OMP_NUM_THREADS', '')
    first = text.split(',')[0].strip()
    if first and not (first.isascii() and first.isdecimal()):
        raise InputError(f'OMP_NUM_THREADS={text!r}: expected an integer >= 1, or a list such as 2,1')
    return int(first or 0) or None
