"""Detectors of an ONNX file: the two kinds of YOLOX, and what is refused."""

import sys

import numpy as np
import pytest

from tests.unit.predict.tiny_detectors import ANCHORS, write_raw, write_suppressed
from tests.unit.predict.tiny_files import write_dots
from vitpose import PosePredictor
from vitpose.predict.detector_file import FileDetector, open_detector

pytest.importorskip('rtmlib', reason='rtmlib runs the detector (projects/peers/requirements.txt)')


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


@pytest.mark.parametrize('shape', [(1, ANCHORS, 85), ('batch', 'anchors', 'columns')])
def test_a_file_without_suppression(tmp_path, shape):
    file = write_raw(tmp_path / 'yolox.onnx', shape)
    ((boxes, scores),) = FileDetector(file, 'cpu')([rectangle(0, 0, 1, 1)])
    np.testing.assert_allclose(boxes, [[48 - 36, 32 - 36, 48 + 36, 32 + 36]], atol=0.5)  # one person, no dog
    np.testing.assert_allclose(scores, [0.95**2], rtol=1e-6)
    ((boxes, scores),) = FileDetector(file, 'cpu', 0.99)([rectangle(0, 0, 1, 1)])
    assert boxes.shape == (0, 4) and scores.shape == (0,)


def test_what_is_refused(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match='detector nowhere.onnx: no such file'):
        open_detector('nowhere.onnx')
    (tmp_path / 'bad.onnx').write_bytes(b'bad')
    with pytest.raises(ValueError, match='bad.onnx: ONNX Runtime cannot read it'):
        open_detector(tmp_path / 'bad.onnx')
    with pytest.raises(ValueError, match=r'dots.onnx: input .*expected those of YOLOX: \(1, 3, h, w\)'):
        open_detector(write_dots(tmp_path / 'dots.onnx'))
    with pytest.raises(ValueError, match="device='gpu': unknown device"):
        open_detector(write_raw(tmp_path / 'raw.onnx'), device='gpu')
    with pytest.raises(ValueError, match='dots.onnx a.pth: an ONNX file has its weights in it'):
        open_detector(tmp_path / 'dots.onnx', 'a.pth')
    monkeypatch.setitem(sys.modules, 'rtmlib', None)
    with pytest.raises(ValueError, match='dots.onnx needs rtmlib .*: pip install --no-deps rtmlib'):
        open_detector(tmp_path / 'dots.onnx')
