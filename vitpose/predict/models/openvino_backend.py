"""Run a network in OpenVINO."""

import functools
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import InputError, MissingFileError, one_line
from ..optional_imports import import_optional
from .onnx_backend import read_thread_count


class OpenVinoNetwork:
    """OpenVINO's IR, on the CPU; a file that decodes is split at its heatmaps: decoding is always computed in fp32.

    `stored` has the strings of the file's rt_info by key, and `computed` is the precision of the network's arithmetic.
    OSError if FILE.bin is not beside FILE.xml; ValueError if OpenVINO is not installed, has no such device, or cannot
    read the file.
    """

    device = 'cpu'

    def __init__(self, file: Path, device: str = 'auto'):
        openvino = import_optional('openvino', str(file))
        if device not in ('auto', 'cpu'):
            raise InputError(f"device={device!r}: OpenVINO's files run on the CPU here; expected 'auto' or 'cpu'")
        if not file.with_suffix('.bin').is_file():
            raise MissingFileError(f'{file}: the weights {file.with_suffix(".bin").name} are not beside it')
        core = _core(openvino)
        try:
            model = core.read_model(str(file))
            self.stored = {key: str(model.get_rt_info([key]).value) for key in model.rt_info}
        except Exception as problem:  # its exceptions are RuntimeErrors of any text
            raise InputError(f"{file}: damaged or not OpenVINO's: {one_line(problem)[-300:]}") from problem
        precision = self.stored.get('vitpose_precision', '').strip('"')
        settings = {'PERFORMANCE_HINT': 'LATENCY', 'INFERENCE_PRECISION_HINT': 'f32'}
        if threads := read_thread_count():
            settings['INFERENCE_NUM_THREADS'] = str(threads)
        # for the network, if the processor can; the decoding, and a network in another precision, is computed in fp32
        hints = [{'INFERENCE_PRECISION_HINT': 'bf16'} if precision == 'bf16' else {}, {}]
        parts = zip(_split(openvino, model), hints, strict=False)
        compiled = [core.compile_model(part, 'CPU', settings | hint) for part, hint in parts]
        self.computed = str(compiled[0].get_property('INFERENCE_PRECISION_HINT').get_type_name())
        self._requests = [part.create_infer_request() for part in compiled]

    def heatmaps(self, inputs: np.ndarray) -> np.ndarray:
        """Compute the heatmaps (B, C, Hm, Wm) of a batch."""
        return _run(self._requests[0], inputs)[0]

    def __call__(self, inputs: np.ndarray) -> list[np.ndarray]:
        """Run a batch and return the outputs, in their order in the file."""
        outputs = [inputs]
        for request in self._requests:
            outputs = _run(request, *outputs)
        return outputs


def _run(request: Any, *inputs: np.ndarray) -> list[np.ndarray]:
    results = request.infer(list(inputs), share_inputs=True)
    return [results[i].copy() for i in range(len(results))]


@functools.cache
def _core(openvino: Any) -> Any:
    """Return the process's only core: a second would set a freed stack for signal handlers (OpenVINO 2026.4)."""
    return openvino.Core()


def _split(openvino: Any, model: Any) -> list[Any]:
    """Split a model at its heatmaps, and features, into two; keep it whole if it returns them."""
    ports = {name: port for node in model.get_ordered_ops() for port in node.outputs() for name in port.get_names()}
    inner = [ports[name] for name in ('heatmaps', 'features') if name in ports]
    if not inner or any('heatmaps' in port.get_names() for port in model.outputs):
        return [model]
    parameters = [openvino.opset13.parameter(port.get_partial_shape(), port.get_element_type()) for port in inner]
    for port, parameter in zip(inner, parameters, strict=True):
        for user in port.get_target_inputs():
            user.replace_source_output(parameter.output(0))
    after = openvino.Model(model.get_results(), parameters)
    return [openvino.Model([openvino.opset13.result(port) for port in inner], model.get_parameters()), after]
