"""Write a graph as ONNX."""

import contextlib
import io
import logging
import shutil
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..torch_support import check_torch
from .graph import DecodingGraph, HeatmapGraph, PoseGraph

Graph = PoseGraph | HeatmapGraph | DecodingGraph
Example = Tensor | tuple[Tensor, ...]

MIN_TORCH = '2.6'  # the first torch whose exporter keeps the batch size dynamic with windowed attention
MAX_WEIGHT_BYTES = 1_900_000_000  # in one file: protobuf reads up to 2 GiB
MIN_STORED_VALUES = 1024  # of a weight, to be stored in fp16 or int8
HEATMAPS, FEATURES = 'heatmaps', 'features'


def write_onnx(graph: Graph, example: Example, file: Path, stored: Mapping[str, str], precision: str = 'fp32') -> None:
    """Write a graph with a dynamic batch size; weights of more than 1.9 GB go to FILE.onnx.data beside it.

    In a graph that decodes, 'heatmaps' is an inner value. ValueError if torch is too old or a package is missing.

    Args:
        graph: on the CPU, in fp32.
        example: two inputs of the graph, or its inputs with a batch of two.
        file: FILE.onnx.
        stored: strings for its metadata_props, by key.
        precision: 'fp32', 'fp16' or 'int8', in which weights are stored; see `store_weights`.
    """
    model = as_onnx(graph, example)
    del model.metadata_props[:]
    for key, value in stored.items():
        model.metadata_props.add(key=key, value=value)
    if precision != 'fp32':
        store_weights(model, precision)
    import onnx

    size = sum(len(weight.raw_data) for weight in model.graph.initializer)
    beside = file.with_name(file.name + '.data')
    outside: dict[str, Any] = dict(save_as_external_data=True, location=beside.name) if size > MAX_WEIGHT_BYTES else {}
    onnx.save_model(model, str(file), **outside)
    if outside:
        shutil.copymode(file, beside)  # onnx makes it readable only by its owner


def as_onnx(graph: Graph, example: Example) -> Any:
    """Convert a graph to an `onnx.ModelProto`; see `write_onnx`."""
    check_torch(MIN_TORCH, 'export')
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as problem:
        raise ValueError(f"export needs {problem.name}: pip install 'vitpose_mm[export]'") from problem
    examples = example if isinstance(example, tuple) else (example,)
    maps = [HEATMAPS, FEATURES]
    if isinstance(graph, HeatmapGraph):
        names = (['crops' if graph.crops else 'images'], maps[: 1 + graph.has_features])
    elif isinstance(graph, PoseGraph):
        names = (['crops'], ['keypoints', 'scores', *graph.decoding.extras, HEATMAPS])
    else:
        names = (maps[: len(examples)], ['keypoints', 'scores', *graph.extras])
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), torch.no_grad():
        warnings.simplefilter('ignore')
        logging.getLogger('torch.onnx').setLevel(logging.ERROR)
        program = torch.onnx.export(
            graph,
            examples,
            dynamo=True,
            input_names=names[0],
            output_names=names[1],
            dynamic_shapes=({0: torch.export.Dim('batch')},) * len(examples),
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    if isinstance(graph, PoseGraph):
        inner = model.graph.output[-1]
        model.graph.value_info.append(inner)
        model.graph.output.remove(inner)
    for node in model.graph.node:  # stack traces with paths of this machine
        del node.metadata_props[:]
        node.doc_string = ''
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output, *model.graph.initializer):
        del value.metadata_props[:]
        value.doc_string = ''
    del model.graph.metadata_props[:]
    return model


def with_heatmaps(file: Path) -> Path:
    """Write a copy of a file that decodes, with the heatmaps as its last output, beside it; return its path."""
    import onnx

    model = onnx.load(str(file), load_external_data=False)
    model.graph.output.append(next(value for value in model.graph.value_info if value.name == HEATMAPS))
    copy = file.with_name(f'heatmaps_{file.name}')
    onnx.save_model(model, str(copy))
    return copy


def store_weights(model: Any, precision: str) -> None:
    """Store the weights of an `onnx.ModelProto`, except small ones, in 'fp16' or 'int8', in place.

    A runtime converts them to fp32 once, when it loads the file, and computes in fp32. In int8, each slice of a matrix
    or kernel has its own scale, along the axis that loses less; vectors are stored in fp16.
    """
    import numpy as np
    import onnx
    from onnx import helper, numpy_helper

    nodes, scales = [], []
    for weight in model.graph.initializer:
        values, name = numpy_helper.to_array(weight), weight.name
        if values.dtype != np.float32 or values.size < MIN_STORED_VALUES:
            continue
        if precision == 'fp16' or values.ndim < 2:
            weight.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f'{name}_fp16'))
            nodes.append(helper.make_node('Cast', [weight.name], [name], to=onnx.TensorProto.FLOAT))
            continue
        rounded = [_round_to_int8(values, axis) for axis in range(2)]
        integers, scale = min(rounded, key=lambda pair: float(np.square(pair[0] * pair[1] - values).sum()))
        weight.CopyFrom(numpy_helper.from_array(integers, f'{name}_int8'))
        scales.append(numpy_helper.from_array(scale, f'{name}_scale'))
        nodes.append(helper.make_node('Cast', [weight.name], [f'{name}_cast'], to=onnx.TensorProto.FLOAT))
        nodes.append(helper.make_node('Mul', [f'{name}_cast', scales[-1].name], [name]))
    model.graph.initializer.extend(scales)
    nodes = [*nodes, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _round_to_int8(values: Any, axis: int) -> tuple[Any, Any]:
    """Round to integers from -127 to 127; also return a scale per slice along an axis, which broadcasts with them."""
    import numpy as np

    others = tuple(other for other in range(values.ndim) if other != axis)
    scale = np.abs(values).max(others, keepdims=True) / np.float32(127)
    return np.rint(values / np.where(scale > 0, scale, 1)).astype(np.int8), scale
