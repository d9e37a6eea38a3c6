"""Crops on the network's device, here on the CPU: those of OpenCV up to one gray level, and the same keypoints."""

from dataclasses import asdict

import cv2
import numpy as np
import pytest
import torch

from tests.unit.bench.fitted_model import people, write_fitted
from vitpose import PosePredictor
from vitpose.predict.calibration.judging import judge_boxes
from vitpose.predict.calibration.labeled_boxes import LabeledBox
from vitpose.predict.detection.two_pass import TwoPassDetector
from vitpose.predict.models.crops import CropRule
from vitpose.predict.models.device_crops import DeviceCropRule
from vitpose.predict.models.torch_model import PoseModel

LOW, SIZES = np.mgrid[-1.5:1.5:0.37, -1.5:1.5:0.37].reshape(2, -1).T, (0.1, 0.7, 2.5)  # in sides of the image


@pytest.mark.slow
@pytest.mark.parametrize('use_udp', [True, False])
@pytest.mark.parametrize('side', [1, 50, 320])
def test_crops_across_every_border_are_those_of_opencv(use_udp, side):
    rule = CropRule((48, 64), use_udp=use_udp)
    ours = DeviceCropRule(**asdict(rule))
    image = np.random.default_rng(side).integers(0, 256, (side, side + 3, 3), np.uint8)
    boxes = side * np.concatenate([np.c_[LOW, LOW + (wide, high)] for wide in SIZES for high in SIZES])
    extreme = [(0, 0, 1e-30, 1e-30), (-1e4, -1e4, 2e4, 1e4), (0, 0, 1, 1), (0.25, 0.75, side, side)]
    regions = rule.regions(np.concatenate((boxes, extreme)).astype(np.float32))
    crops = [each.empty(len(regions[0])) for each in (rule, ours)]
    for each, out in zip((rule, ours), crops, strict=True):
        each.crop(each.source(image), *regions, out)
    difference = np.abs(crops[0].astype(int) - crops[1].numpy())
    assert difference.max() <= 1 and (difference > 0).mean() < 3e-3
    assert 0.05 < (crops[0] > 0).mean() < 0.95


def test_a_calibration_reads_the_same_from_them(tmp_path):
    model = PoseModel(*write_fitted(tmp_path), device='cpu')
    boxes = []
    for i, (image, corners) in enumerate(zip(*people(), strict=True)):
        cv2.imwrite(name := str(tmp_path / f'{i}.png'), image)
        boxes += [LabeledBox(name, 'true', tuple(box), np.zeros((17, 3)), 50.0) for box in corners.tolist()]
    expected = judge_boxes(model, boxes)
    model.crop_rule = DeviceCropRule(**asdict(model.crop_rule))
    for theirs, ours in zip(expected[:3], judge_boxes(model, boxes)[:3], strict=True):
        torch.testing.assert_close(theirs.float(), ours.float(), rtol=0.02, atol=0.05)


def test_keypoints_are_those_of_opencvs_crops_and_each_frame_is_uploaded_once(tmp_path, monkeypatch):
    model = PoseModel(*(files := write_fitted(tmp_path)), device='cpu')
    images, boxes = map(list, people())
    expected = PosePredictor(model, None, batch_size=2)(images, boxes)
    sources, source = [], DeviceCropRule.source
    monkeypatch.setattr(DeviceCropRule, 'source', lambda *args: sources.append(source(*args)) or sources[-1])
    model.crop_rule = DeviceCropRule(**asdict(model.crop_rule))
    for theirs, ours in zip(expected, PosePredictor(model, None, batch_size=2)(images, boxes), strict=True):
        assert np.abs(theirs.keypoints - ours.keypoints).max() < 0.02
        np.testing.assert_allclose(theirs.scores, ours.scores, atol=1e-3)
    (first, _), (second, _) = (
        TwoPassDetector(each)([images[0]])[0] for each in (PoseModel(*files, device='cpu'), model)
    )
    np.testing.assert_allclose(first, second, atol=0.1)
    assert len(sources) == len(images) + 1 and all(source() is source() for source in sources)
