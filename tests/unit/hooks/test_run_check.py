"""A run whose checkpoint, data and model do not fit together is refused before anything is loaded."""

import re
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from mmengine.registry import init_default_scope
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop, TestLoop, ValLoop
from mmengine.runner.checkpoint import _load_checkpoint_to_model
from mmpose.datasets import CombinedDataset
from mmpose.registry import HOOKS, MODELS, TRANSFORMS

from vitpose_mm.datasets.transforms import DecodeAndCrop
from vitpose_mm.estimators import DeviceCropPreprocessor
from vitpose_mm.hooks import RunCheckHook, run_check
from vitpose_mm.networks.heatmaps.confidence import Confidence, fingerprint

UDP = dict(type='UDPHeatmap', input_size=(48, 64), heatmap_size=(12, 16), sigma=2)
CLASSIC = dict(UDP, type='MSRAHeatmap')
REFUSED = r'KeypointTarget in its pipeline, which leaves the heatmaps to the head.*GenerateTarget'
KEYPOINTS = dict(coco=17, aic=14, mpii=16)
VIT = dict(type='ViT', arch=dict(depth=1, embed_dim=8, num_heads=1))


def head_of(keypoints=17, kind='mmpose.HeatmapHead', **more):
    plain = dict(deconv_out_channels=None) if kind == 'mmpose.HeatmapHead' else {}
    return dict(dict(type=kind, in_channels=8, out_channels=keypoints), **plain, **more)


def estimator(head, backbone=VIT, **more):
    init_default_scope('mmpose')
    return MODELS.build(dict(dict(type='TopdownPoseEstimator', backbone=backbone, head=head), **more))


def model(keypoints=17, decoder=UDP, **more):
    return estimator(head_of(keypoints, decoder=decoder), **more)


def multi_model(*names, default='coco', experts=(), keypoints=KEYPOINTS, **more):
    heads = {name: head_of(keypoints[name], **more) for name in names}
    backbone = dict(VIT, experts=dict(names=list(experts), expert_dim=4)) if experts else VIT
    head = dict(type='MultiDatasetHead', heads=heads, default_dataset=default)
    return estimator(head, backbone, type=f'{"MultiDataset" if experts else "Topdown"}PoseEstimator')


def dataset(*steps, name='coco', keypoints=17):
    """A dataset's metainfo and pipeline, without samples."""
    init_default_scope('mmpose')
    return SimpleNamespace(
        metainfo=dict(dataset_name=name, num_keypoints=keypoints),
        pipeline=SimpleNamespace(transforms=[TRANSFORMS.build(step) for step in steps]),
    )


def combined(*names, keypoints=KEYPOINTS, whole=None):
    """A combined dataset's names and metainfo, without samples."""
    members = [dataset(name=name, keypoints=keypoints[name]) for name in names]
    return SimpleNamespace(datasets=members, names=list(names), metainfo=dict(dataset_name=whole or names[0]))


def mmposes_combined(*names, whole='halpe', keypoints=17, steps=()):
    """MMPose's combined dataset: one pipeline and one metainfo, of a dataset that is none of its parts."""
    data, merged = CombinedDataset.__new__(CombinedDataset), dataset(*steps, name=whole, keypoints=keypoints)
    data.datasets, data._metainfo, data.pipeline = [dataset(name=n) for n in names], merged.metainfo, merged.pipeline
    return data


def encoded(encoder, transform='GenerateTarget'):
    return dataset(dict(type=transform, encoder=encoder))


CONVERTER = dict(type='KeypointConverter', num_keypoints=14, mapping=[(0, 0)])


def test_outputs_that_are_not_one_per_keypoint():
    """Heatmaps with offsets have three channels per keypoint; some models output only some of their keypoints."""
    run_check.check_keypoints(dataset(), model(51, dict(UDP, heatmap_type='combined')), 'train')
    part = model(133, test_cfg=dict(output_keypoint_indices=list(range(17))))
    run_check.check_keypoints(dataset(), part, 'test')
    with pytest.raises(ValueError, match='predicts 133'):
        run_check.check_keypoints(dataset(), part, 'train')


LOOPS = dict(train=EpochBasedTrainLoop, val=ValLoop, test=TestLoop)


