"""Routing of samples to one head per dataset; tests/parity trains the heads as the authors do."""

import numpy as np
import pytest
import torch
from mmpose.models.heads import HeatmapHead
from mmpose.registry import MODELS

import vitpose_mm  # noqa: F401
from tests.unit.heads.pose_samples import CODEC, pose_sample
from vitpose_mm.checkpoints.validation import load_strictly
from vitpose_mm.heads import multi_dataset_head
from vitpose_mm.heads.heatmap_losses import heatmap_losses

MSRA = dict(CODEC, type='MSRAHeatmap')
FINE = dict(MSRA, heatmap_size=(24, 32))
LOSS = dict(type='KeypointMSELoss', use_target_weight=True)
DECONV = dict(deconv_out_channels=(16, 16), deconv_kernel_sizes=(4, 4))
# heads that differ in K, codec, heatmap size and type; HeatmapHead is MMPose's
HEADS = dict(
    coco=dict(type='ClassicHead', in_channels=32, out_channels=5, decoder=CODEC, deconv_channels=16),
    aic=dict(type='SimpleHead', in_channels=32, out_channels=3, decoder=FINE, heatmap_stride=2),
    mpii=dict(type='HeatmapHead', in_channels=32, out_channels=4, decoder=MSRA, loss=LOSS, **DECONV),
)
SHAPES = dict(coco=(5, 16, 12), aic=(3, 32, 24), mpii=(4, 16, 12))
FLIPS = dict(coco=[0, 2, 1, 4, 3], aic=[1, 0, 2], mpii=[3, 2, 1, 0])


def build(**changes):
    torch.manual_seed(0)
    head = MODELS.build({**dict(type='MultiDatasetHead', heads=HEADS), **changes})
    head.init_weights()
    for parameter in head.parameters():
        if parameter.ndim > 1:  # MMPose's std of 0.001 gives heatmaps too small to compare
            torch.nn.init.normal_(parameter, std=0.1)
    return head.eval()


def samples(*names):
    """Samples of these datasets, without a name for None; unknown ones have COCO's shape."""
    made = []
    for seed, name in enumerate(names):
        meta = dict(flip_indices=FLIPS.get(name, FLIPS['coco']), **({'dataset_name': name} if name else {}))
        made.append(pose_sample(*SHAPES.get(name, SHAPES['coco']), seed=seed, **meta))
    return made


def features(batch):
    return (torch.randn(batch, 32, 4, 3, generator=torch.Generator().manual_seed(4)),)


MIX = ('coco', 'mpii', 'coco', 'aic', 'coco', 'mpii')


@pytest.mark.parametrize('normalizer', ['batch', 'dataset'])
def test_the_loss_is_the_weighted_sum_of_the_heads_losses(normalizer):
    head = build(loss_normalizer=normalizer, loss_weights=dict(aic=3.0))
    feats, batch = features(6), samples(*MIX)
    losses = head.loss(feats, batch)
    expected = 0
    for name, weight in dict(coco=1, aic=3, mpii=1).items():
        indices = [i for i, other in enumerate(MIX) if other == name]
        alone = head.heads[name].loss((feats[0][indices],), [batch[i] for i in indices])
        torch.testing.assert_close(losses[f'{name}/kpt'], alone['loss_kpt'])
        assert not losses[f'{name}/kpt'].requires_grad
        own, member = feats[0][indices], head.heads[name]
        accuracy = heatmap_losses(member, member((own,)), [batch[i] for i in indices], None, own)
        torch.testing.assert_close(losses[f'{name}/acc_pose'], accuracy['acc_pose'])
        expected += weight * alone['loss_kpt'] * (len(indices) / 6 if normalizer == 'batch' else 1)
    torch.testing.assert_close(losses['loss_kpt'], expected)
    assert [key for key in losses if 'loss' in key] == ['loss_kpt'], "MMEngine sums all keys that contain 'loss'"


