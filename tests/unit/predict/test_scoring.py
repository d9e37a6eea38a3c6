"""Scores and OKS-NMS are those of MMPose's CocoMetric."""

from dataclasses import fields
from inspect import signature

import numpy as np
import pytest
from mmpose.evaluation.functional import oks_nms, soft_oks_nms
from mmpose.evaluation.metrics import CocoMetric

from vitpose.predict.scoring import MAX_SOFT, Scoring


def people(count, keypoints, seed, spread):
    """Poses around a few places, so that some are similar."""
    rng = np.random.default_rng(seed)
    places = rng.uniform(0, 300, (3, keypoints, 2))[rng.integers(0, 3, count)]
    points = places + rng.normal(0, spread, (count, keypoints, 2))
    return points, rng.uniform(0.1, 1, (count, keypoints)), rng.uniform(0.1, 1, count), rng.uniform(1e3, 1e5, count)


@pytest.mark.parametrize('mode', ['oks_nms', 'soft_oks_nms'])
@pytest.mark.parametrize(('count', 'keypoints', 'thr'), [(0, 3, 0.9), (1, 1, 0.9), (30, 17, 0.9), (60, 133, 0.5)])
def test_the_same_people_are_kept(mode, count, keypoints, thr):
    dropped = 0
    for seed in range(10):
        points, scores, box_scores, areas = people(count, keypoints, seed, spread=seed)
        sigmas = np.random.default_rng(seed).uniform(0.02, 0.1, keypoints).astype(np.float32)
        values = np.concatenate((points, scores[..., None]), 2)
        listed = [dict(keypoints=k, score=s, area=a) for k, s, a in zip(values, box_scores, areas, strict=True)]
        expected = dict(oks_nms=oks_nms, soft_oks_nms=soft_oks_nms)[mode](listed, thr, sigmas=sigmas)
        kept = Scoring(nms_mode=mode, nms_thr=thr).kept(points, box_scores, areas, sigmas)
        assert kept.tolist() == sorted(expected)
        dropped += count - len(kept)
    assert (dropped > 0) == (count > 1)
    assert Scoring(nms_mode='none').kept(points, box_scores, areas, sigmas).tolist() == list(range(count))


def test_options_and_their_defaults_are_those_of_the_metric():
    defaults = signature(CocoMetric).parameters
    assert {field.name: field.default for field in fields(Scoring)} == {
        field.name: defaults[field.name].default for field in fields(Scoring)
    }
    assert signature(soft_oks_nms).parameters['max_dets'].default == MAX_SOFT


@pytest.mark.parametrize('mode', ['bbox', 'keypoint', 'bbox_keypoint', 'bbox_rle'])
def test_scores(mode, monkeypatch):
    metric = CocoMetric(score_mode=mode, keypoint_score_thr=0.3, nms_mode='none', format_only=True, outfile_prefix='-')
    points, scores, box_scores, _ = people(20, 17, 0, 5)
    scores[3] = 0.1  # none counts
    written = []
    monkeypatch.setattr(metric, 'results2json', lambda valid, outfile_prefix: written.extend(valid[1]))
    monkeypatch.setattr(metric, 'gt_to_coco_json', lambda **_: None)
    monkeypatch.setattr(metric, 'coco', object())
    metric.dataset_meta = dict(num_keypoints=17, sigmas=np.full(17, 0.05))
    rows = zip(points, scores, box_scores, strict=True)
    shared = dict(img_id=1, category_id=1)
    preds = [
        dict(shared, id=i, keypoints=k[None], keypoint_scores=s[None], bbox_scores=np.array([b]))
        for i, (k, s, b) in enumerate(rows)
    ]
    metric.compute_metrics([(pred, {}) for pred in preds])
    ours = Scoring(score_mode=mode, keypoint_score_thr=0.3).scores(box_scores, scores)
    np.testing.assert_allclose(ours, [person['score'] for person in written])


@pytest.mark.parametrize('mode', [dict(nms_mode='nms'), dict(score_mode='rle')])
def test_other_modes_are_refused(mode):
    ((key, value),) = mode.items()
    with pytest.raises(ValueError, match=f"test_evaluator.{key}='{value}': expected one of "):
        Scoring(**mode)
