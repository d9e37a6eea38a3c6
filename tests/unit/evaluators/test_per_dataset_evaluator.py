"""Each sample reaches the metric of its dataset, also if only the config names the dataset."""

import pytest
from mmengine.evaluator import BaseMetric, Evaluator
from mmengine.registry import init_default_scope
from mmpose.registry import EVALUATORS, METRICS
from mmpose.structures import PoseDataSample

import vitpose_mm  # noqa: F401

OURS = dict(
    dataset_name='three_points',
    keypoint_info={
        number: dict(name=f'point{number}', id=number, color=[0, 0, 0], type='', swap='') for number in range(3)
    },
    skeleton_info={},
    joint_weights=[1.0] * 3,
    sigmas=[0.05] * 3,
)
DATASETS = [dict(type='CocoDataset'), dict(type='CocoDataset', metainfo=OURS), dict(type='CheckedMpiiDataset')]


@METRICS.register_module()
class CountSamples(BaseMetric):
    """Returns the ids of its samples and the number of keypoints of its dataset."""

    default_prefix = None

    def process(self, data_batch, data_samples):
        assert len(data_batch['inputs']) == len(data_samples)
        self.results += [sample['id'] for sample in data_samples]

    def compute_metrics(self, results):
        return dict(ids=results, keypoints=self.dataset_meta['num_keypoints'])


def build(names=('coco', 'ours', 'mpii'), datasets=DATASETS):
    init_default_scope('mmpose')
    metrics = [dict(type='CountSamples', prefix=name) for name in names]
    return EVALUATORS.build(dict(type='PerDatasetEvaluator', metrics=metrics, datasets=datasets))


def sample(number, name):
    return PoseDataSample(metainfo=dict(id=number, dataset_name=name))


def test_each_sample_reaches_the_metric_of_its_dataset():
    evaluator = build()
    # the loop sets the metainfo of the combined dataset
    evaluator.dataset_meta = dict(dataset_name='coco', num_keypoints=17)
    names = ('coco', 'three_points', 'mpii', 'three_points')
    samples = [sample(number, name) for number, name in enumerate(names)]
    evaluator.process(samples, dict(inputs=[None] * 4, data_samples=samples))
    assert evaluator.evaluate(4) == {
        'coco/ids': [0],
        'coco/keypoints': 17,
        'ours/ids': [1, 3],
        'ours/keypoints': 3,
        'mpii/ids': [2],
        'mpii/keypoints': 16,
    }


def test_works_together_with_other_metrics():
    """As in the list of metrics that `mim test --dump` creates."""
    init_default_scope('mmpose')
    own = dict(
        type='PerDatasetEvaluator',
        datasets=DATASETS,
        metrics=[dict(type='CountSamples', prefix=name) for name in ('coco', 'ours', 'mpii')],
    )
    evaluator = Evaluator([own, dict(type='CountSamples', prefix='all')])
    evaluator.dataset_meta = dict(dataset_name='coco', num_keypoints=17)
    samples = [sample(number, name) for number, name in enumerate(('mpii', 'three_points'))]
    evaluator.process(samples, dict(inputs=[None] * 2, data_samples=samples))
    scores = evaluator.evaluate(2)
    assert (scores['mpii/ids'], scores['ours/ids'], scores['all/ids']) == ([0], [1], [0, 1])
    assert scores['mpii/keypoints'] == 16


def test_one_metric_per_dataset_is_required():
    with pytest.raises(ValueError, match='2 metrics for 3 datasets: give one per dataset'):
        build(names=('coco', 'ours'))


def test_two_datasets_with_the_same_name_are_refused():
    with pytest.raises(ValueError, match="two datasets are named 'coco'"):
        build(datasets=[DATASETS[0], dict(type='CheckedCocoDataset'), DATASETS[2]])
