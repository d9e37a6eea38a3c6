"""The study's own figures against results known beforehand."""

import numpy as np
import torch

from projects.calibration import study
from vitpose.predict.calibration.fitting import Judged
from vitpose.predict.calibration.labeled_boxes import LabeledBox


def test_the_area_under_the_curve_is_the_share_of_ordered_pairs():
    rng = np.random.default_rng(0)
    scores, good = rng.integers(0, 5, 40) / 5, rng.random(40) < 0.4
    pairs = [(a > b) + (a == b) / 2 for a in scores[good] for b in scores[~good]]
    np.testing.assert_allclose(study.auroc(scores, good), np.mean(pairs))


def test_false_boxes_lower_the_precision_only_as_far_as_they_are_ranked_high():
    points = np.random.default_rng(0).uniform(20, 80, (5, 17, 2))
    labels = np.concatenate((points, np.full((5, 17, 1), 2)), -1)
    samples = [(i + 1, LabeledBox('', 'jittered', (0, 0, 99, 99), labels[i], 70.0)) for i in range(5)]
    samples += [(1, LabeledBox('', 'background', (0, 0, 9, 9), labels[0] * 0, 0.0))] * 2
    people = [
        dict(id=i + 1, image_id=i + 1, category_id=1, iscrowd=0, area=5000, bbox=[0, 0, 99, 99], num_keypoints=17)
        | dict(keypoints=labels[i].ravel().tolist())
        for i in range(5)
    ]
    content = dict(images=[dict(id=i + 1) for i in range(5)], annotations=people, categories=[dict(id=1)])
    places = np.concatenate((points, np.zeros((2, 17, 2))))
    for false, expected in ((0.1, 1.0), (0.9, 0.75)):
        peaks = torch.cat((torch.full((5, 17), 0.5), torch.full((2, 17), false)))
        judged = Judged(*[torch.zeros(7)] * 2, peaks, *[torch.zeros(7)] * 4)
        precision = study.precision(None, judged, places, samples, content, 'jittered', 0)
        assert (precision == 1) if expected == 1 else precision < 0.75
