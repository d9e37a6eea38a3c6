"""ONNX files with the interface of YOLOX, made by hand."""

import numpy as np
import pytest

onnx = pytest.importorskip('onnx', reason='the files need onnx (requirements/tested.txt)')
TensorProto, helper, numpy_helper = onnx.TensorProto, onnx.helper, onnx.numpy_helper
SIDE = 128
ANCHORS = sum((SIDE // stride) ** 2 for stride in (8, 16, 32))


def write_suppressed(file):
    """The box of the bright pixels with score 0.9, and one with score 0.1."""
    nodes = [helper.make_node('ReduceMax', ['images'], ['top'], axes=[1], keepdims=0)]
    for name, axis in (('x', 1), ('y', 2)):
        nodes.append(helper.make_node('ReduceMax', ['top'], [f'line{name}'], axes=[axis], keepdims=0))
        nodes.append(helper.make_node('Greater', [f'line{name}', 'threshold'], [f'lit{name}']))
        nodes.append(helper.make_node('Cast', [f'lit{name}'], [f'number{name}'], to=TensorProto.INT64))
        for end, last in (('1', 0), ('2', 1)):
            outputs = [f'{name}{end}']
            nodes.append(helper.make_node('ArgMax', [f'number{name}'], outputs, axis=1, select_last_index=last))
    nodes += [
        helper.make_node('Concat', ['x1', 'y1', 'x2', 'y2'], ['corners'], axis=1),
        helper.make_node('Cast', ['corners'], ['box'], to=TensorProto.FLOAT),
        helper.make_node('Concat', ['box', 'score'], ['row'], axis=1),
        helper.make_node('Unsqueeze', ['row', 'one'], ['rows']),
        helper.make_node('Concat', ['rows', 'doubtful'], ['dets'], axis=1),
    ]
    constants = dict(
        threshold=np.float32(200),
        score=np.float32([[0.9]]),
        one=np.int64([1]),
        doubtful=np.float32([[[1, 1, 9, 9, 0.1]]]),
    )
    return save(file, nodes, constants, [1, 2, 5])


def write_raw(file):
    """Without suppression: a person twice at nearly the same place, and a dog."""
    rows = np.zeros((1, ANCHORS, 85), np.float32)
    for anchor, category in ((2 * 16 + 3, 0), (2 * 16 + 4, 0), (12 * 16 + 12, 16)):
        rows[0, anchor, 2:4] = 1.5  # 8 * exp(1.5) = 36 pixels
        rows[0, anchor, 4] = rows[0, anchor, 5 + category] = 0.95 if anchor != 2 * 16 + 4 else 0.9
    nodes = [
        helper.make_node('ReduceMax', ['images'], ['top'], axes=[1, 2, 3], keepdims=0),
        helper.make_node('Mul', ['top', 'nothing'], ['zero']),
        helper.make_node('Add', ['rows', 'zero'], ['dets']),
    ]
    return save(file, nodes, dict(rows=rows, nothing=np.float32([0])), list(rows.shape))


def save(file, nodes, constants, shape):
    weights = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    inputs = [helper.make_tensor_value_info('images', TensorProto.FLOAT, [1, 3, SIDE, SIDE])]
    outputs = [helper.make_tensor_value_info('dets', TensorProto.FLOAT, shape)]
    graph = helper.make_graph(nodes, 'detector', inputs, outputs, weights)
    onnx.save_model(helper.make_model(graph, opset_imports=[helper.make_opsetid('', 13)], ir_version=8), str(file))
    return file
