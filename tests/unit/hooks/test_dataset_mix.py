"""Samples are counted per dataset and epoch."""

import logging
from types import SimpleNamespace

import pytest
from mmengine.logging import MessageHub
from mmpose.datasets import CombinedDataset
from mmpose.registry import HOOKS
from mmpose.structures import PoseDataSample

import vitpose_mm  # noqa: F401, registers


def dataset(*names):
    return SimpleNamespace(datasets=[SimpleNamespace(metainfo=dict(dataset_name=name)) for name in names])


def runner(train, head):
    scalars, hub, logger = [], MessageHub('mix'), logging.getLogger('mix')
    visualizer = SimpleNamespace(add_scalars=lambda values, step: scalars.append((values, step)))
    model, loader = SimpleNamespace(head=head), SimpleNamespace(dataset=train)
    parts = dict(model=model, train_dataloader=loader, message_hub=hub, visualizer=visualizer, logger=logger)
    return SimpleNamespace(**parts, epoch=4, scalars=scalars)


def test_samples_are_counted_per_epoch(caplog):
    """In the order of the datasets; samples without a name count for the default; each epoch starts at 0."""
    head = SimpleNamespace(heads=dict.fromkeys(('aic', 'mpii', 'coco')), default_dataset='coco')
    hook, run = HOOKS.build(dict(type='DatasetMixHook')), runner(dataset('coco', 'aic'), head)
    hook.before_train(run)
    with caplog.at_level(logging.INFO, 'mix'):
        for names in (['coco', 'aic', 'aic'], ['aic', None]):
            samples = [PoseDataSample(metainfo=dict(dataset_name=name) if name else {}) for name in names]
            hook.after_train_iter(run, 0, data_batch=dict(data_samples=samples))
        hook.after_train_epoch(run)
        hook.after_train_epoch(run)
    assert [record.message for record in caplog.records] == [
        'Samples of epoch 5: coco 2, aic 3, mpii 0',
        'Samples of epoch 5: coco 0, aic 0, mpii 0',
    ]
    assert run.scalars[0] == ({'samples/coco': 2, 'samples/aic': 3, 'samples/mpii': 0}, 5)
    assert run.message_hub.get_scalar('samples/aic').data[0].tolist() == [3, 0]


def mmposes_combined(*names):
    data = CombinedDataset.__new__(CombinedDataset)
    data.datasets, data._metainfo = dataset(*names).datasets, dict(dataset_name='halpe')
    return data


@pytest.mark.parametrize('combined', [dataset, mmposes_combined])
def test_a_model_with_one_head_is_counted_too(combined):
    hook, run = HOOKS.build(dict(type='DatasetMixHook')), runner(combined('coco', 'aic'), SimpleNamespace())
    hook.before_train(run)
    batch = dict(data_samples=[PoseDataSample(metainfo=dict(dataset_name='aic')), PoseDataSample()])
    hook.after_train_iter(run, 0, data_batch=batch)
    hook.after_train_epoch(run)
    assert run.scalars == [({'samples/coco': 0, 'samples/aic': 1}, 5)]
