"""Training on keypoints gives the losses of training on MMPose's heatmaps."""

import numpy as np
import pytest
import torch
from mmengine import ConfigDict
from mmpose.datasets.transforms import GenerateTarget, PackPoseInputs
from mmpose.registry import MODELS

import vitpose_mm  # noqa: F401
from tests.unit.heads.pose_samples import CODEC
from vitpose_mm.datasets.transforms import KeypointTarget
from vitpose_mm.heads.batch_targets import batch_targets

UDP, MSRA = dict(CODEC, type='BatchUDPHeatmap'), dict(CODEC, type='BatchMSRAHeatmap')
UNBIASED = dict(MSRA, unbiased=True)
FEATURES = (torch.randn(6, 32, 4, 3, generator=torch.Generator().manual_seed(0)),)


def head(codec, keypoints=5, kind='ClassicHead'):
    return dict(type=kind, in_channels=32, out_channels=keypoints, decoder=codec)


def build(*options, **more):
    torch.manual_seed(0)
    return MODELS.build(head(*options, **more))


def pack(codec, count=6, keypoints=5, ours=True, names=None, visible=None, **options):
    """Samples of the same keypoints, with our target or MMPose's."""
    random, samples = np.random.default_rng(0), []
    theirs = dict(codec, type=codec['type'].removeprefix('Batch'))
    make = KeypointTarget(codec, **options) if ours else GenerateTarget(theirs, **options)
    for i in range(count):
        points = random.uniform(-30, 90, (1, keypoints, 2)).astype(np.float32)
        shown = random.choice([0.0, 1.0], (1, keypoints)).astype(np.float32)
        results = dict(
            img=np.zeros((64, 48, 3), np.uint8),
            keypoints=points * 2,
            transformed_keypoints=points,
            keypoints_visible=shown if visible is None else np.full_like(shown, visible),
            dataset_keypoint_weights=random.uniform(0.5, 1.5, keypoints).astype(np.float32),
            dataset_name=names[i] if names else 'coco',
        )
        samples.append(PackPoseInputs()(make(results))['data_samples'])
    return samples


@pytest.mark.parametrize('codec', [UDP, MSRA, UNBIASED], ids=['UDP', 'MSRA', 'unbiased'])
@pytest.mark.parametrize('weighted', [False, True])
@pytest.mark.parametrize('kind', ['ClassicHead', 'SimpleHead'])
def test_losses_equal_those_on_mmposes_heatmaps(codec, weighted, kind):
    model, options = build(codec, kind=kind), dict(use_dataset_keypoint_weights=weighted)
    ours, theirs = (model.loss(FEATURES, pack(codec, ours=target, **options)) for target in (True, False))
    assert ours.keys() == theirs.keys() == {'loss_kpt', 'acc_pose'}
    for key in ours:
        torch.testing.assert_close(ours[key], theirs[key], rtol=0, atol=1e-6)
    assert ours['loss_kpt'] > 0


def test_losses_of_several_datasets_and_codecs():
    codecs, counts = dict(coco=UDP, aic=UNBIASED, mpii=MSRA), dict(coco=5, aic=4, mpii=7)
    torch.manual_seed(0)
    heads = {name: head(codec, counts[name]) for name, codec in codecs.items()}
    model = MODELS.build(ConfigDict(type='MultiDatasetHead', heads=heads))
    order = ['aic', 'coco', 'coco', 'mpii', 'aic', 'mpii']
    losses = []
    for ours in (True, False):
        batches = {name: pack(codecs[name], keypoints=counts[name], names=order, ours=ours) for name in codecs}
        losses.append(model.loss(FEATURES, [batches[name][i] for i, name in enumerate(order)]))
    assert losses[0].keys() == losses[1].keys() >= {'loss_kpt', 'coco/kpt', 'aic/acc_pose', 'mpii/kpt'}
    for key in losses[0]:
        torch.testing.assert_close(losses[0][key], losses[1][key], rtol=0, atol=1e-6, check_dtype=False)


def test_no_keypoint_is_visible_and_no_accuracy_wanted():
    model = build(UDP)
    losses = model.loss(FEATURES, pack(UDP, visible=0.0))
    assert losses['loss_kpt'] == 0 and losses['acc_pose'] == 0
    losses['loss_kpt'].backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())
    assert model.loss(FEATURES, pack(UDP), dict(compute_acc=False)).keys() == {'loss_kpt'}


def test_a_sample_sends_no_heatmap():
    (sample,) = pack(UDP, count=1)
    assert not hasattr(sample, 'gt_fields')
    target = sample.gt_instances.keypoint_target
    assert target.shape == (1, 5, 5) and target.dtype == np.float32


def test_samples_without_targets_and_other_codecs_are_refused():
    samples, cpu = pack(UDP, count=2), torch.device('cpu')
    with pytest.raises(ValueError, match=r"decoder is UDPHeatmap.*set decoder=dict\(type='BatchUDPHeatmap'"):
        batch_targets(build(CODEC).decoder, samples, cpu)
    with pytest.raises(ValueError, match='decoder is no codec, which makes no heatmaps'):
        batch_targets(None, samples, cpu)
    del samples[1].gt_instances.keypoint_target
    with pytest.raises(ValueError, match=r"no training targets.*'KeypointTarget'"):
        batch_targets(build(UDP).decoder, samples, cpu)
    with pytest.raises(TypeError, match='expected one BatchUDPHeatmap or BatchMSRAHeatmap'):
        KeypointTarget(CODEC)
