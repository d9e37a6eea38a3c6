"""Run a network in ONNX Runtime."""

import os
from pathlib import Path

import numpy as np

from ...errors import InputError, one_line
from ..extras import need


class OnnxNetwork:
    """An ONNX file, on the CPU, or on a GPU that the installed ONNX Runtime supports.

    `device` is 'auto' (a GPU if there is one, or else the CPU), 'cpu' or 'cuda'; the attribute `stored` has the strings
    of the file's metadata_props by key. ValueError if ONNX Runtime is not installed, has no such device, or cannot read
    the file.
    """

    def __init__(self, file: Path, device: str = 'auto'):
        runtime = need('onnxruntime', str(file))
        gpu = 'CUDAExecutionProvider' in runtime.get_available_providers()
        if device not in ('auto', 'cpu', 'cuda') or (device == 'cuda' and not gpu):
            reason = 'this ONNX Runtime has no CUDA' if device == 'cuda' else 'unknown device'
            raise InputError(f"device={device!r}: {reason}; expected 'auto', 'cpu' or 'cuda'")
        self.device = 'cuda' if gpu and device != 'cpu' else 'cpu'
        providers = ['CUDAExecutionProvider'] * (self.device == 'cuda') + ['CPUExecutionProvider']
        options = runtime.SessionOptions()
        options.log_severity_level = 3  # errors; the rest is raised
        if threads := int(os.environ.get('OMP_NUM_THREADS') or 0):
            options.intra_op_num_threads = threads  # as torch and OpenCV do; it does not read the variable itself
        try:
            self._session = runtime.InferenceSession(str(file), options, providers=providers)
        except Exception as problem:  # its exceptions derive from Exception alone
            reason = f'so it is damaged or not an ONNX file: {one_line(problem)[:300]}'
            raise InputError(f'{file}: ONNX Runtime cannot read it, {reason}') from problem
        self.stored = dict(self._session.get_modelmeta().custom_metadata_map)

    def __call__(self, inputs: np.ndarray) -> list[np.ndarray]:
        """A batch -> the outputs, in their order in the file."""
        return self._session.run(None, {self._session.get_inputs()[0].name: inputs})