def test_a_head_without_samples_gets_zero_gradients():
    head = build()
    head.loss(features(2), samples('aic', 'aic'))['loss_kpt'].backward()
    for name, parameter in head.named_parameters():
        assert parameter.grad is not None and parameter.grad.any() == name.startswith('heads.aic.'), name


class OwnLossHead(HeatmapHead):
    """A head whose loss is not that of the heatmaps that `forward` returns."""

    def loss(self, feats, batch_data_samples, train_cfg=None):
        self.seen = len(feats[-1])
        return super().loss(feats, batch_data_samples, train_cfg or {})


def test_a_head_with_its_own_loss_sees_its_own_samples():
    head = build().train()
    head.heads['mpii'].__class__ = OwnLossHead
    head.loss(features(6), samples(*MIX))
    assert head.heads['mpii'].seen == 2
    head.loss(features(2), samples('aic', 'aic'))['loss_kpt'].backward()
    assert all((parameter.grad == 0).all() for parameter in head.heads['mpii'].parameters())


def test_heads_without_batch_norm_in_training_mode_skip_the_samples_of_others():
    """The result is the same: a decoder without batch norm, a frozen one, and evaluation mode."""
    frozen = dict(HEADS, coco=dict(HEADS['coco'], freeze=True))
    head, seen = build(heads=frozen).train(), {}
    for name, member in head.heads.items():
        member.register_forward_pre_hook(lambda _, inputs, name=name: seen.update({name: len(inputs[0][-1])}))
    head.loss(features(6), samples(*MIX))
    assert seen == dict(coco=3, aic=1, mpii=6)
    head.eval().loss(features(6), samples(*MIX))
    assert seen == dict(coco=3, aic=1, mpii=2)


@pytest.mark.parametrize('flip', [False, True])
def test_each_sample_is_predicted_by_its_own_head_in_batch_order(flip):
    shifts = dict(aic=dict(shift_heatmap=True))
    head, batch, feats = build(test_cfgs=shifts), samples(*MIX), features(6)
    mirrored = (torch.randn(6, 32, 4, 3, generator=torch.Generator().manual_seed(5)),)
    cfg = dict(flip_test=flip, flip_mode='heatmap', shift_heatmap=False, output_heatmaps=True)
    poses, fields = head.predict([feats, mirrored] if flip else feats, batch, cfg)
    for i, name in enumerate(MIX):
        one = [(part[0][i : i + 1],) for part in (feats, mirrored)]
        changed = cfg | shifts.get(name, {})
        pose, field = head.heads[name].predict(one if flip else one[0], batch[i : i + 1], changed)
        torch.testing.assert_close(fields[i].heatmaps, field[0].heatmaps, rtol=0, atol=1e-5)
        assert poses[i].keypoints.shape == (1, SHAPES[name][0], 2)
        np.testing.assert_allclose(poses[i].keypoints, pose[0].keypoints, atol=1e-2)


def test_feature_maps_may_be_in_a_list():
    """As those of MMPose's PVT and Hourglass; the flip test has a list of two such lists."""
    head, batch, maps = build(), samples(*MIX), [torch.randn(6, 8, 8, 6), *features(6)]
    for flip in (False, True):
        cfg, feats = dict(flip_test=flip), [maps, maps] if flip else maps
        expected = head.predict([tuple(maps)] * 2 if flip else tuple(maps), batch, cfg)
        for pose, other in zip(head.predict(feats, batch, cfg), expected, strict=True):
            assert np.array_equal(pose.keypoints, other.keypoints)


def test_samples_without_a_name_use_the_default_dataset_if_there_is_one():
    head, feats = build(default_dataset='mpii'), features(2)
    assert head.datasets(samples(None, 'aic')) == ['mpii', 'aic']
    assert torch.equal(head(feats), head.heads['mpii'](feats))
    with pytest.raises(KeyError, match='sample 1 of the batch has no dataset_name.*coco, aic, mpii'):
        build().predict(feats, samples('coco', None))
    with pytest.raises(ValueError, match='default_dataset: set it to one of coco, aic, mpii'):
        build()(feats)
    with pytest.raises(KeyError, match="no head for dataset 'jhmdb': this model has heads for coco, aic, mpii"):
        head.loss(features(1), samples('jhmdb'))


