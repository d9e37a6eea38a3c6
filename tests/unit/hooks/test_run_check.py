"""A run whose checkpoint, data and model do not fit together is refused before anything is loaded."""

from types import SimpleNamespace

import pytest
import torch
from mmengine.registry import init_default_scope
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop, TestLoop, ValLoop
from mmengine.runner.checkpoint import _load_checkpoint_to_model
from mmpose.registry import HOOKS, MODELS, TRANSFORMS

import vitpose_mm  # noqa: F401, registers
from vitpose_mm.hooks.run_check import (
    RunCheckHook,
    check_keypoints,
    check_load_from,
    check_targets,
    check_weights,
    set_kept_keypoints,
)

UDP = dict(type='UDPHeatmap', input_size=(48, 64), heatmap_size=(12, 16), sigma=2)
CLASSIC = dict(UDP, type='MSRAHeatmap')


def model(keypoints=17, decoder=UDP, head='mmpose.HeatmapHead', **more):
    init_default_scope('mmpose')
    head = dict(type=head, in_channels=8, out_channels=keypoints, deconv_out_channels=None, decoder=decoder)
    return MODELS.build(
        dict(
            type='TopdownPoseEstimator',
            backbone=dict(type='ViT', arch=dict(depth=1, embed_dim=8, num_heads=1)),
            head=head,
            **more,
        )
    )


def dataset(*steps, name='coco', keypoints=17):
    """A dataset's metainfo and pipeline, without samples."""
    init_default_scope('mmpose')
    return SimpleNamespace(
        metainfo=dict(dataset_name=name, num_keypoints=keypoints),
        pipeline=SimpleNamespace(transforms=[TRANSFORMS.build(step) for step in steps]),
    )


CONVERTER = dict(type='KeypointConverter', num_keypoints=14, mapping=[(0, 0)])


@pytest.mark.parametrize(
    'data',
    [
        dataset(keypoints=14),
        SimpleNamespace(datasets=[dataset(keypoints=14)]),
        dataset(CONVERTER),
        SimpleNamespace(dataset=SimpleNamespace(datasets=[dataset(keypoints=14), SimpleNamespace()])),
        SimpleNamespace(),
    ],
)
def test_a_matching_number_of_keypoints_is_accepted(data):
    """For combined, wrapped and converted datasets, and for datasets without metainfo."""
    check_keypoints(data, model(14), 'train')


@pytest.mark.parametrize(
    'data',
    [dataset(), SimpleNamespace(datasets=[dataset(keypoints=14), dataset()]), SimpleNamespace(dataset=dataset())],
)
def test_another_number_of_keypoints_is_refused(data):
    message = "predicts 14 keypoints .*, but val_dataloader has dataset 'coco' with 17: set model.head.out_channels=17"
    with pytest.raises(ValueError, match=message):
        check_keypoints(data, model(14), 'val')


def test_outputs_that_are_not_one_per_keypoint():
    """Heatmaps with offsets have three channels per keypoint; some models output only some of their keypoints."""
    check_keypoints(dataset(), model(51, dict(UDP, heatmap_type='combined')), 'train')
    part = model(133, test_cfg=dict(output_keypoint_indices=list(range(17))))
    check_keypoints(dataset(), part, 'test')
    with pytest.raises(ValueError, match='predicts 133'):
        check_keypoints(dataset(), part, 'train')


KEYPOINTS = dict(coco=17, aic=14, mpii=16)


def loading(model):
    """A runner that loads a checkpoint, as far as the hook reads it."""
    return SimpleNamespace(model=model, _train_loop=None, _load_from='vitpose-safe://a.pth')


def combined(*names, keypoints=KEYPOINTS, whole=None):
    """A combined dataset's names and metainfo, without samples."""
    members = [dataset(name=name, keypoints=keypoints[name]) for name in names]
    return SimpleNamespace(datasets=members, names=list(names), metainfo=dict(dataset_name=whole or names[0]))


def several(*names, default='coco', experts=()):
    """A model with a head per dataset."""
    init_default_scope('mmpose')
    heads = {
        name: dict(type='mmpose.HeatmapHead', in_channels=8, out_channels=KEYPOINTS[name], deconv_out_channels=None)
        for name in names
    }
    vit = dict(type='ViT', arch=dict(depth=1, embed_dim=8, num_heads=1))
    if experts:
        vit['experts'] = dict(names=list(experts), expert_dim=4)
    head = dict(type='MultiDatasetHead', heads=heads, default_dataset=default)
    return MODELS.build(dict(type='MultiDatasetPoseEstimator', backbone=vit, head=head))