def start(**more):
    """Run the hook on a runner whose loops are only configs, unless they are given."""
    loops = {f'_{name}_loop': {} for name in LOOPS}
    config = SimpleNamespace(filename='x.py')
    options = dict(_load_from=None, _resume=False, cfg=config, work_dir='.', hooks=[], **loops)
    runner = SimpleNamespace(**{**options, **more})
    HOOKS.build(dict(type='RunCheckHook')).before_run(runner)
    return runner


def run_split(data, net, split, metrics=None, more=(), kind=None, sampler=None, batch_size=4):
    kind = kind or LOOPS[split]
    loop = kind.__new__(kind)
    loop.dataloader = SimpleNamespace(dataset=data, sampler=sampler, batch_size=batch_size)
    evaluator = SimpleNamespace(metrics=more, **(dict(metrics_dict=dict.fromkeys(metrics)) if metrics else {}))
    if split != 'train':
        loop.evaluator = evaluator
    start(model=net, train_dataloader=loop.dataloader, **{f'_{split}_loop': loop})


ONE, TWO, SMALL = model(14), multi_model('coco', 'aic'), dataset(keypoints=14)
TWO_OF_14 = multi_model('coco', 'aic', keypoints=dict(coco=14, aic=14))
COUNT = "predicts 14 keypoints .*, but .*_dataloader has dataset 'coco' with 17: set model.head.out_channels=17"


@pytest.mark.parametrize('split', LOOPS)
@pytest.mark.parametrize(
    ('data', 'net', 'message'),
    [
        # one, combined, converted and wrapped datasets, and those without metainfo
        (SMALL, ONE, None),
        (SimpleNamespace(datasets=[SMALL]), ONE, None),
        (dataset(CONVERTER), ONE, None),
        (SimpleNamespace(dataset=SimpleNamespace(datasets=[SMALL, SimpleNamespace()])), ONE, None),
        (SimpleNamespace(), ONE, None),
        (mmposes_combined('coco', 'aic', keypoints=14), TWO_OF_14, None),
        (mmposes_combined('coco', 'mpii', keypoints=14), TWO_OF_14, "'mpii' has no decoder"),
        (dataset(), ONE, COUNT),
        (SimpleNamespace(datasets=[SMALL, dataset()]), ONE, COUNT),
        (SimpleNamespace(dataset=dataset()), ONE, COUNT),
        # a model of several datasets
        (combined('coco', 'aic'), multi_model('coco', 'aic', 'mpii'), None),
        (dataset(name='aic', keypoints=14), TWO, None),
        (dataset(CONVERTER, name='aic'), TWO, None),
        (combined('aic', 'coco'), multi_model('coco', 'aic', default=None), None),
        (combined('aic', 'coco', whole='coco'), TWO, None),
        (combined('aic', 'coco'), TWO, "default_dataset='coco', but .* is that of 'aic'"),
        (
            combined('coco', 'mpii'),
            TWO,
            r"'mpii' has no decoder: add it to model.head.heads, which has \['coco', 'aic'\]",
        ),
        (
            combined('coco', 'aic', keypoints=dict(coco=17, aic=15)),
            TWO,
            r"predicts 14 keypoints .*'aic' with 15: set model.head.heads.aic.out_channels=15",
        ),
        (combined('coco', 'aic'), multi_model('coco', 'aic', experts=('aic', 'coco')), None),
        (
            combined('coco', 'aic'),
            multi_model('coco', 'aic', experts=('coco', 'mpii')),
            r"'aic' has no expert: .* \['coco', 'mpii'\]",
        ),
    ],
)
def test_datasets_must_fit_the_model(split, data, net, message):
    with pytest.raises(ValueError, match=message) if message else nullcontext():
        run_split(data, net, split)


DUMPED = [SimpleNamespace(metrics_dict=dict(coco=None)), SimpleNamespace()]  # two metrics, as with `mim test --dump`


