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

from ..torch_version import check_torch
from .graph import DecodingGraph, HeatmapGraph, PoseGraph

Graph = PoseGraph | HeatmapGraph | DecodingGraph

MIN_TORCH = '2.6'  # the first torch whose exporter keeps the batch size dynamic with windowed attention
MAX_WEIGHT_BYTES = 1_900_000_000  # in one file: protobuf reads up to 2 GiB
HEATMAPS = 'heatmaps'


def write_onnx(graph: Graph, example: Tensor, file: Path, stored: Mapping[str, str], half: bool = False) -> None:
    """Write a graph with a dynamic batch size; weights of more than 1.9 GB go to FILE.onnx.data beside it.

    Heatmaps are an inner value of this name in a graph that decodes.

    Args:
        graph: on the CPU, in fp32.
        example: two inputs of the graph.
        file: FILE.onnx.
        stored: strings for its metadata_props, by key.
        half: store weights in fp16; they are computed with in fp32.

    Raises:
        ValueError: torch is too old, or a package is missing.
    """
    model = as_onnx(graph, example)
    del model.metadata_props[:]
    for key, value in stored.items():
        model.metadata_props.add(key=key, value=value)
    if half:
        halve_weights(model)
    import onnx

    size = sum(len(weight.raw_data) for weight in model.graph.initializer)
    beside = file.with_name(file.name + '.data')
    outside: dict[str, Any] = dict(save_as_external_data=True, location=beside.name) if size > MAX_WEIGHT_BYTES else {}
    onnx.save_model(model, str(file), **outside)
    if outside:
        shutil.copymode(file, beside)  # onnx makes it readable only by its owner


def as_onnx(graph: Graph, example: Tensor) -> Any:
    """The graph as `onnx.ModelProto`; see `write_onnx`."""
    check_torch(MIN_TORCH, 'export')
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as problem:
        raise ValueError(f"export needs {problem.name}: pip install 'vitpose_mm[export]'") from problem
    if isinstance(graph, HeatmapGraph):
        names = (['crops' if graph.crops else 'images'], [HEATMAPS])
    else:
        decoded = ['keypoints', 'scores']
        names = (['crops'], [*decoded, HEATMAPS]) if isinstance(graph, PoseGraph) else ([HEATMAPS], decoded)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), torch.no_grad():
        warnings.simplefilter('ignore')
        logging.getLogger('torch.onnx').setLevel(logging.ERROR)
        program = torch.onnx.export(
            graph,
            (example,),
            dynamo=True,
            input_names=names[0],
            output_names=names[1],
            dynamic_shapes=({0: torch.export.Dim('batch')},),
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    if isinstance(graph, PoseGraph):
        inner = model.graph.output[2]
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


def halve_weights(model: Any, smallest: int = 1024) -> None:
    """Store the weights of an `onnx.ModelProto` in fp16; each is cast to fp32 where it is used.

    Args:
        model: is changed.
        smallest: number of values from which on.
    """
    import numpy as np
    import onnx
    from onnx import helper, numpy_helper

    casts = []
    for weight in model.graph.initializer:
        values = numpy_helper.to_array(weight)
        if values.dtype != np.float32 or values.size < smallest:
            continue
        name = weight.name
        weight.CopyFrom(numpy_helper.from_array(values.astype(np.float16), name + '_fp16'))
        casts.append(helper.make_node('Cast', [weight.name], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