def run_splits(data, net, splits=('train', 'val', 'test'), metrics=None, more=(), sampler=None, batch_size=4):
    """Run the hook on loops over a dataset, one split at a time."""
    for split in splits:
        kind = dict(train=EpochBasedTrainLoop, val=ValLoop, test=TestLoop)[split]
        loop = kind.__new__(kind)
        loop.dataloader = SimpleNamespace(dataset=data, sampler=sampler, batch_size=batch_size)
        evaluator = SimpleNamespace(metrics=more)
        if metrics:
            evaluator.metrics_dict = dict.fromkeys(metrics)
        if split != 'train':
            loop.evaluator = evaluator
        loops = {**dict.fromkeys(('_train_loop', '_val_loop', '_test_loop')), f'_{split}_loop': loop}
        config = SimpleNamespace(filename=None)
        RunCheckHook().before_run(
            SimpleNamespace(
                _load_from=None, _resume=False, cfg=config, model=net, train_dataloader=loop.dataloader, **loops
            )
        )


def test_datasets_that_fit_a_model_of_several_are_accepted():
    net, data = several('coco', 'aic', 'mpii'), combined('coco', 'aic')
    run_splits(data, net, metrics=['coco', 'aic'])
    run_splits(dataset(name='aic', keypoints=14), net)
    run_splits(dataset(CONVERTER, name='aic'), net)
    run_splits(combined('aic', 'coco'), several('coco', 'aic', default=None))
    run_splits(combined('aic', 'coco', whole='coco'), several('coco', 'aic'))
    run_splits(data, several('coco', 'aic', experts=('aic', 'coco')))


@pytest.mark.parametrize('split', ['train', 'val', 'test'])
@pytest.mark.parametrize(
    ('data', 'net', 'message'),
    [
        (
            combined('coco', 'mpii'),
            several('coco', 'aic'),
            r"'mpii' has no decoder: add it to model.head.heads, which has \['coco', 'aic'\]",
        ),
        (
            combined('coco', 'aic', keypoints=dict(coco=17, aic=15)),
            several('coco', 'aic'),
            r"predicts 14 keypoints .*'aic' with 15: set model.head.heads.aic.out_channels=15",
        ),
        (
            combined('coco', 'aic'),
            several('coco', 'aic', experts=('coco', 'mpii')),
            r"'aic' has no expert: .* \['coco', 'mpii'\]",
        ),
        (combined('aic', 'coco'), several('coco', 'aic'), "default_dataset='coco', but .* is that of 'aic'"),
    ],
)
def test_datasets_that_do_not_fit_a_model_of_several_are_refused(split, data, net, message):
    with pytest.raises(ValueError, match=message):
        run_splits(data, net, [split])


def test_each_dataset_needs_a_metric():
    net, data = several('coco', 'aic'), combined('coco', 'aic')
    message = r"metrics for \['coco'\], the datasets are \['coco', 'aic'\]"
    for split in ('val', 'test'):
        with pytest.raises(ValueError, match=message):
            run_splits(data, net, [split], metrics=['coco'])
    two_metrics = [SimpleNamespace(metrics_dict=dict(coco=None)), SimpleNamespace()]  # as with `mim test --dump`
    with pytest.raises(ValueError, match=message):
        run_splits(data, net, ['test'], more=two_metrics)


def test_a_sampler_of_another_batch_size_is_refused():
    sampler = SimpleNamespace(num_per_source=[4, 2])
    run_splits(dataset(), model(), ['train'], sampler=sampler, batch_size=6)
    with pytest.raises(ValueError, match='sampler has batch_size=6, its loader 8'):
        run_splits(dataset(), model(), ['train'], sampler=sampler, batch_size=8)


def test_targets_must_have_the_codec_of_the_head():
    check_targets(dataset(dict(type='GenerateTarget', encoder=dict(UDP, blur_kernel_size=3))), model())
    check_targets(dataset(dict(type='GenerateTarget', encoder=CLASSIC)), model(decoder=None))
    for other in (CLASSIC, dict(UDP, sigma=3), dict(UDP, input_size=(96, 128)), dict(UDP, heatmap_size=(24, 32))):
        with pytest.raises(ValueError, match=rf'encodes with {other["type"]}\(.*decodes with UDPHeatmap\(.*sigma=2'):
            check_targets(dataset(dict(type='GenerateTarget', encoder=other)), model())


def test_targets_left_to_the_head_need_a_head_that_makes_them():
    ours, net = dict(UDP, type='BatchUDPHeatmap'), model()
    left = dataset(dict(type='KeypointTarget', encoder=ours))
    refused = r'KeypointTarget in its pipeline, which leaves the heatmaps to the head.*GenerateTarget'
    with pytest.raises(ValueError, match=refused):  # MMPose's HeatmapHead
        check_targets(left, net)
    for decoder, message in (
        (ours, None),
        (dict(ours, sigma=3), r'use the same codec in KeypointTarget\('),
        (UDP, refused),
        (None, refused),
    ):
        net.head = MODELS.build(
            dict(type='ClassicHead', in_channels=8, out_channels=17, deconv_channels=4, decoder=decoder)
        )
        if message is None:
            check_targets(left, net)
        else:
            with pytest.raises(ValueError, match=message):
                check_targets(left, net)