@pytest.mark.parametrize(
    ('split', 'options'),
    [('val', dict(metrics=['coco'])), ('test', dict(metrics=['coco'])), ('test', dict(more=DUMPED))],
)
def test_each_dataset_needs_a_metric(split, options):
    run_split(combined('coco', 'aic'), TWO, split, metrics=['coco', 'aic'])
    run_split(mmposes_combined('coco', 'aic', keypoints=14), TWO_OF_14, split, metrics=['coco', 'aic'])
    with pytest.raises(ValueError, match=r"metrics for \['coco'\], the datasets are \['coco', 'aic'\]"):
        run_split(combined('coco', 'aic'), TWO, split, **options)


def test_a_sampler_of_another_batch_size_is_refused():
    sampler = SimpleNamespace(num_per_source=[4, 2])
    run_split(dataset(), model(), 'train', sampler=sampler, batch_size=6)
    with pytest.raises(ValueError, match='sampler has batch_size=6, its loader 8'):
        run_split(dataset(), model(), 'train', sampler=sampler, batch_size=8)


@pytest.mark.parametrize(
    ('split', 'kind'), [('train', None), ('train', IterBasedTrainLoop), ('val', None), ('test', None)]
)
def test_only_the_loops_that_run_are_checked(split, kind):
    """The other loops are only configs; a metric may map one dataset's keypoints to another's."""
    data = encoded(CLASSIC)
    run_split(data, model(decoder=CLASSIC), split, kind=kind)
    with pytest.raises(ValueError, match=f'but {split}_dataloader has'):
        run_split(data, model(14, CLASSIC), split, kind=kind)
    if split == 'train':
        with pytest.raises(ValueError, match='encodes with MSRAHeatmap'):
            run_split(data, model(), split, kind=kind)
    else:
        run_split(data, model(14), split, more=[SimpleNamespace(pred_converter=object())])


def test_targets_must_have_the_codec_of_the_head():
    run_check.check_targets(encoded(dict(UDP, blur_kernel_size=3)), model())
    run_check.check_targets(encoded(CLASSIC), model(decoder=None))
    for other in (CLASSIC, dict(UDP, sigma=3), dict(UDP, input_size=(96, 128)), dict(UDP, heatmap_size=(24, 32))):
        with pytest.raises(ValueError, match=rf'encodes with {other["type"]}\(.*decodes with UDPHeatmap\(.*sigma=2'):
            run_check.check_targets(encoded(other), model())
    data = mmposes_combined('coco', 'aic', steps=[dict(type='GenerateTarget', encoder=UDP)])
    run_check.check_targets(data, multi_model('coco', 'aic', decoder=UDP))
    with pytest.raises(ValueError, match="pipeline of 'coco' encodes with UDPHeatmap.*decodes with MSRAHeatmap"):
        run_check.check_targets(data, multi_model('coco', 'aic', decoder=CLASSIC))


def test_images_that_the_pipeline_does_not_crop_need_a_preprocessor_that_does():
    data, net = encoded(UDP), model()
    data.pipeline.transforms.append(DecodeAndCrop((48, 64), device_crop=True))
    with pytest.raises(ValueError, match=r"expected model.data_preprocessor.type='DeviceCropPreprocessor'"):
        run_check.check_targets(data, net)
    net.data_preprocessor = DeviceCropPreprocessor()
    run_check.check_targets(data, net)


BATCH_UDP = dict(UDP, type='BatchUDPHeatmap')


@pytest.mark.parametrize(
    ('kind', 'decoder', 'message'),
    [
        ('mmpose.HeatmapHead', UDP, REFUSED),
        ('SimpleHead', BATCH_UDP, None),
        ('SimpleHead', dict(BATCH_UDP, sigma=3), r'use the same codec in KeypointTarget\('),
        ('SimpleHead', UDP, REFUSED),
        ('SimpleHead', None, REFUSED),
    ],
)
def test_targets_left_to_the_head_need_a_head_that_makes_them(kind, decoder, message):
    net = estimator(head_of(kind=kind, decoder=decoder))
    with pytest.raises(ValueError, match=message) if message else nullcontext():
        run_check.check_targets(encoded(BATCH_UDP, 'KeypointTarget'), net)


