"""People by default: the best detector that is at hand, or the model itself in two passes."""

import hashlib
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from tests.unit.models.published_files import serve
from tests.unit.predict.detection.test_two_pass import RectangleModel
from tests.unit.predict.tiny_detectors import write_raw, write_suppressed
from vitpose import PosePredictor
from vitpose.predict.detection import auto_detector, onnx_detector
from vitpose.predict.detection.auto_detector import AutoDetector
from vitpose.predict.detection.onnx_detector import OnnxDetector, open_detector
from vitpose.predict.detection.two_pass import TwoPassDetector
from vitpose_base.files import sha256


@pytest.fixture
def image():
    pixels = np.zeros((480, 640, 3), np.uint8)
    return cv2.rectangle(pixels, (200, 150), (259, 269), (255,) * 3, -1)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty cache, and detectors that a local server has; `home.published` is the server."""
    file = write_suppressed(tmp_path / 'served.onnx')
    running = serve()
    published = next(running)
    published.files['/nanodet.onnx'] = file.read_bytes()
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    known = {name: (f'{published.address}/{name}.onnx', digest) for name in ('yolox', 'nanodet')}
    for module in ('models.names', 'predict.detection.auto_detector', 'predict.detection.onnx_detector'):
        monkeypatch.setattr(f'vitpose.{module}.DETECTORS', known)
    monkeypatch.setenv('VITPOSE_HOME', str(tmp_path / 'home'))
    monkeypatch.delenv('VITPOSE_OFFLINE')
    for remembered in (auto_detector._download, auto_detector._is_offline):
        remembered.cache_clear()
    yield SimpleNamespace(published=published, folder=tmp_path / 'home', file=file)
    for remembered in (auto_detector._download, auto_detector._is_offline):
        remembered.cache_clear()
    running.close()


def test_the_smaller_detector_is_downloaded_once_and_found_again(home, image, caplog, monkeypatch):
    hashed = []
    monkeypatch.setattr('vitpose.models.download.sha256', lambda file: hashed.append(file) or sha256(file))
    predictor = PosePredictor(RectangleModel('person'))
    assert not home.published.asked  # boxes are not needed yet
    np.testing.assert_allclose(predictor(image).boxes, [[200, 150, 260, 270]], atol=8)
    assert [path.name for path in home.folder.iterdir()] == ['nanodet.onnx'] and len(hashed) == 1
    home.published.files.clear()
    auto_detector._download.cache_clear()
    asked = len(home.published.asked)
    assert PosePredictor(RectangleModel('person'))(image).boxes.shape == (1, 4)
    assert len(home.published.asked) == asked and not caplog.messages and len(hashed) == 2


def test_the_better_one_of_two_in_the_cache_is_used_and_checked(home, image, caplog):
    home.folder.mkdir()
    for name in ('yolox', 'nanodet'):
        (home.folder / f'{name}.onnx').write_bytes(home.file.read_bytes())
    detector = AutoDetector(RectangleModel('person'), score_threshold=0.05)
    assert detector.batch_size == 1 and detector.score_threshold == 0.05
    assert isinstance(detector.chosen, OnnxDetector) and not home.published.asked
    assert len(detector([image])[0][0]) == 2  # the doubtful box, too
    (home.folder / 'yolox.onnx').write_bytes(b'bad')
    assert isinstance(AutoDetector(RectangleModel('person')).chosen, TwoPassDetector)
    assert 'already exists, but its SHA-256 does not begin with' in caplog.text


@pytest.mark.parametrize('way', ['offline', 'no file', 'no network', 'no runtime'])
def test_otherwise_the_model_looks_for_one_person_and_says_so_once(home, image, caplog, monkeypatch, way):
    if way == 'offline':
        monkeypatch.setenv('VITPOSE_OFFLINE', '1')
    elif way == 'no file':
        home.published.files.clear()
    elif way == 'no network':
        monkeypatch.setattr(auto_detector, 'DETECTORS', dict(nanodet=('http://127.0.0.1:9/a.onnx', '0')))
    else:
        monkeypatch.setattr(auto_detector, 'find_spec', lambda name: None)
    predictor = PosePredictor(RectangleModel('person'))
    for _ in range(2):
        assert np.abs(predictor(image).boxes[0] - [188, 138, 271, 281]).max() < 16
    (said,) = caplog.messages
    assert said.endswith(': the model looks for one person per image')
    reasons = dict(
        offline='VITPOSE_OFFLINE is set:', runtime='ONNX Runtime', file='HTTP Error 404', network='no network'
    )
    assert reasons[way.split()[-1]] in said and predictor.detector.batch_size == 16
    assert (f'people: no detector in {home.folder}, and ' in said) == (way != 'no runtime')
    PosePredictor(RectangleModel('person'))(image)
    assert [method for method, *_ in home.published.asked] == (
        ['HEAD', 'GET'] if way == 'no file' else []
    )  # remembered
    with pytest.raises(ValueError, match=r"categories=\['dog'\]: no detector"):
        PosePredictor(RectangleModel('person'), detector_options=dict(categories=['dog']))(image)


def test_a_network_that_does_not_answer_costs_seconds_once(home, image, monkeypatch):
    monkeypatch.setattr('vitpose.models.download.REACH_S', 0.2)
    monkeypatch.setattr(
        'vitpose.models.download.open_url', lambda *_, **__: time.sleep(60)
    )  # such as the resolution of names that waits
    start = time.monotonic()
    PosePredictor(RectangleModel('person'))(image)
    PosePredictor(RectangleModel('person'))(image)
    assert time.monotonic() - start < 5


def test_rtmdet_is_used_where_torch_runs_the_model_and_the_file_can_be_had(home, monkeypatch, tmp_path):
    opened, reachable = [], [home.published.address]
    monkeypatch.setattr(auto_detector, 'is_reachable', lambda url: any(map(url.startswith, reachable)))
    monkeypatch.setattr(auto_detector, 'open_detector', lambda name, **options: opened.append((name, options)))
    monkeypatch.setattr(auto_detector, 'find_spec', lambda name: True)
    monkeypatch.setitem(sys.modules, 'torch', sys.modules.get('torch') or SimpleNamespace())
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'torch'))
    file = tmp_path / 'torch/hub/checkpoints/rtmdet_m_8xb32-100e_coco-obj365-person-235e8209.pth'
    on_gpu = RectangleModel('person')
    on_gpu.device = 'mps'
    nanodet = home.folder / 'nanodet.onnx'
    for found, device in ((nanodet, 'auto'), ('human', 'mps')):
        assert AutoDetector(on_gpu, score_threshold=0.4).chosen is None
        assert opened[-1] == (found, dict(device=device, score_threshold=0.4))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    file.unlink()
    auto_detector._is_offline.cache_clear()
    reachable.append('https://download.openmmlab.com')
    assert AutoDetector(on_gpu).chosen is None and opened[-1] == ('human', dict(device='mps'))
    on_gpu.info, on_gpu.device = None, 'coreml'  # ONNX Runtime runs it
    assert AutoDetector(on_gpu).chosen is None and opened[-1] == (nanodet, dict(device='coreml'))


@pytest.mark.parametrize('kind', [ImportError, AssertionError])
def test_a_broken_mmdetection_gives_way_to_the_next_detector(home, image, monkeypatch, caplog, kind):
    def fail(name, **options):
        if name == 'human':
            raise kind('MMCV==2.2.0 is used but incompatible')
        return opened(name, **options)

    opened = auto_detector.open_detector
    monkeypatch.setattr(AutoDetector, '_has_rtmdet', lambda detector: True)
    monkeypatch.setattr(auto_detector, 'open_detector', fail)
    assert isinstance(AutoDetector(RectangleModel('person')).chosen, OnnxDetector)
    assert 'people: MMDetection cannot be used: MMCV==2.2.0 is used but incompatible' in caplog.messages


@pytest.mark.parametrize('objects', ['person', 'two_pass', None])
def test_unknown_options_and_what_is_no_detector(objects):
    model = RectangleModel(objects)
    with pytest.raises(ValueError, match='^detector_options: score_thr: expected some of score_threshold, nms_thr'):
        PosePredictor(model, detector_options=dict(score_thr=0.5, nms_threshold=0.5))
    with pytest.raises(ValueError, match='^detector of type function: expected None, .*open_detector returns$'):
        PosePredictor(model, lambda images: [])


def test_a_detector_by_name(home, image):
    predictor = PosePredictor(RectangleModel(None), 'nanodet', detector_options=dict(score_threshold=0.05))
    assert len(predictor(image).boxes) == 2
    with pytest.raises(ValueError, match='score_threshold: only for a detector given by name; the model has none'):
        PosePredictor(RectangleModel(None), detector_options=dict(score_threshold=0.05))
    with pytest.raises(ValueError, match='has its own'):
        PosePredictor(RectangleModel('person'), None, detector_options=dict(nms_threshold=0.5))
    for value in (0, 1.5, 'auto'):
        with pytest.raises(ValueError, match=f'det_every={value!r}: expected an integer >= 1'):
            PosePredictor(RectangleModel('person'), det_every=value)


@pytest.mark.parametrize('name', ['yolov8n.pt', 'yolo11n', 'models/yolo26n-pose.pt', 'detr_resnet50', 'a.engine'])
def test_detectors_of_other_projects_get_a_message_that_says_what_works(name):
    with pytest.raises(ValueError, match=f"{name}: not read here; expected 'auto', yolox, nanodet, FILE.onnx of YOLOX"):
        open_detector(name)
    assert not onnx_detector.is_foreign('yolox-s') and not onnx_detector.is_foreign('yolov3_d53')


@pytest.mark.parametrize('categories', [['dog'], [16], [0, 'dog']])
def test_classes(tmp_path, categories):
    detector = OnnxDetector(write_raw(tmp_path / 'yolox.onnx'), 'cpu', categories=categories)
    ((boxes, _),) = detector([np.zeros((128, 128, 3), np.uint8)])
    assert len(boxes) == len(categories)
    assert boxes[-1][0] > 50  # the dog
    for wrong in ('fish', 80):
        with pytest.raises(ValueError, match=f'class .*{wrong}.*: expected 0 to 79, or one of person, bird, cat, dog'):
            OnnxDetector(Path('any.onnx'), categories=[wrong])
