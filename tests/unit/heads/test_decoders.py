"""The two decoders: shapes, formulas, flip test, bad input."""

import pytest
import torch
import torch.nn.functional as F
from mmengine.structures import InstanceData, PixelData
from mmpose.registry import MODELS
from mmpose.structures import PoseDataSample

import vitpose_mm  # noqa: F401
from vitpose_mm.checkpoints.validation import load_strictly

CODEC = dict(type='UDPHeatmap', input_size=(48, 64), heatmap_size=(12, 16), sigma=2)


def build(kind, **changes):
    torch.manual_seed(0)
    head = MODELS.build({**dict(type=kind, in_channels=32, out_channels=5, decoder=CODEC), **changes})
    head.init_weights()
    return head.eval()


@pytest.mark.parametrize('kind', ['ClassicHead', 'SimpleHead'])
@pytest.mark.parametrize('stride', [32, 16, 8])
def test_heatmap_size_for_each_stride(kind, stride):
    feature = torch.randn(2, 32, 128 // stride, 96 // stride)
    assert build(kind, feature_stride=stride, out_channels=7)((feature,)).shape == (2, 7, 32, 24)
    assert build(kind, feature_stride=stride, heatmap_stride=2)((feature,)).shape == (2, 5, 64, 48)


@pytest.mark.parametrize('kind', ['ClassicHead', 'SimpleHead'])
def test_at_stride_14_the_factor_is_that_of_stride_16(kind):
    assert build(kind, feature_stride=14)((torch.randn(2, 32, 18, 14),)).shape == (2, 5, 72, 56)
    assert build(kind, feature_stride=14, heatmap_stride=2)((torch.randn(2, 32, 18, 14),)).shape == (2, 5, 144, 112)


def test_classic_head_has_the_parameters_of_the_paper():
    names = {name: tuple(p.shape) for name, p in build('ClassicHead').named_parameters()}
    assert names == {
        'deconv_layers.0.weight': (32, 256, 4, 4),
        'deconv_layers.1.weight': (256,),
        'deconv_layers.1.bias': (256,),
        'deconv_layers.3.weight': (256, 256, 4, 4),
        'deconv_layers.4.weight': (256,),
        'deconv_layers.4.bias': (256,),
        'final_layer.weight': (5, 256, 1, 1),
        'final_layer.bias': (5,),
    }


def test_simple_head_is_relu_bilinear_upsampling_and_a_3x3_convolution():
    head = build('SimpleHead')
    feature = torch.randn(2, 32, 4, 3)
    expected = F.conv2d(
        F.interpolate(feature.clamp(min=0), size=(16, 12), mode='bilinear', align_corners=False),
        head.final_layer.weight,
        head.final_layer.bias,
        padding=1,
    )
    torch.testing.assert_close(head((feature,)), expected)
    assert {tuple(p.shape) for p in head.parameters()} == {(5, 32, 3, 3), (5,)}


@pytest.mark.parametrize('kind', ['ClassicHead', 'SimpleHead'])
def test_heatmaps_are_fp32_under_autocast(kind):
    head = build(kind)
    with torch.autocast('cpu', torch.bfloat16):
        assert head((torch.randn(2, 32, 4, 3),)).dtype == torch.float32


def make_samples(batch, keypoints=5):
    samples = []
    for _ in range(batch):
        data = PoseDataSample(metainfo=dict(flip_indices=[0, 2, 1, 4, 3], input_size=(48, 64)))
        data.gt_instance_labels = InstanceData(keypoint_weights=torch.ones(1, keypoints))
        data.gt_fields = PixelData(heatmaps=torch.rand(keypoints, 16, 12))
        samples.append(data)
    return samples


@pytest.mark.parametrize('kind', ['ClassicHead', 'SimpleHead'])
def test_loss_is_the_mean_squared_error(kind):
    head, samples = build(kind), make_samples(3)
    samples[1].gt_instance_labels.keypoint_weights[:] = 0  # not labelled: no loss, but counted in the mean
    features = (torch.randn(3, 32, 4, 3),)
    losses = head.loss(features, samples)
    targets = torch.stack([s.gt_fields.heatmaps for s in samples])
    weights = torch.cat([s.gt_instance_labels.keypoint_weights for s in samples])[..., None, None]
    expected = ((head(features) - targets) * weights).square().mean()
    torch.testing.assert_close(losses['loss_kpt'], expected)
    assert set(losses) == {'loss_kpt', 'acc_pose'}


@pytest.mark.parametrize('kind', ['ClassicHead', 'SimpleHead'])
def test_flip_test_averages_with_the_mirrored_pass(kind):
    head, samples = build(kind), make_samples(2)
    plain, mirrored = (torch.randn(2, 32, 4, 3),), (torch.randn(2, 32, 4, 3),)
    _, fields = head.predict([plain, mirrored], samples, test_cfg=dict(flip_test=True, output_heatmaps=True))
    back = head(mirrored).flip(-1)[:, [0, 2, 1, 4, 3]]
    torch.testing.assert_close(torch.stack([f.heatmaps for f in fields]), (head(plain) + back) / 2)


def test_bad_strides_are_refused():
    for kind in ('ClassicHead', 'SimpleHead'):
        with pytest.raises(ValueError, match='heatmap_stride=8.*4 or 2'):
            build(kind, heatmap_stride=8)
        with pytest.raises(ValueError, match='feature_stride=4.*16 or 8'):
            build(kind, feature_stride=4)


@pytest.mark.parametrize('kind', ['ClassicHead', 'SimpleHead'])
def test_a_checkpoint_with_another_number_of_keypoints_is_refused(kind):
    with pytest.raises(ValueError, match='predicts 9 keypoints, this head out_channels=5.*allow_new_final_layer=True'):
        load_strictly(build(kind), build(kind, out_channels=9).state_dict())
