"""The extended OKS: values computed by hand, and pycocotools' OKS where nothing is absent."""

import numpy as np
import pytest
from mmpose.registry import METRICS
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

import vitpose_mm  # noqa: F401
from vitpose_mm.evaluators.extended_oks import extended_oks

SIGMAS = np.array([0.026, 0.079, 0.107, 0.089])


def test_absent_keypoints_count():
    similar, inside = np.full((3, 4), 0.8), np.array([[1, 1, 0, 0], [1, 1, 1, 1], [0, 0, 0, 0]], bool)
    presence = np.array([[0.9, 0.1, 0.5, 0.4], [0.5, 0.5, 0.5, 0.5], [0.2, 0.2, 0.2, 0.2]])
    np.testing.assert_allclose(extended_oks(similar, inside, presence), [(0.8 + 0 + 0 + 1) / 4, 0.8, 1])
    higher = extended_oks(similar, inside, presence, threshold=0.6)
    np.testing.assert_allclose(higher, [(0.8 + 0 + 1 + 1) / 4, 0, 1])


def test_keypoints_without_label_do_not_count():
    similar, inside = np.full((2, 4), 0.8), np.array([[1, 1, 0, 0]] * 2, bool)
    labeled = np.array([[1, 1, 1, 0], [0, 0, 0, 0]], bool)
    found = extended_oks(similar, inside, np.array([[0.9, 0.1, 0.2, 0.9]] * 2), labeled)
    np.testing.assert_allclose(found, [(0.8 + 0 + 1) / 3, np.nan])


def sample(labels, area, found, scale=(100, 200), **more):
    x1, y1, x2, y2 = 0, 0, 50, 100
    annotation = dict(keypoints=labels.ravel().tolist(), area=area, bbox=[x1, y1, x2, y2])
    truth = dict(
        bboxes=np.array([[x1, y1, x2, y2]]), keypoints=labels[None, :, :2], keypoints_visible=labels[None, :, 2]
    )
    found = dict(keypoints=found[None], **{key: np.array([value]) for key, value in more.items()})
    crop = dict(input_center=np.array([25, 50]), input_scale=np.array(scale))
    return dict(gt_instances=truth, pred_instances=found, raw_ann_info=annotation, **crop)


def evaluate(samples, **options):
    metric = METRICS.build(dict(type='ExtendedOKS', **options))
    metric.dataset_meta = dict(sigmas=SIGMAS)
    metric.process({}, samples)
    return metric.evaluate(len(samples))


def people():
    rng = np.random.default_rng(0)
    for i in range(20):
        labels = np.concatenate((rng.uniform(0, 50, (4, 2)), rng.integers(0, 3, (4, 1))), 1)
        labels[i % 4, 2] = 2
        yield labels, float(rng.uniform(500, 5000)), labels[:, :2] + rng.normal(0, 3, (4, 2))


def test_it_is_the_oks_of_pycocotools_if_nothing_is_absent(capsys):
    drawn = list(people())
    found = evaluate([sample(*person, keypoints_presence=np.full(4, 0.9)) for person in drawn])
    coco, results = COCO(), []
    shared = dict(category_id=1, iscrowd=0, bbox=[0, 0, 50, 100])
    coco.dataset = dict(images=[dict(id=i) for i in range(20)], categories=[dict(id=1)], annotations=[])
    for i, (labels, area, points) in enumerate(drawn):
        row = dict(shared, id=i + 1, image_id=i, area=area)
        number = int((labels[:, 2] > 0).sum())
        coco.dataset['annotations'].append(dict(row, keypoints=labels.ravel().tolist(), num_keypoints=number))
        keypoints = np.concatenate((points, np.ones((4, 1))), 1).ravel().tolist()
        results.append(dict(image_id=i, category_id=1, keypoints=keypoints, score=1.0))
    coco.createIndex()
    judge = COCOeval(coco, coco.loadRes(results), 'keypoints')
    judge.params.kpt_oks_sigmas = SIGMAS
    judge.evaluate()
    expected = np.mean([judge.ious[i, 1][0, 0] for i in range(20)])
    assert 0.2 < expected < 0.9
    assert found['presence/extended_OKS'] == pytest.approx(expected, abs=1e-9)
    assert found['presence/OKS'] == pytest.approx(expected, abs=1e-9) and found['presence/keypoints_outside'] == 0


def test_keypoints_outside_the_crop_are_right_where_they_are_predicted_absent():
    labels = np.array([[25, 50, 2], [25, 120, 2], [25, 180, 1], [25, 190, 0]], float)  # the crop ends at y = 150
    points = labels[:, :2].copy()
    for presence, expected in (([1, 1, 0, 0], 1), ([1, 0, 0, 1], 2 / 3), ([1, 1, 1, 0], 2 / 3), ([0, 0, 0, 0], 1 / 3)):
        found = evaluate([sample(labels, 900.0, points, keypoints_presence=np.array(presence, float))])
        assert found['presence/extended_OKS'] == pytest.approx(expected) and found['presence/keypoints_outside'] == 1
        assert found['presence/OKS'] == pytest.approx(1)
    without = sample(labels, 900.0, points)
    assert evaluate([without])['presence/extended_OKS'] == pytest.approx(2 / 3)  # all are predicted as present
    half = dict(without, raw_ann_info=None, pred_instances=dict(keypoints=points[None] + [3, 0]))
    area = 0.53 * 50 * 100
    expected = np.exp(-9 / (2 * SIGMAS[:2]) ** 2 / area / 2).sum() / 3
    assert evaluate([half], prefix='mpii')['mpii/extended_OKS'] == pytest.approx(expected)


def test_bad_data_is_refused():
    nobody = sample(np.zeros((4, 3)), 900.0, np.zeros((4, 2)))
    with pytest.raises(ValueError, match='no person with labeled keypoints'):
        evaluate([nobody])
    with pytest.raises(ValueError, match='3 keypoints and 4 sigmas'):
        evaluate([sample(np.zeros((3, 3)), 900.0, np.zeros((3, 2)))])
