import pytest
from mmengine.evaluator import BaseMetric, Evaluator
from mmengine.registry import init_default_scope
from mmpose.registry import EVALUATORS, METRICS
from mmpose.structures import PoseDataSample

import vitpose_mm  # noqa: F401

POINTS = {i: dict(name=f'point{i}', id=i, color=[0, 0, 0], type='', swap='') for i in range(3)}
OURS = dict(
    dataset_name='three_points', keypoint_info=POINTS, skeleton_info={}, joint_weights=[1.0] * 3, sigmas=[0.05] * 3
)
COCO, MPII = dict(type='CocoDataset'), dict(type='CheckedMpiiDataset')
DATASETS = [COCO, dict(COCO, metainfo=OURS), MPII]


@METRICS.register_module()
class CountSamples(BaseMetric):
    """Returns the ids of its samples and the number of keypoints of its dataset."""

    default_prefix = None

    def process(self, data_batch, data_samples):
        assert len(data_batch['inputs']) == len(data_samples)
        self.results += [sample['id'] for sample in data_samples]

    def compute_metrics(self, results):
        return dict(ids=results, keypoints=self.dataset_meta['num_keypoints'])


def config(names=('coco', 'ours', 'mpii'), datasets=DATASETS):
    init_default_scope('mmpose')
    metrics = [dict(type='CountSamples', prefix=name) for name in names]
    return dict(type='PerDatasetEvaluator', metrics=metrics, datasets=datasets)


def evaluate(evaluator, *names):
    """Evaluate one sample of each name, whose ids count from 0."""
    # the loop sets the metainfo of the combined dataset
    evaluator.dataset_meta = dict(dataset_name='coco', num_keypoints=17)
    samples = [PoseDataSample(metainfo=dict(id=number, dataset_name=name)) for number, name in enumerate(names)]
    evaluator.process(samples, dict(inputs=[None] * len(names), data_samples=samples))
    return evaluator.evaluate(len(names))


def test_each_sample_reaches_the_metric_of_its_dataset():
    expected = {'coco/ids': [0], 'coco/keypoints': 17, 'ours/ids': [1, 3], 'ours/keypoints': 3}
    expected |= {'mpii/ids': [2], 'mpii/keypoints': 16}
    names = ('coco', 'three_points', 'mpii', 'three_points')
    assert evaluate(EVALUATORS.build(config()), *names) == expected
    # together with other metrics, as in the list that `mim test --dump` creates
    scores = evaluate(Evaluator([config(), dict(type='CountSamples', prefix='all')]), *names)
    assert scores.pop('all/ids') == [0, 1, 2, 3] and expected.items() <= scores.items()


def test_bad_arguments():
    for changes, message in (
        (dict(names=('coco', 'ours')), '2 metrics for 3 datasets: give one per dataset'),
        (dict(datasets=[COCO, dict(type='CheckedCocoDataset'), MPII]), "two datasets are named 'coco'"),
    ):
        with pytest.raises(ValueError, match=message):
            EVALUATORS.build(config(**changes))
