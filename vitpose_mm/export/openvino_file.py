"""Write graphs as OpenVINO's IR."""

from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .graph import DecodingGraph, HeatmapGraph
from .onnx_file import FEATURES, HEATMAPS, Example, write_onnx


def write_openvino(
    network: HeatmapGraph,
    decoding: DecodingGraph | None,
    example: Tensor,
    file: Path,
    stored: Mapping[str, str],
    half: bool = False,
    change: Callable[[Any], Any] = lambda model: model,
) -> None:
    """Write FILE.xml and FILE.bin with a dynamic batch size. ValueError if OpenVINO is not installed.

    The values between network and decoding are named 'heatmaps' and 'features', so that it can be split there: the
    decoding is always computed in fp32.

    Args:
        network: on the CPU, in fp32.
        decoding: None for a file that returns heatmaps.
        example: two inputs of the network.
        file: FILE.xml.
        stored: strings for its rt_info, by key.
        half: store weights in fp16.
        change: applied to the network's `openvino.Model` before the decoding is attached, such as quantization.
    """
    try:
        import openvino
    except ImportError as problem:
        raise ValueError(f"export needs {problem.name}: pip install 'vitpose_mm[export]'") from problem
    model = change(as_openvino(network, example))
    if decoding is not None:
        with torch.no_grad():
            after = as_openvino(decoding, network(example))
        heatmaps, *features = (result.input_value(0) for result in model.get_results())
        # a value that the network itself does not read, where the file can be split
        inner = [heatmaps, *(openvino.opset13.multiply(value, np.float32(1)).output(0) for value in features)]
        for given, value in zip(after.get_parameters(), inner, strict=True):
            for user in given.output(0).get_target_inputs():
                user.replace_source_output(value)
        model = openvino.Model(after.get_results(), model.get_parameters())
        for value in features:
            value.get_tensor().set_names(set())
        for value, name in zip(inner, (HEATMAPS, FEATURES), strict=False):
            value.get_tensor().set_names({name})  # the name of an output disappears with it
    for key, value in stored.items():
        model.set_rt_info(value, [key])
    openvino.save_model(model, str(file), compress_to_fp16=half)


def as_openvino(graph: HeatmapGraph | DecodingGraph, example: Example) -> Any:
    """Convert a graph to an `openvino.Model` with a dynamic batch size, via ONNX.

    `openvino.convert_model` would report each use to its vendor, in processes that wait for the network.
    """
    import openvino

    with TemporaryDirectory() as folder:
        file = Path(folder) / 'graph.onnx'
        write_onnx(graph, example, file, {})
        return openvino.Core().read_model(str(file))
