"""Checkpoints of other origins load without a conversion step."""

import pytest
import torch
from mmpose.registry import MODELS

import vitpose_mm  # noqa: F401

ARCH = dict(depth=2, embed_dim=24, num_heads=2)


def build(img_size=(64, 48), **changes):
    return MODELS.build(dict(type='ViT', arch=ARCH, img_size=img_size, **changes))


def authors_names(weights, norm='last_norm'):
    """Our weights under the authors' keys, with a non-zero class-token slot in the position table."""
    renamed = {key.replace('layers.', 'blocks.').replace('last_norm', norm): value for key, value in weights.items()}
    slot = torch.randn(1, 1, 24)
    renamed['pos_embed'] = torch.cat([slot, weights['pos_embed'] - slot], dim=1)
    return renamed


def test_authors_checkpoint_loads_strictly_and_its_extra_slot_is_folded():
    source, target = build(), build()
    target.load_state_dict(authors_names(source.state_dict()), strict=True)
    for key, value in source.state_dict().items():
        torch.testing.assert_close(target.state_dict()[key], value)


def test_a_square_mae_checkpoint_loads_into_a_rectangular_model():
    source, target = build((64, 64)), build((64, 48), pretrain_img_size=(64, 64))
    weights = authors_names(source.state_dict(), norm='norm')
    weights |= {
        'mask_token': torch.zeros(1, 1, 8),
        'decoder_pos_embed': torch.zeros(1, 17, 8),
        'decoder_blocks.0.norm1.weight': torch.zeros(8),
    }
    target.load_state_dict(weights, strict=True)
    # the oracle: resize the square table to the rectangular grid
    table = torch.nn.functional.interpolate(
        source.pos_embed.view(1, 4, 4, 24).permute(0, 3, 1, 2), size=(4, 3), mode='bicubic'
    )
    torch.testing.assert_close(target.pos_embed, table.flatten(2).transpose(1, 2), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('wrapper', ['model', 'state_dict', None])
def test_pretrained_loads_wrapped_and_bare_state_dicts(wrapper, tmp_path):
    weights = authors_names(build().state_dict(), norm='norm') | {'mask_token': torch.zeros(1, 1, 8)}
    file = tmp_path / 'mae_pretrain.pth'
    torch.save({wrapper: weights, 'epoch': 1599} if wrapper else weights, file)
    target = build(init_cfg=dict(type='Pretrained', checkpoint=str(file)))
    target.init_weights()
    for key in ('patch_embed.proj.weight', 'layers.1.mlp.fc2.bias', 'pos_embed'):
        expected = weights[key.replace('layers', 'blocks')]
        expected = expected[:, 1:] + expected[:, :1] if key == 'pos_embed' else expected
        torch.testing.assert_close(target.state_dict()[key], expected, msg=key)


def test_unknown_keys_are_an_error():
    weights = authors_names(build().state_dict()) | {'blorp.weight': torch.zeros(1)}
    with pytest.raises(ValueError, match='1 unknown keys: blorp.weight; remove'):
        build().load_state_dict(weights)


def test_the_position_table_of_another_image_size_is_resized():
    """The state dict records its grid, so any size will do."""
    small, large = build((80, 48)), build((128, 96))
    large.load_state_dict(small.state_dict(), strict=True)
    assert large.pos_embed.shape == (1, 48, 24)


def test_prefix_is_respected():
    class Wrapper(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.student = build()
            self.other = torch.nn.Linear(2, 2)

    source, target = build(), Wrapper()
    weights = {'student.' + key: value for key, value in authors_names(source.state_dict()).items()}
    weights |= {'other.' + key: value for key, value in target.other.state_dict().items()}
    target.load_state_dict(weights, strict=True)
    torch.testing.assert_close(target.student.pos_embed, source.pos_embed)
