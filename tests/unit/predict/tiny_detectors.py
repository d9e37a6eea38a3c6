"""ONNX files with the interfaces of YOLOX and NanoDet-Plus, made by hand."""

import numpy as np

from tests.unit.predict.tiny_files import TensorProto, helper, node, save

SIDE = 128
ANCHORS = sum((SIDE // stride) ** 2 for stride in (8, 16, 32))


def write_suppressed(file, shape=(1, 2, 5)):
    """The box of the bright pixels with score 0.9, and one with score 0.1; `shape` may have names, as MMDeploy's."""
    nodes = [node('ReduceMax', 'images', 'top', axes=[1], keepdims=0)]
    for name, axis in (('x', 1), ('y', 2)):
        nodes.append(node('ReduceMax', 'top', f'line{name}', axes=[axis], keepdims=0))
        nodes.append(node('Greater', f'line{name} threshold', f'lit{name}'))
        nodes.append(node('Cast', f'lit{name}', f'number{name}', to=TensorProto.INT64))
        for end, last in (('1', 0), ('2', 1)):
            nodes.append(node('ArgMax', f'number{name}', f'{name}{end}', axis=1, select_last_index=last))
    nodes += [
        node('Concat', 'x1 y1 x2 y2', 'corners', axis=1),
        node('Cast', 'corners', 'box', to=TensorProto.FLOAT),
        node('Concat', 'box score', 'row', axis=1),
        node('Unsqueeze', 'row one', 'rows'),
        node('Concat', 'rows doubtful', 'dets', axis=1),
    ]
    score, doubtful = np.float32([[0.9]]), np.float32([[[1, 1, 9, 9, 0.1]]])
    return save_detector(file, nodes, shape, threshold=np.float32(200), score=score, one=[1], doubtful=doubtful)


def write_raw(file, shape=(1, ANCHORS, 85), is_decoded=False):
    """Without suppression: a person twice at nearly the same place, and a dog; perhaps with the boxes in pixels."""
    rows = np.zeros((1, ANCHORS, 85), np.float32)
    for anchor, category in ((2 * 16 + 3, 0), (2 * 16 + 4, 0), (12 * 16 + 12, 16)):
        rows[0, anchor, 2:4] = 1.5  # 8 * exp(1.5) = 36 pixels
        rows[0, anchor, 4] = rows[0, anchor, 5 + category] = 0.95 if anchor != 2 * 16 + 4 else 0.9
    if is_decoded:
        first = 0
        for stride in (8, 16, 32):
            side = SIDE // stride
            for cell in range(side**2):
                y, x = divmod(cell, side)
                rows[0, first + cell, :2] = (rows[0, first + cell, :2] + (x, y)) * stride
                rows[0, first + cell, 2:4] = np.exp(rows[0, first + cell, 2:4]) * stride
            first += side**2
    return write_rows(file, rows, shape)


def write_nanodet(file, grids, cell, bins):
    """A person of score 0.9 at cell (x, y) of stride 8; `bins` are the cells to its left, top, right and bottom."""
    rows = np.zeros((1, sum((SIDE // stride) ** 2 for stride in grids), 80 + 4 * 8), np.float32)
    rows[..., 80:] = -3  # logits of the distances
    row = rows[0, cell[1] * (SIDE // 8) + cell[0]]
    row[0] = 0.9
    for side, number in enumerate(bins):
        row[80 + 8 * side + number] = 50
    return write_rows(file, rows, rows.shape)


def write_rows(file, rows, shape, labels=None):
    """Constant rows, whatever the image, and perhaps labels."""
    nodes = [
        node('ReduceMax', 'images', 'top', axes=[1, 2, 3], keepdims=0),
        node('Mul', 'top nothing', 'zero'),
        node('Add', 'rows zero', 'dets'),
    ]
    constants = dict(rows=rows, nothing=np.float32([0]))
    if labels is None:
        return save_detector(file, nodes, shape, **constants)
    nodes.append(node('Identity', 'numbers', 'labels'))
    more = [helper.make_tensor_value_info('labels', TensorProto.INT64, labels.shape)]
    return save_detector(file, nodes, shape, more, numbers=labels, **constants)


def save_detector(file, nodes, shape, more=(), **constants):
    inputs = helper.make_tensor_value_info('images', TensorProto.FLOAT, [1, 3, SIDE, SIDE])
    outputs = helper.make_tensor_value_info('dets', TensorProto.FLOAT, shape)
    return save(file, nodes, [inputs], [outputs, *more], constants)
