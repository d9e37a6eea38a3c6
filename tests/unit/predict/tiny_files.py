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
    **dict(format=FORMAT, version='0.0.0', dataset='dots', checkpoint='dots.pth', sha256='0' * 64),
    **dict(keypoint_names=['one', 'two'], keypoint_colors=[[255, 0, 0], [0, 255, 0]], flip_indices=[1, 0]),
    **dict(skeleton=[[0, 1]], skeleton_colors=[[0, 0, 255]], codec=dict(type='None')),
    **dict(input_size=[WIDTH, HEIGHT], padding=1.25, use_udp=True, mean=None, std=None, rgb=False),
    **dict(inputs='crops', outputs='keypoints', flip_test=False, precision='fp32'),
)


def node(kind, inputs, output, **attributes):
    """A node of a graph; the names of its inputs are separated by spaces."""
    return helper.make_node(kind, inputs.split(), [output], **attributes)


def save(file, nodes, inputs, outputs, constants, texts=()):
    """Write a model with constants, which are arrays or integers, and metadata."""
    weights = [onnx.numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, 'graph', inputs, outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 13)], ir_version=8)
    for key, value in dict(texts).items():
        model.metadata_props.add(key=key, value=value)
    onnx.save_model(model, str(file))
    return file


def write_dots(file: Path, texts: dict[str, str] | None = None, **changes) -> Path:
    """Write an ONNX file that finds the brightest pixel of a crop twice, with metadata that may be changed."""
    nodes = [
        node('Cast', 'crops', 'float', to=TensorProto.FLOAT),
        node('Reshape', 'float shape', 'flat'),
        node('ArgMax', 'flat', 'index', axis=1, keepdims=1),
        node('Div', 'index three', 'pixel'),
        node('Div', 'pixel width', 'y'),
        node('Mod', 'pixel width', 'x'),
        node('Concat', 'x y', 'xy', axis=1),
        node('Cast', 'xy', 'point', to=TensorProto.FLOAT),
        node('Unsqueeze', 'point one', 'single'),
        node('Concat', 'single single', 'keypoints', axis=1),
        node('ReduceMax', 'flat', 'top', axes=[1], keepdims=1),
        node('Concat', 'top top', 'scores', axis=1),
    ]
    inputs = [helper.make_tensor_value_info('crops', TensorProto.UINT8, ['batch', HEIGHT, WIDTH, 3])]
    shapes = dict(keypoints=['batch', 2, 2], scores=['batch', 2])
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()]
    constants = dict(shape=[0, HEIGHT * WIDTH * 3], width=[WIDTH], three=[3], one=[1])
    texts = replace(INFO, **changes).texts() if texts is None else texts
    return save(file, nodes, inputs, outputs, constants, texts)


def dot(x: int, y: int) -> np.ndarray:
    """An image (120, 160, 3) with one bright pixel."""
    image = np.zeros((120, 160, 3), np.uint8)
    image[y - 1 : y + 2, x - 1 : x + 2] = 100
    image[y, x] = 255
    return image