def test_a_missing_checkpoint_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in (
        'configs/coco/base.py',
        'configs/transfer/stage1.py',
        'work_dirs/base/epoch_2.pth',
        'work_dirs/base/epoch_10.pth',
        'work_dirs/base/best_coco_AP_epoch_2.pth',
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    for load_from in (None, 'https://some.where/epoch_4.pth', 'work_dirs/base/epoch_2.pth'):
        check_load_from(load_from, None)
    with pytest.raises(FileNotFoundError) as error:
        check_load_from('work_dirs/base/epoch_4.pth', 'configs/transfer/stage1.py')
    assert str(error.value) == (
        'work_dirs/base/epoch_4.pth: no such checkpoint. `mim train mmpose configs/coco/base.py` writes it; '
        'work_dirs/base has epoch_2.pth, epoch_10.pth. '
        'To use the last one: --cfg-options load_from=work_dirs/base/epoch_10.pth'
    )
    with pytest.raises(FileNotFoundError, match=r'configs/.../large.py` writes it; work_dirs/large has no epoch'):
        check_load_from('work_dirs/large/epoch_4.pth', 'base.py')


@pytest.mark.parametrize(
    ('split', 'loop'),
    [('train', EpochBasedTrainLoop), ('train', IterBasedTrainLoop), ('val', ValLoop), ('test', TestLoop)],
)
def test_only_the_loops_that_run_are_checked(split, loop):
    """The other loops are only configs; a metric may map one dataset's keypoints to another's."""
    hook, built = HOOKS.build(dict(type='RunCheckHook')), loop.__new__(loop)
    built.dataloader = SimpleNamespace(dataset=dataset(dict(type='GenerateTarget', encoder=CLASSIC)))
    loops = {**dict.fromkeys(('_train_loop', '_val_loop', '_test_loop'), dict()), f'_{split}_loop': built}

    def run(net, metric=None):
        built.evaluator = SimpleNamespace(metrics=[metric])
        loader = built.dataloader
        hook.before_run(
            SimpleNamespace(
                _load_from=None,
                _resume=False,
                cfg=SimpleNamespace(filename=None),
                model=net,
                train_dataloader=loader,
                **loops,
            )
        )

    run(model(decoder=CLASSIC))
    with pytest.raises(ValueError, match=f'but {split}_dataloader has'):
        run(model(14, CLASSIC))
    if split == 'train':
        with pytest.raises(ValueError, match='encodes with MSRAHeatmap'):
            run(model())
    else:
        run(model(14), SimpleNamespace(pred_converter=object()))


@pytest.mark.parametrize('prefix', ['', 'module.', '_orig_mod.', 'module._orig_mod.'])
@pytest.mark.parametrize('wrapper', ['state_dict', 'model', None])
def test_a_wrapped_checkpoint_loads(prefix, wrapper):
    source, target = model(), model()
    weights = {prefix + key: value + 1 for key, value in source.state_dict().items()}
    checkpoint = {wrapper: weights} if wrapper else weights
    RunCheckHook().after_load_checkpoint(loading(target), checkpoint)
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
        RunCheckHook().after_load_checkpoint(loading(model()), dict(state_dict=weights))


@pytest.mark.parametrize('prefix', ['', 'backbone.', 'student.backbone.'])
def test_the_message_names_the_line_that_starts_from_this_file(prefix):
    weights = {prefix + key: value for key, value in model().backbone.state_dict().items()}
    with pytest.raises(ValueError, match='To start from its ViT alone, set model.backbone.init_cfg=dict') as raised:
        RunCheckHook().after_load_checkpoint(loading(model()), dict(state_dict=weights))
    line = "init_cfg=dict(type='Pretrained', checkpoint='a.pth'" + (f', prefix={prefix!r})' if prefix else ')')
    assert f'set model.backbone.{line} instead of load_from' in str(raised.value)


def test_a_checkpoint_is_adapted_once(tmp_path, logged):
    """The load of the check is kept: MMEngine then loads the model's own weights."""
    source, target = model(), model()
    weights = {key: value + 1 for key, value in source.state_dict().items()}
    slot = torch.ones(1, 1, weights['backbone.pos_embed'].shape[2])
    weights['backbone.pos_embed'] = torch.cat([slot, weights['backbone.pos_embed']], dim=1)
    weights = {key.replace('backbone.layers.', 'backbone.blocks.'): value for key, value in weights.items()}
    checkpoint = dict(state_dict=weights, meta={})
    RunCheckHook().after_load_checkpoint(loading(target), checkpoint)
    _load_checkpoint_to_model(target, checkpoint)
    assert torch.equal(target.backbone.pos_embed, source.backbone.pos_embed + 1 + 1)
    assert logged().count('its extra slot is added to every position') == 1


def test_models_without_a_vit_are_left_to_mmengine():
    RunCheckHook().after_load_checkpoint(
        SimpleNamespace(model=torch.nn.Linear(2, 2), _train_loop=None, _load_from='vitpose-safe://a.pth'),
        dict(state_dict={'x': 1}),
    )


@pytest.mark.parametrize(
    ('load_from', 'resume', 'expected'),
    [
        ('a.pth', False, 'vitpose-safe://a.pth'),
        ('https://host/a.pth', False, 'vitpose-safe://https://host/a.pth'),
        ('open-mmlab://a', False, 'open-mmlab://a'),
        ('a.pth', True, 'vitpose-resume://a.pth'),
        (None, True, None),
        (None, False, None),
    ],
)
def test_load_from_is_read_safely(tmp_path, monkeypatch, load_from, resume, expected):
    monkeypatch.chdir(tmp_path)
    torch.save({'x': torch.ones(1)}, 'a.pth')
    assert start(RunCheckHook(), load_from, resume)._load_from == expected


def start(hook, load_from, resume):
    loops = {f'_{name}_loop': None for name in ('train', 'val', 'test')}
    config = SimpleNamespace(filename='x.py', get=lambda *_: [dict(type='Other'), dict(type='RunCheckHook')])
    runner = SimpleNamespace(_load_from=load_from, _resume=resume, cfg=config, work_dir='.', hooks=[], **loops)
    hook.before_run(runner)
    return runner


def test_a_run_resumes_safely_from_the_pointer_of_mmengine(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'last_checkpoint').write_text('a.pth')
    assert start(RunCheckHook(), None, True)._load_from == 'vitpose-resume://a.pth'


def head_of(keypoints, **more):
    init_default_scope('mmpose')
    head = dict(type='SimpleHead', in_channels=8, out_channels=keypoints, **more)
    vit = dict(type='ViT', arch=dict(depth=1, embed_dim=8, num_heads=1))
    return MODELS.build(dict(type='TopdownPoseEstimator', backbone=vit, head=head))


@pytest.mark.parametrize('named', [True, False])
def test_another_number_of_keypoints_keeps_those_of_the_same_name(named, logged):
    source, target = head_of(3), head_of(2, allow_new_final_layer=True)
    before = target.head.final_layer.weight.detach().clone()
    meta = dict(dataset_meta=dict(keypoint_id2name={0: 'nose', 1: 'tail', 2: 'paw'})) if named else {}
    set_kept_keypoints(target, meta, SimpleNamespace(metainfo=dict(keypoint_id2name={0: 'ear', 1: 'nose'})))
    check_weights(target, {key: value + 1 for key, value in source.state_dict().items()}, 'FILE')
    found = target.head.final_layer.weight
    assert torch.equal(found[0], before[0])
    assert torch.equal(found[1], source.head.final_layer.weight[0] + 1 if named else before[1])
    assert torch.equal(target.backbone.pos_embed, source.backbone.pos_embed + 1)
    pairs = "(this head's: the checkpoint's): {1: 0}" if named else ''
    assert f'its last layer is new, except for {int(named)} keypoints of the same name {pairs}' in logged()


def test_another_number_of_keypoints_is_refused_unless_allowed():
    with pytest.raises(ValueError, match='predicts 3 keypoints, this head out_channels=2.*allow_new_final_layer=True'):
        check_weights(head_of(2), head_of(3).state_dict(), 'FILE')


def test_a_decoder_that_the_checkpoint_lacks_stays_absent_in_a_run(tmp_path):
    """MMEngine loads what the hook leaves in the checkpoint: the random decoder must not be in it."""
    init_default_scope('mmpose')
    decoder = dict(type='SimpleHead', in_channels=32, out_channels=17)
    both = dict(type='MultiDatasetHead', heads=dict(coco=decoder, aic=decoder), default_dataset='coco')
    backbone = dict(type='ViT', arch=dict(depth=1, embed_dim=32, num_heads=2), img_size=(64, 48))
    one, two = (
        MODELS.build(dict(type='TopdownPoseEstimator', backbone=backbone, head=head)) for head in (decoder, both)
    )
    checkpoint = dict(state_dict=one.state_dict(), meta={})
    RunCheckHook().after_load_checkpoint(loading(two), checkpoint)
    two.load_state_dict(checkpoint['state_dict'], strict=False)
    assert two.head.absent == {'aic'}
