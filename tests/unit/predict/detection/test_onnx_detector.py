"""Detectors of an ONNX file: the kinds of YOLOX and NanoDet, and what is refused."""

import importlib.util
import json
import sys

import cv2
import numpy as np
import pytest

from tests.unit.predict.tiny_detectors import ANCHORS, write_nanodet, write_raw, write_rows, write_suppressed
from tests.unit.predict.tiny_files import write_dots
from vitpose import PosePredictor
from vitpose.predict.detection.onnx_detector import OnnxDetector, open_detector


def rectangle(left, top, right, bottom):
    """An image with a white rectangle."""
    image = np.zeros((192, 256, 3), np.uint8)
    image[top:bottom, left:right] = 255
    return image


@pytest.mark.parametrize('shape', [(1, 2, 5), ('batch', 'num_dets', 5), ('batch', 'num_dets', 'Concatdets_dim_2')])
def test_boxes_are_in_image_pixels_and_go_with_an_exported_file(tmp_path, capsys, shape):
    detector = open_detector(write_suppressed(tmp_path / 'yolox.onnx', shape), device='cpu')
    ((boxes, scores),) = detector([rectangle(40, 20, 90, 150)])
    np.testing.assert_allclose(scores, [0.9], rtol=1e-6)
    assert boxes.dtype == scores.dtype == np.float32
    np.testing.assert_allclose(boxes, [[40, 20, 90, 150]], atol=4)  # halved to 128 pixels; the other box is doubtful
    assert capsys.readouterr().out == ''
    poses = PosePredictor.load(write_dots(tmp_path / 'dots.onnx'), detector=detector)(rectangle(40, 20, 90, 150))
    assert poses.boxes.shape == (1, 4) and poses.keypoints.shape == (1, 2, 2)
    assert poses.box_scores == np.float32(0.9) and detector.score_threshold == 0.3


@pytest.mark.parametrize('is_decoded', [False, True])
@pytest.mark.parametrize('shape', [(1, ANCHORS, 85), ('batch', 'anchors', 'columns')])
def test_a_file_without_suppression(tmp_path, shape, is_decoded):
    file = write_raw(tmp_path / 'yolox.onnx', shape, is_decoded)
    ((boxes, scores),) = OnnxDetector(file, 'cpu')([rectangle(0, 0, 1, 1)])
    np.testing.assert_allclose(boxes, [[48 - 36, 32 - 36, 48 + 36, 32 + 36]], atol=0.5)  # one person, no dog
    np.testing.assert_allclose(scores, [0.95**2], rtol=1e-6)
    ((boxes, scores),) = OnnxDetector(file, 'cpu', 0.99)([rectangle(0, 0, 1, 1)])
    assert boxes.shape == (0, 4) and scores.shape == (0,)
    thresholds = [OnnxDetector(file, 'cpu', nms_threshold=value).nms_threshold for value in (None, 0.0, 0.3)]
    assert thresholds == [0.45, 0.0, 0.3]


@pytest.mark.parametrize(
    ('grids', 'center', 'zoom'),
    [
        ((8, 16, 32, 64), (24, 16), (2, 1.5)),  # NanoDet-Plus stretches the image of 256x192 to 128x128
        ((8, 16, 32), (28, 20), (2, 2)),  # NanoDet keeps its shape; centers lie in the middle of the cells
    ],
)
def test_nanodet_in_one_output(tmp_path, grids, center, zoom):
    file = write_nanodet(tmp_path / 'nanodet.onnx', grids, cell=(3, 2), bins=(1, 1, 3, 4))
    ((boxes, scores),) = OnnxDetector(file, 'cpu')([rectangle(0, 0, 1, 1)])
    corners = np.array([center[0] - 8, center[1] - 8, center[0] + 24, center[1] + 32])
    np.testing.assert_allclose(boxes, [corners * (*zoom, *zoom)], rtol=1e-5)
    np.testing.assert_allclose(scores, [0.9], rtol=1e-6)


def test_what_a_file_kept_in_its_own_suppression_is_kept(tmp_path):
    """Two people with an IoU of 0.6, best first, and a dog by its label."""
    rows = np.array([[[25, 20, 125, 120, 0.8], [0, 20, 100, 120, 0.9], [0, 0, 50, 50, 0.95]]], np.float32)
    file = write_rows(tmp_path / 'yolox.onnx', rows, rows.shape, labels=np.array([[0, 0, 16]]))
    ((boxes, scores),) = OnnxDetector(file, 'cpu')([np.zeros((128, 128, 3), np.uint8)])
    np.testing.assert_allclose(boxes, [[0, 20, 100, 120], [25, 20, 125, 120]], atol=1e-3)
    np.testing.assert_allclose(scores, [0.9, 0.8], rtol=1e-6)


@pytest.mark.slow
def test_nanodet_equals_another_decoder_on_photographs(photographs):
    weights = photographs.parent / 'weights'
    if not (weights / 'nanodet_416.onnx').is_file():
        pytest.skip(f'this test needs nanodet_416.onnx and nano.py in {weights}')
    spec = importlib.util.spec_from_file_location('nano', weights / 'nano.py')
    nano = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(nano)
    nano.Nano.norm = staticmethod(
        lambda pixels: (pixels - np.float32([103.53, 116.28, 123.675])) / np.float32([57.375, 57.12, 58.395])
    )
    reference = nano.Nano(str(weights / 'nanodet_416.onnx'))
    detector = OnnxDetector(weights / 'nanodet_416.onnx', 'cpu', score_threshold=0.35, nms_threshold=0.5)
    people = 0
    for item in json.loads((photographs / 'coco_people/val.json').read_text())['images'][:12]:
        image = cv2.imread(str(photographs / 'coco_people/images' / item['file_name']))
        ((boxes, scores),) = detector([image])
        expected_boxes, expected_scores = reference(image)
        expected_boxes = np.clip(expected_boxes, 0, image.shape[1::-1] * 2)
        np.testing.assert_allclose(boxes, expected_boxes, atol=0.5)  # the reference ignores the rounding of the sides
        np.testing.assert_allclose(scores, expected_scores, atol=1e-5)
        people += len(boxes)
    assert people >= 20


def test_what_is_refused(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match='detector nowhere.onnx: no such file'):
        open_detector('nowhere.onnx')
    (tmp_path / 'bad.onnx').write_bytes(b'bad')
    with pytest.raises(ValueError, match='bad.onnx: ONNX Runtime cannot read it'):
        open_detector(tmp_path / 'bad.onnx')
    with pytest.raises(ValueError, match=r'dots.onnx: input .*expected an input \(1, 3, h, w\)'):
        open_detector(write_dots(tmp_path / 'dots.onnx'))
    with pytest.raises(ValueError, match="device='gpu': unknown device"):
        open_detector(write_raw(tmp_path / 'raw.onnx'), device='gpu')
    with pytest.raises(ValueError, match='dots.onnx a.pth: an ONNX file has its weights in it'):
        open_detector(tmp_path / 'dots.onnx', 'a.pth')
    monkeypatch.setitem(sys.modules, 'onnxruntime', None)
    with pytest.raises(ValueError, match='dots.onnx.* onnxruntime'):
        open_detector(tmp_path / 'dots.onnx')
