"""The masked autoencoder; tests/parity/test_mae.py compares its loss and predictions."""

import numpy as np
import pytest
import torch
from mmengine.logging import MessageHub
from mmpose.registry import MODELS
from mmpose.structures import PoseDataSample

from tests.unit.pretrain.small_autoencoder import build
from vitpose_mm.pretrain.masking import mask_noise, patchify

IMAGES = torch.randn(3, 3, 64, 48, generator=torch.Generator().manual_seed(1))
NOISE = torch.rand(3, 12, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize('side', [16, 14])
def test_masked_pixels_never_reach_the_prediction(side):
    model = build(backbone=dict(patch_size=side), img_size=(4 * side, 3 * side))
    images = IMAGES[..., : 4 * side, : 3 * side]
    predicted, split = model(images, noise=NOISE)
    assert predicted.shape == (3, 12, side * side * 3)
    masked = split.masked.view(3, 1, 4, 3).repeat_interleave(side, 2).repeat_interleave(side, 3).bool()
    changed = torch.where(masked, torch.randn_like(images), images)
    assert torch.equal(model(changed, noise=NOISE)[0], predicted)
    if side == 14:  # without padding, the patches are those of the ViT; tests/parity has those of 16
        embed, patches = model.backbone.patch_embed, model.patchify(images)
        torch.testing.assert_close(embed.project(patches), embed(images).flatten(1, 2), rtol=0, atol=2e-5)


def test_every_trained_parameter_receives_a_gradient():
    model = build(randomized=False)
    model(IMAGES, mode='loss', noise=NOISE)['loss'].backward()
    gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
    assert gradients.pop('backbone.pos_embed') is gradients.pop('decoder.pos_embed') is None
    assert all(gradient.any() for gradient in gradients.values())


def draw_noise(model, images, **info):
    MessageHub.get_current_instance().update_info_dict(info)
    return model.noise(patchify(images))


def test_masks_follow_the_step_of_the_training():
    model = build()
    fourth = draw_noise(model, IMAGES, iter=4, seed=7)
    assert torch.equal(draw_noise(model, IMAGES), fourth)
    assert np.array_equal(fourth.numpy(), mask_noise(7, 12, 3, 12))  # batches of 3: step 4 starts at sample 12
    assert not torch.equal(draw_noise(model, IMAGES, seed=8), fourth)


@pytest.mark.parametrize('world', [1, 2, 4])
def test_processes_share_the_masks_of_one(monkeypatch, world):
    """MMEngine's sampler gives sample i of a batch to process i % world."""
    model, images = build(), torch.zeros(8, 3, 64, 48)
    alone = draw_noise(model, images, iter=2, seed=7)
    monkeypatch.setattr('vitpose_mm.pretrain.autoencoder.get_world_size', lambda: world)
    for rank in range(world):
        monkeypatch.setattr('vitpose_mm.pretrain.autoencoder.get_rank', lambda rank=rank: rank)
        assert torch.equal(draw_noise(model, images[rank::world]), alone[rank::world])


def test_drop_path_and_checkpointing_apply_as_in_fine_tuning():
    model = build(backbone=dict(drop_path_rate=0.9, with_cp=True))
    assert not torch.equal(*(model(IMAGES, noise=NOISE)[0] for _ in range(2)))
    model.eval()
    assert torch.equal(*(model(IMAGES, noise=NOISE)[0] for _ in range(2)))


def samples(*names):
    """One sample per image, with its dataset."""
    return [PoseDataSample(metainfo=dict(dataset_name=names[i % len(names)])) for i in range(3)]


def test_experts_are_routed_by_the_samples():
    model = build(backbone=dict(experts=dict(names=['coco', 'aic'], expert_dim=8)))
    coco, aic = (model(IMAGES, samples(name), noise=NOISE)[0] for name in ('coco', 'aic'))
    mixed = model(IMAGES, samples('coco', 'aic', 'coco'), noise=NOISE)[0]
    assert not torch.equal(coco, aic)
    torch.testing.assert_close(mixed, torch.stack([coco[0], aic[1], coco[2]]))
    with pytest.raises(ValueError, match='needs the dataset of each image'):
        model(IMAGES, noise=NOISE)
    with pytest.raises(KeyError, match='no expert for dataset'):
        model(IMAGES, samples(''), noise=NOISE)


def test_initial_values_are_those_of_mae():
    model = build(randomized=False)
    weight = model.backbone.patch_embed.proj.weight
    bound = (6 / (3 * 16 * 16 + 32)) ** 0.5  # Xavier, as a linear layer
    assert 0.95 * bound < weight.abs().max() <= bound
    assert 0.005 < model.cls_token.std() < 0.05 and 0.005 < model.decoder.mask_token.std() < 0.05
    assert not model.backbone.layers[0].attn.qkv.bias.any()


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(mask_ratio=0.0), 'mask_ratio=0.0: expected a share'),
        (dict(mask_ratio=1.0), 'mask_ratio=1.0: expected a share'),
        (dict(mask_ratio=0.99), 'leaves 0 visible'),
        (dict(backbone=dict(stride=8)), 'overlapping patches would show masked pixels'),
        (dict(backbone=dict(attention=dict(window_size=(2, 2)))), 'windowed attention needs the whole grid'),
        (dict(backbone=dict(knowledge_token=dict())), 'pre-train without it'),
    ],
)
def test_bad_arguments_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        build(**options)


def test_another_backbone_and_sizes_are_refused():
    with pytest.raises(ValueError, match="expected dict.type='ViT'"):
        MODELS.build(dict(type='MaskedAutoencoder', backbone=dict(type='ResNet', depth=18)))
    with pytest.raises(ValueError, match='images of .h, w. = .48, 64., but img_size=.64, 48.'):
        build()(IMAGES.transpose(2, 3))
