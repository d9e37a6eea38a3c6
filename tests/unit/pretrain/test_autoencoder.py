"""The masked autoencoder, against plain implementations."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.logging import MessageHub
from mmpose.structures import PoseDataSample

from vitpose_mm.pretrain.masking import mask_noise, patchify, split_patches

IMAGES = torch.randn(3, 3, 64, 48, generator=torch.Generator().manual_seed(1))
NOISE = torch.rand(3, 12, generator=torch.Generator().manual_seed(2))


def plain_loss(predicted, images, masked):
    """MAE's loss in plain numpy, patch by patch."""
    errors = []
    for prediction, image, hidden in zip(predicted, images, masked, strict=True):
        for n in np.flatnonzero(hidden):
            top, left = n // 3 * 16, n % 3 * 16
            target = image[:, top : top + 16, left : left + 16].transpose(1, 2, 0).reshape(-1)
            target = (target - target.mean()) / np.sqrt(target.var(ddof=1) + 1e-6)
            errors.append(((prediction[n] - target) ** 2).mean())
    return np.mean(errors)


def test_the_loss_equals_a_plain_implementation(build):
    model = build().double()
    predicted, split = model(IMAGES.double(), noise=NOISE)
    loss = model(IMAGES.double(), mode='loss', noise=NOISE)['loss']
    expected = plain_loss(predicted.detach().numpy(), IMAGES.double().numpy(), split.masked.numpy())
    assert loss.item() == pytest.approx(expected, abs=1e-6)


def masked_attention(attn, tokens, masked):
    """Attention of all tokens (B, n, C) to those with masked (B, n) == 0 only, by the plain formula."""
    query, key, value = attn.qkv(tokens).unflatten(2, (3, attn.num_heads, -1)).permute(2, 0, 3, 1, 4)
    scores = query @ key.transpose(2, 3) / query.shape[-1] ** 0.5
    scores = scores.masked_fill(masked[:, None, None].bool(), -torch.inf)
    return attn.proj((scores.softmax(-1) @ value).transpose(1, 2).flatten(2))


def test_encoding_visible_patches_equals_encoding_all_without_attention_to_masked_ones(build):
    model = build().double()
    vit, images = model.backbone, IMAGES.double()
    split = split_patches(NOISE, 0.75)
    encoded = model.encode(patchify(images), split.visible)
    weight = vit.patch_embed.proj
    grid = F.conv2d(images, weight.weight, weight.bias, stride=16).flatten(2).transpose(1, 2) + vit.pos_embed
    tokens = torch.cat([model.cls_token.expand(3, -1, -1), grid], dim=1)
    masked = torch.cat([torch.zeros(3, 1), split.masked], dim=1)
    for block in vit.layers:
        tokens = tokens + masked_attention(block.attn, block.norm1(tokens), masked)
        tokens = tokens + block.mlp(block.norm2(tokens))
    tokens = vit.last_norm(tokens)
    torch.testing.assert_close(encoded[:, :1], tokens[:, :1], rtol=0, atol=1e-10)
    for one, every, visible in zip(encoded[:, 1:], tokens[:, 1:], split.visible, strict=True):
        torch.testing.assert_close(one, every[visible], rtol=0, atol=1e-10)


def test_masked_pixels_never_reach_the_prediction(build):
    model = build()
    masked = split_patches(NOISE, 0.75).masked.view(3, 1, 4, 3).repeat_interleave(16, 2).repeat_interleave(16, 3)
    changed = torch.where(masked.bool(), torch.randn_like(IMAGES), IMAGES)
    assert torch.equal(model(IMAGES, noise=NOISE)[0], model(changed, noise=NOISE)[0])


def test_every_trained_parameter_receives_a_gradient(build):
    model = build(randomised=False)
    model(IMAGES, mode='loss', noise=NOISE)['loss'].backward()
    without = [name for name, parameter in model.named_parameters() if parameter.grad is None]
    assert without == ['backbone.pos_embed', 'decoder.pos_embed']
    # the bias of the keys changes all scores of a query alike
    zero = [name for name, p in model.named_parameters() if p.grad is not None and not p.grad.any()]
    assert not zero