def test_each_head_keeps_its_own_initialization():
    head = MODELS.build(dict(type='MultiDatasetHead', heads=HEADS))
    head.init_weights()
    # MMPose's default: normal with std 0.001
    assert 0.0005 < head.heads['mpii'].final_layer.weight.std() < 0.0015


def test_a_head_missing_in_the_checkpoint_predicts_only_after_training():
    head, feats = build(default_dataset='aic'), features(1)
    weights = {key: value for key, value in head.state_dict().items() if not key.startswith('heads.aic.')}
    head.load_state_dict(weights, strict=False)
    head.predict(feats, samples('coco'))
    for call in (lambda: head(feats), lambda: head.predict(feats, samples('aic'))):
        with pytest.raises(ValueError, match="no decoder for dataset 'aic', so its head has random weights"):
            call()
    head.train().loss(feats, samples('aic'))
    head.eval().predict(feats, samples('aic'))


def test_a_member_with_a_new_last_layer_predicts_only_after_training():
    heads = dict(HEADS, coco=dict(HEADS['coco'], out_channels=9))
    source = build(heads=heads).state_dict()
    heads['coco'] = dict(HEADS['coco'], allow_new_final_layer=True)
    head, feats = build(heads=heads, default_dataset='coco'), features(1)
    load_strictly(head, source)
    head.predict(feats, samples('aic'))
    for call in (lambda: head(feats), lambda: head.predict(feats, samples('coco'))):
        with pytest.raises(ValueError, match='this ClassicHead has random values'):
            call()
    head.train().loss(feats, samples('coco'))
    head.eval().predict(feats, samples('coco'))


def test_a_checkpoint_without_any_head_is_refused():
    head = build().eval()
    with pytest.raises(ValueError, match='a decoder for none of coco, aic, mpii'):
        load_strictly(head, {})
    head.load_state_dict({}, strict=False)
    with pytest.raises(ValueError, match="no decoder for dataset 'coco'"):
        head.predict(features(1), samples('coco'))


def test_indices_are_sent_to_the_device_once_per_batch(monkeypatch):
    head, sent, index_on = build(), [], multi_dataset_head.index_on
    monkeypatch.setattr(multi_dataset_head, 'index_on', lambda *call: sent.append(call[1]) or index_on(*call))
    head.loss(features(6), samples(*MIX))
    head.predict([features(6), features(6)], samples(*MIX), dict(flip_test=True, flip_mode='heatmap'))
    assert sent == [[0, 2, 4, 1, 5, 3]] * 2


@pytest.mark.parametrize(
    ('changes', 'error', 'message'),
    [
        (dict(default_dataset='x'), KeyError, "no head for dataset 'x'"),
        (dict(loss_weights=dict(x=1.0)), KeyError, "no head for dataset 'x'"),
        (dict(test_cfgs=dict(x={})), KeyError, "no head for dataset 'x'"),
        (dict(test_cfgs=dict(aic=dict(flip_test=False))), ValueError, r"test_cfgs\['aic'\] has flip_test, .*model's"),
        (dict(test_cfgs=dict(aic=dict(output_keypoint_indices=[0]))), ValueError, 'output_keypoint_indices, which'),
        (dict(loss_normalizer='sum'), ValueError, "loss_normalizer='sum': expected 'batch' or 'dataset'"),
        (dict(heads={}), ValueError, 'expected one head per dataset'),
        (dict(heads=[HEADS['coco']]), ValueError, 'expected one head per dataset'),
    ],
)
def test_bad_arguments(changes, error, message):
    with pytest.raises(error, match=message):
        build(**changes)
