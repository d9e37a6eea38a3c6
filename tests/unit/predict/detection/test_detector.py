"""Detector: the boxes of MMPoseInferencer's own detection stage, for several images at a time."""

from pathlib import Path

import mmpose
import numpy as np
import pytest
import torch
from mmdet.apis import DetInferencer
from mmengine import Config
from mmengine.registry import init_default_scope
from mmpose.apis import MMPoseInferencer

from tests.unit.predict.tiny_models import rendered
from vitpose import PosePredictor
from vitpose.predict.detection.detector import Detector, find_classes

CONFIG = str(Path(mmpose.__file__).parent / '.mim/demo/mmdetection_cfg/rtmdet_nano_320-8xb32_coco-person.py')
THRESHOLDS = dict(bbox_thr=0.5, nms_thr=0.4)


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    """A detector with random weights that finds a few people."""
    torch.manual_seed(0)
    model = DetInferencer(CONFIG, device='cpu', show_progress=False).model
    init_default_scope('mmpose')
    for score, distances in zip(model.bbox_head.rtm_cls, model.bbox_head.rtm_reg, strict=True):
        torch.nn.init.normal_(score.weight, std=3.0)
        torch.nn.init.zeros_(score.bias)
        torch.nn.init.constant_(distances.bias, 1.0)  # boxes of about 5 strides
    path = tmp_path_factory.mktemp('detector') / 'detector.pth'
    torch.save(dict(state_dict=model.state_dict(), meta=dict(dataset_meta=dict(classes=('person',)))), path)
    return str(path)


@pytest.mark.slow
def test_people_are_those_of_mmpose_inferencer(checkpoint, model_files):
    inferencer = MMPoseInferencer(*model_files, det_model=CONFIG, det_weights=checkpoint, det_cat_ids=0, device='cpu')
    init_default_scope('mmpose')
    detector = Detector(CONFIG, checkpoint, 'cpu', THRESHOLDS['bbox_thr'], THRESHOLDS['nms_thr'])
    detector.batch_size = 2
    predictor = PosePredictor.load(*model_files, device='cpu', detector=detector)
    images = [rendered(i)[0] for i in range(3)]
    theirs = inferencer(images, return_datasamples=True, **THRESHOLDS)
    for poses, (boxes, scores), result in zip(predictor(images), detector(images), theirs, strict=True):
        expected = result['predictions'][0].pred_instances
        assert len(expected.bboxes) > 1
        np.testing.assert_allclose(boxes, expected.bboxes, atol=0.01)
        np.testing.assert_allclose(scores, expected.bbox_scores, atol=1e-4)
        inside = expected.bboxes[:, 1] < 240  # random detectors also find people in the padding; these are dropped
        np.testing.assert_array_equal(poses.boxes, boxes[inside])
        # a box that differs in its last bit gives another crop, and random heatmaps amplify that in few keypoints
        assert np.median(np.abs(poses.keypoints - expected.keypoints[inside])) < 1e-3
    detector.score_threshold = 1.0
    assert [(boxes.shape, scores.shape) for boxes, scores in detector(images[:1])] == [((0, 4), (0,))]


@pytest.mark.slow
def test_a_checkpoint_that_does_not_fit_is_refused(tmp_path):
    torch.save(dict(weight=torch.zeros(1)), tmp_path / 'other.pth')
    message = r'detector: .*other.pth does not fit .*person.py: 1 keys \(weight\) unexpected'
    with pytest.raises(ValueError, match=message):
        Detector(CONFIG, tmp_path / 'other.pth', 'cpu')


def test_a_config_needs_a_checkpoint():
    with pytest.raises(ValueError, match='person.py: expected a checkpoint'):
        Detector(CONFIG)


def test_the_classes_that_are_looked_for():
    def index(classes, named=None):
        dataset = dict(type='CocoDataset', metainfo=classes and dict(classes=classes))
        return find_classes(Config(dict(test_dataloader=dict(dataset=dataset))), 'detector.py', named)

    assert index(None) == (0,)  # among COCO's, the class of the dataset
    assert index(('car', 'person')) == (1,) and index(('hand',)) == index('hand') == (0,)
    with pytest.raises(ValueError, match="detector.py: no class 'person' among car, dog; choose some with categories"):
        index(('car', 'dog'))
    assert index(('car', 'dog', 'cat'), ['dog', 2]) == (1, 2)
    with pytest.raises(ValueError, match="no class 'fish' among car, dog"):
        index(('car', 'dog'), ['fish'])