def test_masks_follow_the_step_of_the_training(build):
    model, patches = build(), patchify(IMAGES)
    hub = MessageHub.get_current_instance()
    hub.update_info_dict(dict(iter=4, seed=7))
    fourth = model.noise(patches)
    assert torch.equal(model.noise(patches), fourth)
    assert np.array_equal(fourth.numpy(), mask_noise(7, 12, 3, 12))  # batches of 3: step 4 starts at sample 12
    hub.update_info_dict(dict(iter=4, seed=8))
    assert not torch.equal(model.noise(patches), fourth)


@pytest.mark.parametrize('world', [1, 2, 4])
def test_processes_share_the_masks_of_one(build, monkeypatch, world):
    """MMEngine's sampler gives sample i of a batch to process i % world."""
    model = build()
    hub = MessageHub.get_current_instance()
    hub.update_info_dict(dict(iter=2, seed=7))
    images = torch.zeros(8, 3, 64, 48)
    alone = model.noise(patchify(images))
    monkeypatch.setattr('vitpose_mm.pretrain.autoencoder.get_world_size', lambda: world)
    for rank in range(world):
        monkeypatch.setattr('vitpose_mm.pretrain.autoencoder.get_rank', lambda rank=rank: rank)
        assert torch.equal(model.noise(patchify(images[rank::world])), alone[rank::world])


def test_drop_path_and_checkpointing_apply_as_in_fine_tuning(build):
    model = build(backbone=dict(drop_path_rate=0.9, with_cp=True))
    assert not torch.equal(*(model(IMAGES, noise=NOISE)[0] for _ in range(2)))
    model.eval()
    assert torch.equal(*(model(IMAGES, noise=NOISE)[0] for _ in range(2)))


def test_experts_are_routed_by_the_samples(build):
    model = build(backbone=dict(experts=dict(names=['coco', 'aic'], expert_dim=8)))
    coco, aic = (model(IMAGES, samples(name), noise=NOISE)[0] for name in ('coco', 'aic'))
    mixed = model(IMAGES, samples('coco', 'aic', 'coco'), noise=NOISE)[0]
    assert not torch.equal(coco, aic)
    torch.testing.assert_close(mixed, torch.stack([coco[0], aic[1], coco[2]]))
    with pytest.raises(ValueError, match='needs the dataset of each image'):
        model(IMAGES, noise=NOISE)
    with pytest.raises(KeyError, match='no expert for dataset'):
        model(IMAGES, samples(''), noise=NOISE)


def test_patches_of_14_pixels(build):
    """The prediction is that of the patches as the ViT itself cuts them, and the loss that of 14x14 pixels."""
    model = build(backbone=dict(patch_size=14), img_size=(56, 42))
    images = IMAGES[:, :, :56, :42]
    whole = model.backbone.patch_embed(images).flatten(1, 2)
    torch.testing.assert_close(model.backbone.patch_embed.project(model.patchify(images)), whole, rtol=0, atol=1e-4)
    predicted, split = model(images, noise=NOISE)
    assert predicted.shape == (3, 12, 14 * 14 * 3)
    masked = split.masked.view(3, 1, 4, 3).repeat_interleave(14, 2).repeat_interleave(14, 3).bool()
    changed = torch.where(masked, torch.randn_like(images), images)
    assert torch.equal(model(changed, noise=NOISE)[0], predicted)


def samples(*names):
    """One sample per image, with its dataset."""
    return [PoseDataSample(metainfo=dict(dataset_name=names[i % len(names)])) for i in range(3)]


def test_initial_values_are_those_of_mae(build):
    model = build(randomised=False)
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
        (dict(backbone=dict(experts=dict(expert_dim=8))), 'missing keys .*names'),
        (dict(backbone=dict(experts=dict(names=[], expert_dim=8))), 'expected at least one dataset'),
    ],
)
def test_bad_arguments_are_refused(build, options, message):
    with pytest.raises(ValueError, match=message):
        build(**options)


def test_another_backbone_and_sizes_are_refused(build):
    with pytest.raises(ValueError, match="expected dict.type='ViT'"):
        from mmpose.registry import MODELS

        MODELS.build(dict(type='MaskedAutoencoder', backbone=dict(type='ResNet', depth=18)))
    with pytest.raises(ValueError, match='images of .h, w. = .48, 64., but img_size=.64, 48.'):
        build()(IMAGES.transpose(2, 3))
