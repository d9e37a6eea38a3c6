"""Checkpoints of a masked autoencoder: its own, and what fine-tuning reads of them."""

import pytest
import torch
from mmengine.runner import load_checkpoint
from mmpose.registry import MODELS

from tests.unit.pretrain.small_autoencoder import build
from vitpose_mm.checkpoints.validation import load_strictly
from vitpose_mm.layers import resize_pos_embed
from vitpose_mm.pretrain import to_mae, to_transformers

FINE = dict(type='ViT', arch=dict(depth=2, embed_dim=32, num_heads=2), img_size=(64, 48))


def is_equal(model, weights):
    return all(torch.equal(value, weights[key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize('write', [lambda weights: dict(model=to_mae(weights)), to_mae, to_transformers])
def test_other_formats_come_back_to_the_bit(tmp_path, write):
    weights, other = build().state_dict(), build(seed=1)
    torch.save(write(weights), tmp_path / 'mae.pth')
    load_checkpoint(other, str(tmp_path / 'mae.pth'))
    assert is_equal(other, weights)


@pytest.mark.parametrize(
    ('write', 'prefix'), [(dict, None), (dict, 'backbone.'), (to_mae, None), (to_transformers, 'vit.')]
)
def test_fine_tuning_starts_from_every_format(tmp_path, write, prefix):
    model, file = build(), str(tmp_path / 'epoch_1.pth')
    torch.save(dict(state_dict=write(model.state_dict()), meta={}), file)
    options = {} if prefix is None else dict(prefix=prefix)
    vit = MODELS.build(dict(FINE, init_cfg=dict(type='Pretrained', checkpoint=file, **options)))
    vit.init_weights()
    assert is_equal(vit, model.backbone.state_dict())


def test_a_square_encoder_is_resized_for_people(tmp_path):
    square = build(img_size=(64, 64))
    torch.save(dict(state_dict=square.state_dict()), tmp_path / 'square.pth')
    vit = MODELS.build(dict(FINE, init_cfg=dict(type='Pretrained', checkpoint=str(tmp_path / 'square.pth'))))
    vit.init_weights()
    assert vit.pos_embed.shape == (1, 12, 32)
    assert torch.equal(vit.layers[0].mlp.fc1.weight, square.backbone.layers[0].mlp.fc1.weight)


def test_both_tables_have_the_grid_of_pretrain_img_size():
    """Files of MAE do not record it."""
    source = build(img_size=(80, 48))
    weights = to_mae(source.state_dict())
    with pytest.raises(ValueError, match=r'position table of 15 entries: .*pretrain_img_size'):
        load_strictly(build(), dict(weights))
    model = build(backbone=dict(pretrain_img_size=(80, 48)))
    load_strictly(model, dict(weights))
    expected = resize_pos_embed(source.decoder.pos_embed, (5, 3), (4, 3))
    assert torch.equal(model.decoder.pos_embed, expected) and model.backbone.pos_embed.shape == (1, 12, 32)


def test_the_position_of_the_cls_token_is_added_to_it():
    model, weights = build(), to_mae(build(seed=1).state_dict())
    weights['pos_embed'][:, 0] = 1.5
    expected = weights['cls_token'] + 1.5
    model.load_state_dict(weights)
    assert torch.equal(model.cls_token, expected)
    assert torch.equal(model.backbone.pos_embed, build().backbone.pos_embed)
    weights['decoder_pos_embed'][:, 0] = 1
    with pytest.raises(ValueError, match="decoder's position of the cls token"):
        load_strictly(model, weights)


def test_files_that_do_not_fit_are_refused():
    model = build()
    with pytest.raises(ValueError, match='no decoder of a masked autoencoder'):
        load_strictly(model, {f'backbone.{key}': value for key, value in model.backbone.state_dict().items()})
    weights = model.state_dict()
    del weights['decoder.norm.bias']
    with pytest.raises(ValueError, match='missing .decoder.norm.bias'):
        load_strictly(model, weights)
    with pytest.raises(ValueError, match='unknown keys: extra'):
        load_strictly(model, {**to_mae(model.state_dict()), 'extra': torch.ones(1)})
    with pytest.raises(ValueError, match='extra has no name in the other format'):
        to_mae({**model.state_dict(), 'extra': torch.ones(1)})