def test_a_missing_checkpoint_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ('configs/coco/base.py', 'configs/transfer/stage1.py', 'work_dirs/base/epoch_2.pth'):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    for load_from in (None, 'https://some.where/epoch_4.pth', 'work_dirs/base/epoch_2.pth'):
        run_check.check_load_from(load_from, None)
    message = '`mim train mmpose configs/coco/base.py` writes it; .*--cfg-options load_from=work_dirs/base/epoch_2.pth$'
    with pytest.raises(FileNotFoundError, match=message):
        run_check.check_load_from('work_dirs/base/epoch_4.pth', 'configs/transfer/stage1.py')
    with pytest.raises(FileNotFoundError, match=r'configs/.../large.py` writes it; work_dirs/large has no epoch'):
        run_check.check_load_from('work_dirs/large/epoch_4.pth', 'base.py')


def check_loaded(net, checkpoint, training=False, load_from='vitpose-safe://a.pth'):
    """Give the hook a checkpoint that a runner has read."""
    loop = EpochBasedTrainLoop.__new__(EpochBasedTrainLoop) if training else None
    if training:
        loop.__dict__['_dataloader'] = loop.__dict__['dataloader'] = SimpleNamespace(dataset=None)
    runner = SimpleNamespace(model=net, _train_loop=loop, _load_from=load_from)
    RunCheckHook().after_load_checkpoint(runner, checkpoint)


@pytest.mark.parametrize('prefix', ['', 'module._orig_mod.'])
@pytest.mark.parametrize('wrapper', ['state_dict', 'model', None])
def test_a_wrapped_checkpoint_loads(prefix, wrapper):
    source, target = model(), model()
    weights = {prefix + key: value + 1 for key, value in source.state_dict().items()}
    checkpoint = {wrapper: weights} if wrapper else weights
    check_loaded(target, checkpoint)
    assert set(checkpoint['state_dict']) == set(source.state_dict())
    assert torch.equal(target.backbone.pos_embed, source.backbone.pos_embed + 1)


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'neck.weight': torch.ones(1)}, r'1 keys \(neck.weight\) unexpected, 0 keys missing. To start from'),
        ({'head.final_layer.bias': None}, r'0 keys unexpected, 1 keys \(head.final_layer.bias\) missing'),
    ],
)
def test_left_over_and_missing_keys_are_an_error(changes, message):
    weights = {key: value for key, value in {**model().state_dict(), **changes}.items() if value is not None}
    with pytest.raises(ValueError, match=message):
        check_loaded(model(), dict(state_dict=weights))


@pytest.mark.parametrize('prefix', ['', 'backbone.', 'student.backbone.'])
def test_the_message_names_the_line_that_starts_from_this_file(prefix):
    weights = {prefix + key: value for key, value in model().backbone.state_dict().items()}
    line = "init_cfg=dict(type='Pretrained', checkpoint='a.pth'" + (f', prefix={prefix!r})' if prefix else ')')
    message = f'. To start from its ViT alone, set model.backbone.{line} instead of load_from'
    with pytest.raises(ValueError, match=re.escape(message)):
        check_loaded(model(), dict(state_dict=weights))


def test_a_file_that_the_caller_of_the_runner_names_is_refused_too():
    with pytest.raises(ValueError, match="1 keys .* unexpected.*checkpoint='FILE'"):
        check_loaded(model(), dict(state_dict=model().state_dict() | {'neck.weight': torch.ones(1)}), load_from=None)


def test_a_checkpoint_is_adapted_once(logged):
    """The load of the check is kept: MMEngine then loads the model's own weights."""
    source, target = model(), model()
    weights = {
        key.replace('backbone.layers.', 'backbone.blocks.'): value + 1 for key, value in source.state_dict().items()
    }
    weights['backbone.pos_embed'] = F.pad(weights['backbone.pos_embed'], (0, 0, 1, 0), value=1.0)
    checkpoint = dict(state_dict=weights, meta={})
    check_loaded(target, checkpoint)
    _load_checkpoint_to_model(target, checkpoint)
    assert torch.equal(target.backbone.pos_embed, source.backbone.pos_embed + 1 + 1)
    assert logged().count('its extra slot is added to every position') == 1


def test_models_without_a_vit_are_left_to_mmengine():
    check_loaded(torch.nn.Linear(2, 2), dict(state_dict={'x': 1}))


