"""The two decoders: shapes, loss, freezing, bad input; tests/parity compares their heatmaps."""

import pytest
import torch
from mmpose.registry import MODELS

import vitpose_mm  # noqa: F401
from tests.unit.heads.pose_samples import CODEC, pose_sample
from vitpose_mm.checkpoints.validation import load_strictly

SMALL = dict(ClassicHead=dict(deconv_channels=16), SimpleHead={})
kinds = pytest.mark.parametrize('kind', SMALL)


def build(kind, **changes):
    torch.manual_seed(0)
    head = dict(type=kind, in_channels=32, out_channels=5, decoder=CODEC, **SMALL[kind])
    head = MODELS.build(head | changes)
    head.init_weights()
    return head.eval()


@kinds
@pytest.mark.parametrize(
    ('stride', 'grid', 'expected'),
    [(32, (4, 3), (32, 24)), (16, (8, 6), (32, 24)), (8, (16, 12), (32, 24)), (14, (18, 14), (72, 56))],
)
def test_heatmap_size_for_each_stride(kind, stride, grid, expected):
    feats, (height, width) = (torch.randn(1, 32, *grid),), expected
    assert build(kind, feature_stride=stride, out_channels=7)(feats).shape == (1, 7, height, width)
    assert build(kind, feature_stride=stride, heatmap_stride=2)(feats).shape == (1, 5, 2 * height, 2 * width)


@kinds
def test_loss_is_the_mean_squared_error_and_heatmaps_are_always_fp32(kind):
    head, samples = build(kind), [pose_sample(5, seed=seed) for seed in range(3)]
    samples[1].gt_instance_labels.keypoint_weights[:] = 0  # not labeled: no loss, but counted in the mean
    features = (torch.randn(3, 32, 4, 3),)
    with torch.autocast('cpu', torch.bfloat16):
        assert head(features).dtype == torch.float32
    losses = head.loss(features, samples)
    targets = torch.stack([s.gt_fields.heatmaps for s in samples])
    weights = torch.cat([s.gt_instance_labels.keypoint_weights for s in samples])[..., None, None]
    expected = ((head(features) - targets) * weights).square().mean()
    torch.testing.assert_close(losses['loss_kpt'], expected)
    assert set(losses) == {'loss_kpt', 'acc_pose'}


@kinds
def test_targets_of_another_shape_are_refused(kind):
    """Also if there is one heatmap, which torch would compare with those of all keypoints."""
    features = (torch.randn(1, 32, 4, 3),)
    for changes, size in ((dict(out_channels=1), (16, 12)), (dict(feature_stride=8), (8, 6))):
        shapes = rf'\({changes.get("out_channels", 5)}, {size[0]}, {size[1]}\), the targets \(5, 16, 12\)'
        with pytest.raises(ValueError, match=f'{shapes}.*out_channels, feature_stride.*heatmap_size'):
            build(kind, **changes).loss(features, [pose_sample(5)])


@kinds
def test_bad_strides_are_refused(kind):
    with pytest.raises(ValueError, match='heatmap_stride=8.*4 or 2'):
        build(kind, heatmap_stride=8)
    with pytest.raises(ValueError, match='feature_stride=4.*16 or 8'):
        build(kind, feature_stride=4)


@kinds
def test_a_frozen_decoder_stays_in_eval_mode_and_passes_gradients(kind):
    head = build(kind, freeze=True).train()
    assert not any(module.training for module in head.modules())
    before = {name: value.clone() for name, value in head.state_dict().items()}
    feature = torch.randn(2, 32, 4, 3, requires_grad=True)
    head((feature,)).square().sum().backward()
    assert feature.grad.any() and all(p.grad is None for p in head.parameters())
    assert all(torch.equal(value, before[name]) for name, value in head.state_dict().items())


@kinds
def test_a_checkpoint_with_another_number_of_keypoints_is_refused(kind):
    with pytest.raises(ValueError, match='predicts 9 keypoints, this head out_channels=5.*allow_new_final_layer=True'):
        load_strictly(build(kind), build(kind, out_channels=9).state_dict())


@kinds
def test_a_new_last_layer_predicts_only_after_training(kind):
    head, source = build(kind, allow_new_final_layer=True), build(kind, out_channels=9)
    load_strictly(head, source.state_dict())
    features = (torch.randn(1, 32, 4, 3),)
    with pytest.raises(ValueError, match='random values'):
        head(features)
    head.train()(features)
    head.eval()(features)
    head.kept_keypoints = {index: index + 1 for index in range(5)}  # all of them: nothing is new
    load_strictly(head, source.state_dict())
    head(features)
