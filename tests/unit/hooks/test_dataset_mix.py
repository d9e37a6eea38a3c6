"""Datasets that do not fit the model are refused at the start; samples are counted per dataset."""

import logging
from types import SimpleNamespace

import pytest
from mmengine.logging import MessageHub
from mmpose.registry import HOOKS, MODELS
from mmpose.structures import PoseDataSample
from torch import nn

import vitpose_mm  # noqa: F401, registers

KEYPOINTS = dict(coco=17, aic=14, mpii=16)


def dataset(*names, keypoints=KEYPOINTS, whole=None):
    """A combined dataset's names and metainfo, without samples."""
    members = [SimpleNamespace(metainfo=dict(dataset_name=name, num_keypoints=keypoints[name])) for name in names]
    return SimpleNamespace(datasets=members, names=list(names), metainfo=dict(dataset_name=whole or names[0]))


def model(*names, default='coco', experts=()):
    heads = {
        name: dict(type='mmpose.HeatmapHead', in_channels=8, out_channels=KEYPOINTS[name], deconv_out_channels=None)
        for name in names
    }
    net = nn.Module()
    net.head = MODELS.build(dict(type='MultiDatasetHead', heads=heads, default_dataset=default))
    net.backbone = nn.Linear(1, 1)
    net.backbone.experts = experts
    return net


def runner(train, net, val=None, metrics=None, sampler=None, batch_size=4):
    loader = SimpleNamespace(dataset=train, sampler=sampler, batch_size=batch_size)
    loop = val and SimpleNamespace(
        dataloader=SimpleNamespace(dataset=val),
        evaluator=SimpleNamespace(metrics_dict=dict.fromkeys(metrics)) if metrics else SimpleNamespace(),
    )
    scalars = []
    return SimpleNamespace(
        train_dataloader=loader,
        model=net,
        val_loop=loop,
        test_loop=loop,
        epoch=4,
        logger=logging.getLogger('mix'),
        message_hub=MessageHub('mix'),
        scalars=scalars,
        visualizer=SimpleNamespace(add_scalars=lambda values, step: scalars.append((values, step))),
    )


def build():
    return HOOKS.build(dict(type='DatasetMixHook'))


def test_datasets_that_fit_are_accepted():
    net, data = model('coco', 'aic', 'mpii'), dataset('coco', 'aic')
    build().before_train(runner(data, net, val=data, metrics=['coco', 'aic']))
    build().before_test(runner(data, net, val=data))
    one = SimpleNamespace(metainfo=dict(dataset_name='aic', num_keypoints=14))
    build().before_test(runner(data, net, val=one))
    build().before_val(runner(data, model('coco', 'aic', default=None), val=data))
    build().before_train(runner(data, model('coco', 'aic', experts=('aic', 'coco'))))


@pytest.mark.parametrize(
    ('train', 'net', 'message'),
    [
        (dataset('coco', 'mpii'), model('coco', 'aic'), r"'mpii' has no decoder: the heads are \['coco', 'aic'\]"),
        (
            dataset('coco', 'aic', keypoints=dict(coco=17, aic=15)),
            model('coco', 'aic'),
            r"heads\['aic'\] has out_channels=14, but the metainfo of 'aic' has 15 keypoints: set out_channels=15",
        ),
        (
            dataset('coco', 'aic'),
            model('coco', 'aic', experts=('coco', 'mpii')),
            r"'aic' has no expert: .* \['coco', 'mpii'\]",
        ),
        (dataset('aic', 'coco'), model('coco', 'aic'), "default_dataset='coco', but .* is that of 'aic'"),
        (dataset('coco'), nn.Linear(1, 1), 'Linear has no MultiDatasetHead'),
    ],
)
def test_datasets_that_do_not_fit_are_refused(train, net, message):
    """Before training, validation and testing."""
    with pytest.raises(ValueError, match=message):
        build().before_train(runner(train, net))
    with pytest.raises(ValueError, match=message):
        build().before_test(runner(None, net, val=train))
    with pytest.raises(ValueError, match=message):
        build().before_val(runner(None, net, val=train))


def test_validation_set_is_checked_before_training():
    net = model('coco', 'aic')
    with pytest.raises(ValueError, match="'mpii' has no decoder"):
        build().before_train(runner(dataset('coco', 'aic'), net, val=dataset('coco', 'mpii')))
    data = dataset('coco', 'aic')
    with pytest.raises(ValueError, match=r"metrics for \['coco'\], the datasets are \['coco', 'aic'\]"):
        build().before_train(runner(data, net, val=data, metrics=['coco']))
    two_metrics = runner(data, net, val=data)  # as with `mim test --dump`
    two_metrics.test_loop.evaluator.metrics = [SimpleNamespace(metrics_dict=dict(coco=None)), SimpleNamespace()]
    with pytest.raises(ValueError, match=r"metrics for \['coco'\], the datasets are \['coco', 'aic'\]"):
        build().before_test(two_metrics)


def test_a_sampler_of_another_batch_size_is_refused():
    sampler, data = SimpleNamespace(num_per_source=[4, 2]), dataset('coco')
    build().before_train(runner(data, model('coco'), sampler=sampler, batch_size=6))
    with pytest.raises(ValueError, match='mixes batches of 6, but the loader has batch_size=8'):
        build().before_train(runner(data, model('coco'), sampler=sampler, batch_size=8))


def test_samples_are_counted_per_epoch(caplog):
    """In the order of the datasets; samples without a name count for the default; each epoch starts at 0."""
    hook, run = build(), runner(dataset('coco', 'aic'), model('aic', 'mpii', 'coco'))
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