@pytest.mark.parametrize(
    ('load_from', 'resume', 'expected'),
    [
        ('a.pth', False, 'vitpose-safe://a.pth'),
        ('https://host/a.pth', False, 'vitpose-safe://https://host/a.pth'),
        ('open-mmlab://a', False, 'open-mmlab://a'),
        ('a.pth', True, 'vitpose-resume://a.pth'),
        ('pointer', True, 'vitpose-resume://a.pth'),
        (None, True, None),
        (None, False, None),
    ],
)
def test_load_from_is_read_safely(tmp_path, monkeypatch, load_from, resume, expected):
    """A resumed run also reads the file that MMEngine's pointer names."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'a.pth').touch()
    if load_from == 'pointer':
        (tmp_path / 'last_checkpoint').write_text('a.pth')
        load_from = None
    assert start(_load_from=load_from, _resume=resume)._load_from == expected


def simple(keypoints, **more):
    return estimator(head_of(keypoints, 'SimpleHead', **more))


@pytest.mark.parametrize('named', [True, False])
def test_another_number_of_keypoints_keeps_those_of_the_same_name(named, logged):
    source, target = simple(3), simple(2, allow_new_final_layer=True)
    before = target.head.final_layer.weight.detach().clone()
    meta = dict(dataset_meta=dict(keypoint_id2name={0: 'nose', 1: 'tail', 2: 'paw'})) if named else {}
    run_check.set_kept_keypoints(target, meta, SimpleNamespace(metainfo=dict(keypoint_id2name={0: 'ear', 1: 'nose'})))
    run_check.check_weights(target, {key: value + 1 for key, value in source.state_dict().items()}, 'FILE')
    weight = target.head.final_layer.weight
    assert torch.equal(weight[0], before[0])
    assert torch.equal(weight[1], source.head.final_layer.weight[0] + 1 if named else before[1])
    assert torch.equal(target.backbone.pos_embed, source.backbone.pos_embed + 1)
    pairs = "(this head's: the checkpoint's): {1: 0}" if named else ''
    assert f'its last layer is new, except for {int(named)} keypoints of the same name {pairs}' in logged()


def test_keypoints_in_another_order_keep_their_weights():
    source, target = simple(2), simple(2, allow_new_final_layer=True)
    names = dict(dataset_meta=dict(keypoint_id2name={0: 'nose', 1: 'tail'}))
    run_check.set_kept_keypoints(target, names, SimpleNamespace(metainfo=dict(keypoint_id2name={0: 'tail', 1: 'nose'})))
    run_check.check_weights(target, source.state_dict(), 'FILE')
    target.load_state_dict(target.state_dict())  # as MMEngine does after the hook
    assert torch.equal(target.head.final_layer.weight, source.head.final_layer.weight.flip(0))


def test_a_converted_file_names_its_dataset():
    """The shipped model is one: a person's keypoints keep their weights."""
    head = head_of(2, 'SimpleHead', allow_new_final_layer=True)
    metainfo = dict(keypoint_id2name={0: 'tail', 1: 'left_wrist'})
    for dataset, kept in (('coco', {1: 9}), ('../coco', {}), (None, {})):
        target = estimator(head)
        run_check.set_kept_keypoints(target, dict(dataset=dataset), SimpleNamespace(metainfo=metainfo))
        assert target.head.kept_keypoints == kept


def test_a_decoder_that_the_checkpoint_lacks_stays_absent_in_a_run():
    """MMEngine loads what the hook leaves in the checkpoint: the random decoder must not be in it."""
    decoder = head_of(17, 'SimpleHead')
    two = estimator(dict(type='MultiDatasetHead', heads=dict(coco=decoder, aic=decoder), default_dataset='coco'))
    checkpoint = dict(state_dict=simple(17).state_dict(), meta={})
    check_loaded(two, checkpoint)
    two.load_state_dict(checkpoint['state_dict'], strict=False)
    assert two.head.absent == {'aic'}


@pytest.mark.parametrize('training', [True, False])
def test_a_new_last_layer_is_trained_but_not_tested(training):
    """MMEngine loads what the hook leaves in the checkpoint: in a test the random layer must not be in it."""
    target = simple(2, allow_new_final_layer=True)
    checkpoint = dict(state_dict=simple(3).state_dict())
    check_loaded(target, checkpoint, training)
    target.load_state_dict(checkpoint['state_dict'], strict=False)
    with nullcontext() if training else pytest.raises(ValueError, match='random values'):
        target.train(training)(torch.zeros(1, 3, *target.backbone.img_size), None)


