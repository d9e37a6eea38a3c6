"""A ConfidenceHead beside a decoder: its loss, gradients, and checkpoints with and without it."""

import numpy as np
import pytest
import torch
from mmpose.registry import MODELS

from tests.unit.heads.pose_samples import CODEC, pose_sample
from tests.unit.heads.test_decoders import build
from vitpose_mm.checkpoints.validation import load_strictly
from vitpose_mm.datasets.transforms.keypoint_target import KEYPOINT_TARGET

CONFIDENCE = dict(type='ConfidenceHead', width=8)
NORMS = (torch.nn.BatchNorm1d, torch.nn.BatchNorm2d)
BATCH_CODEC = dict(CODEC, type='BatchUDPHeatmap')


def sample(points, seed=0):
    """A sample of `KeypointTarget`, of a person whose area is 1,600 image pixels squared, at half their size."""
    made = pose_sample(5, seed=seed)
    del made.gt_fields, made.gt_instance_labels
    made.gt_instances.bboxes = np.array([[0, 0, 40.0, 40 / 0.53]])
    made.gt_instances.bbox_scales = np.array([[96.0, 128.0]])
    target = np.concatenate([points, np.ones((5, 3))], 1)[None].astype(np.float32)
    made.gt_instances.set_field(target, KEYPOINT_TARGET, dtype=None)
    return made


def test_it_learns_from_the_decoder_and_leaves_it_alone():
    head = build('ClassicHead', confidence=CONFIDENCE, decoder=BATCH_CODEC).train()
    features = (torch.randn(4, 32, 4, 3, requires_grad=True),)
    samples = [sample(np.full((5, 2), 20.0), seed) for seed in range(4)]
    losses = head.loss(features, samples)
    losses['loss_confidence'].backward()
    assert all(p.grad is None for p in (*head.final_layer.parameters(), *head.deconv_layers.parameters()))
    assert features[0].grad is None and head.confidence.index.grad.abs().sum() > 0
    assert head.loss((features[0][:1],), samples[:1])['loss_confidence'].isfinite()  # a batch of one
    samples[0].gt_instances.set_field(samples[0].gt_instances[KEYPOINT_TARGET][:, :1], KEYPOINT_TARGET, dtype=None)
    head = build('ClassicHead', out_channels=1, confidence=CONFIDENCE, decoder=BATCH_CODEC).train()
    assert head.loss((features[0][:1],), samples[:1])['loss_confidence'].isfinite()  # with one keypoint


def test_it_trains_beside_a_frozen_decoder():
    head = build('ClassicHead', confidence=CONFIDENCE, decoder=BATCH_CODEC, freeze=True).train()
    norm = head.confidence.person[0]
    head.loss((torch.randn(4, 32, 4, 3),), [sample(np.full((5, 2), 20.0), seed) for seed in range(4)])
    assert norm.running_mean.any() and not head.deconv_layers[1].training
    assert not any(part.training for part in head.eval().modules())


def test_the_labels_are_distances_by_the_scale_of_the_person():
    head = build('ClassicHead', confidence=dict(CONFIDENCE, sigma=0.05), decoder=BATCH_CODEC)
    features = (torch.randn(2, 32, 4, 3),)
    found, _ = head.decoder.locate(head(features))
    far = torch.tensor([0.05, 0.5]) * 20  # the square root of the area is 20 input pixels
    moved = found.detach() + torch.stack((far, far * 0), -1)[:, None]
    samples = [sample(points.numpy()) for points in moved]
    with torch.no_grad():
        loss = head.loss(features, samples)['loss_confidence']
        judged = head.confidence(head.decoder, head(features), features[0], head.decoder.locate(head(features)))
    right = torch.tensor([[1.0], [0.0]]).expand(2, 5)
    similar = torch.exp(-(torch.tensor([[0.05], [0.5]]) ** 2) / (2 * 0.1**2)).expand(2, 5)
    present = ((moved >= 0) & (moved < torch.tensor([48, 64]))).all(-1).float()
    expected = sum(map(torch.nn.functional.binary_cross_entropy, judged, (right, similar, present)))
    torch.testing.assert_close(loss, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize('codec', [CODEC, None])
def test_it_needs_a_codec_that_locates_a_batch(codec):
    with pytest.raises(ValueError, match=r'confidence with decoder=.*expected a BatchUDPHeatmap or BatchMSRAHeatmap'):
        build('ClassicHead', confidence=CONFIDENCE, decoder=codec)


def test_checkpoints_fit_with_and_without_it():
    plain, judging = build('ClassicHead'), build('ClassicHead', confidence=CONFIDENCE, decoder=BATCH_CODEC)
    load_strictly(plain, judging.state_dict())
    load_strictly(judging, plain.state_dict())
    torch.testing.assert_close(plain.final_layer.weight, judging.final_layer.weight)


@pytest.mark.parametrize('kind', ['ClassicHead', 'SimpleHead'])
def test_each_dataset_has_its_own_and_those_without_samples_get_zero_gradients(kind):
    decoder = dict(BATCH_CODEC, presence=True)
    member = dict(type=kind, in_channels=32, out_channels=5, decoder=decoder, confidence=CONFIDENCE, presence=True)
    torch.manual_seed(0)
    head = MODELS.build(dict(type='MultiDatasetHead', heads=dict(coco=member, aic=member))).train()
    samples = [sample(np.full((5, 2), 20.0), seed) for seed in range(2)]
    for each in samples:
        each.set_metainfo(dict(dataset_name='coco'))
    for part in head.modules():
        part.register_forward_hook(lambda part, args, out: seen.add(part) if isinstance(part, NORMS) else None)
    seen: set = set()
    losses = head.loss((torch.randn(2, 32, 4, 3),), samples)
    assert {'coco/kpt', 'coco/confidence', 'coco/presence'} <= losses.keys()
    total = losses['coco/kpt'] + losses['coco/confidence'] + losses['coco/presence']
    torch.testing.assert_close(losses['loss_kpt'], total, check_dtype=False)
    losses['loss_kpt'].backward()
    for name, parameter in head.named_parameters():
        assert parameter.grad is not None and parameter.grad.any() == name.startswith('heads.coco.'), name
    # those that synchronize run in every process, whatever its samples are of
    assert seen == {part for part in head.modules() if isinstance(part, NORMS)}
