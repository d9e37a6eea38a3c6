"""Exported files made by hand: the keypoints are the place of the brightest pixel."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vitpose.predict.models.file_info import FORMAT, FileInfo

onnx = pytest.importorskip('onnx', reason='exported files need onnx (requirements/tested.txt)')
TensorProto, helper = onnx.TensorProto, onnx.helper
WIDTH, HEIGHT = 48, 64
INFO = FileInfo(
    format=FORMAT,
    version='0.0.0',
    dataset='dots',
    keypoint_names=['one', 'two'],
    skeleton=[[0, 1]],
    flip_indices=[1, 0],
    keypoint_colors=[[255, 0, 0], [0, 255, 0]],
    skeleton_colors=[[0, 0, 255]],
    input_size=[WIDTH, HEIGHT],
    padding=1.25,
    use_udp=True,
    mean=None,
    std=None,
    rgb=False,
    codec=dict(type='None'),
    inputs='crops',
    outputs='keypoints',
    flip_test=False,
    precision='fp32',
    checkpoint='dots.pth',
    sha256='0' * 64,
)


def write_dots(file: Path, texts: dict[str, str] | None = None, **changes) -> Path:
    """Write an ONNX file that finds the brightest pixel of a crop twice, with metadata that may be changed."""
    shape = helper.make_tensor('shape', TensorProto.INT64, [2], [0, HEIGHT * WIDTH * 3])
    numbers = dict(width=WIDTH, three=3, one=1)
    weights = [helper.make_tensor(name, TensorProto.INT64, [1], [value]) for name, value in numbers.items()]
    nodes = [
        helper.make_node('Cast', ['crops'], ['float'], to=TensorProto.FLOAT),
        helper.make_node('Reshape', ['float', 'shape'], ['flat']),
        helper.make_node('ArgMax', ['flat'], ['index'], axis=1, keepdims=1),
        helper.make_node('Div', ['index', 'three'], ['pixel']),
        helper.make_node('Div', ['pixel', 'width'], ['y']),
        helper.make_node('Mod', ['pixel', 'width'], ['x']),
        helper.make_node('Concat', ['x', 'y'], ['xy'], axis=1),
        helper.make_node('Cast', ['xy'], ['point'], to=TensorProto.FLOAT),
        helper.make_node('Unsqueeze', ['point', 'one'], ['single']),
        helper.make_node('Concat', ['single', 'single'], ['keypoints'], axis=1),
        helper.make_node('ReduceMax', ['flat'], ['top'], axes=[1], keepdims=1),
        helper.make_node('Concat', ['top', 'top'], ['scores'], axis=1),
    ]
    inputs = [helper.make_tensor_value_info('crops', TensorProto.UINT8, ['batch', HEIGHT, WIDTH, 3])]
    outputs = [
        helper.make_tensor_value_info('keypoints', TensorProto.FLOAT, ['batch', 2, 2]),
        helper.make_tensor_value_info('scores', TensorProto.FLOAT, ['batch', 2]),
    ]
    graph = helper.make_graph(nodes, 'dots', inputs, outputs, [shape, *weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 13)], ir_version=8)
    for key, value in (replace(INFO, **changes).texts() if texts is None else texts).items():
        model.metadata_props.add(key=key, value=value)
    onnx.save_model(model, str(file))
    return file


def dot(x: int, y: int) -> np.ndarray:
    """An image (120, 160, 3) with one bright pixel."""
    image = np.zeros((120, 160, 3), np.uint8)
    image[y - 1 : y + 2, x - 1 : x + 2] = 100
    image[y, x] = 255
    return image