PRESENCE = dict(decoder=dict(UDP, type='BatchUDPHeatmap', presence=True), presence=True)


def test_presence_that_the_checkpoint_lacks_stays_unpredicted_in_a_run():
    target = simple(17, **PRESENCE)
    for source, filled in ((simple(17), False), (simple(17, **PRESENCE), True)):
        checkpoint = dict(state_dict=source.state_dict(), meta={})
        check_loaded(target, checkpoint)
        target.load_state_dict(checkpoint['state_dict'], strict=False)
        assert target.head.presence.filled is filled


def test_a_test_uses_the_calibration_of_its_checkpoint():
    """In a training the weights change, so that it does not hold."""
    source, module = simple(17), Confidence(8, 17, width=4)
    weights = source.state_dict()
    stored = {f'head.confidence.{key}': value for key, value in module.state_dict().items()}
    stored['head.confidence.fingerprint'] = fingerprint(weights)
    target = simple(17)
    check_loaded(target, dict(state_dict=weights | stored))
    torch.testing.assert_close(target.head.calibration.index, module.index)
    assert target.state_dict().keys() == weights.keys()
    check_loaded(target, dict(state_dict=weights))  # the next checkpoint is not calibrated
    assert target.head.calibration is None
    resnet = estimator(head_of(17, 'SimpleHead', in_channels=512), dict(type='ResNet', depth=18))
    fixed = {'head.confidence.fingerprint': fingerprint(resnet.state_dict())}
    check_loaded(resnet, dict(state_dict=resnet.state_dict() | stored | fixed))
    torch.testing.assert_close(resnet.head.calibration.index, module.index)
    changed = weights | stored | {'head.final_layer.bias': torch.ones(17)}
    with pytest.raises(ValueError, match='calibrated for other weights'):
        check_loaded(simple(17), dict(state_dict=changed))
    trained = simple(17)
    check_loaded(trained, dict(state_dict=changed), training=True)
    assert trained.head.calibration is None


ROW = dict(id=1, image_id=1, category_id=1, area=1.0, bbox=[0, 0, 9, 9], keypoints=[1, 1, 2])


def lacking(field):
    return dict(annotations=[ROW, {key: value for key, value in ROW.items() if key != field}])


@pytest.mark.parametrize(
    ('change', 'use_area', 'message'),
    [
        (dict(categories=[]), False, r'categories: expected a list of at least one, got 0: \[\]'),
        (dict(categories=None), False, 'categories: expected a list, got nothing'),
        (
            dict(annotations=[ROW | dict(iscrowd=None)]),
            False,
            r'annotations\[0\]: iscrowd: expected 0 or 1, got nothing',
        ),
        (dict(annotations=[ROW | dict(iscrowd='0')]), False, r"annotations\[0\]: iscrowd: expected 0 or 1, got '0'"),
        (dict(annotations=[ROW | dict(iscrowd=1), ROW | dict(iscrowd=False)]), False, None),
        (lacking('area'), True, r'annotations\[1\]: area: expected a number from 0, got nothing'),
        (lacking('area'), False, None),
        (lacking('bbox'), False, r'annotations\[1\]: bbox: expected 4 numbers'),
        (lacking('keypoints'), True, r'annotations\[1\]: keypoints: expected 3 numbers'),
        ({}, True, None),
    ],
)
def test_what_the_evaluation_reads(change, use_area, message):
    content = dict(images=[], annotations=[ROW], categories=[dict(id=1, keypoints=['a'])]) | change
    metric = SimpleNamespace(coco=SimpleNamespace(dataset=content), use_area=use_area, ann_file='val.json')
    loop = SimpleNamespace(dataloader=None, evaluator=SimpleNamespace(metrics=[metric]))
    with pytest.raises(ValueError, match=f'val.json: {message}') if message else nullcontext():
        run_check._check_loop(loop)
    del content['categories']
    with pytest.raises(ValueError, match='val.json: categories: expected a list of at least one, got nothing'):
        run_check._check_loop(loop)
