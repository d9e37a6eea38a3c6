"""The masked autoencoder, side by side with transformers' `ViTMAEForPreTraining`."""

import pytest
import torch
from mmpose.registry import MODELS

import vitpose_mm  # noqa: F401
from vitpose_mm.pretrain import to_mae, to_transformers

transformers = pytest.importorskip('transformers', reason='the oracle (projects/peers/requirements.txt)')

NOISE = torch.rand(3, 16, generator=torch.Generator().manual_seed(2))
IMAGES = torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope='module')
def pair():
    torch.manual_seed(0)
    config = transformers.ViTMAEConfig(
        **dict(hidden_size=48, num_hidden_layers=3, num_attention_heads=4, intermediate_size=192, image_size=64),
        **dict(decoder_hidden_size=32, decoder_num_hidden_layers=2, decoder_num_attention_heads=2),
        **dict(decoder_intermediate_size=128, norm_pix_loss=True, layer_norm_eps=1e-6),
    )
    theirs = transformers.ViTMAEForPreTraining(config)
    vit = dict(type='ViT', arch=dict(depth=3, embed_dim=48, num_heads=4), img_size=(64, 64))
    ours = MODELS.build(dict(type='MaskedAutoencoder', backbone=vit, decoder=dict(dim=32, depth=2, heads=2)))
    randomize(theirs)
    randomize(ours)
    return ours, theirs


def randomize(model):
    for parameter in model.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.2)


def agree(ours, theirs):
    """Compare losses, predictions and gradients on the same images and masks."""
    loss, expected = ours(IMAGES, mode='loss', noise=NOISE)['loss'], theirs(IMAGES, noise=NOISE)
    assert loss.item() == pytest.approx(expected.loss.item(), abs=1e-5)
    torch.testing.assert_close(ours(IMAGES, noise=NOISE)[0], expected.logits, rtol=0, atol=1e-4)
    kernels = ours.backbone.patch_embed.proj.weight, theirs.vit.embeddings.patch_embeddings.projection.weight
    (ours_grad,), (theirs_grad,) = map(torch.autograd.grad, (loss, expected.loss), kernels)
    torch.testing.assert_close(ours_grad, theirs_grad, rtol=0, atol=1e-5 * ours_grad.abs().max())


def test_fixed_positions_are_those_of_transformers(pair):
    ours, _ = pair
    table = transformers.models.vit_mae.modeling_vit_mae.get_2d_sincos_pos_embed
    for ours_table, dim in ((ours.backbone.pos_embed, 48), (ours.decoder.pos_embed, 32)):
        torch.testing.assert_close(ours_table[0], torch.from_numpy(table(dim, 4)).float(), rtol=0, atol=1e-6)


def test_their_file_gives_their_loss(pair):
    ours, theirs = pair
    ours.load_state_dict(theirs.state_dict())
    agree(ours, theirs)


def test_our_file_gives_our_loss(pair):
    ours, theirs = pair
    randomize(ours)
    missing, unexpected = theirs.load_state_dict(to_transformers(ours.state_dict()))
    assert not missing and not unexpected
    agree(ours, theirs)


def test_the_names_are_those_of_mae(pair):
    """As in facebookresearch's models_mae.py."""
    weights = to_mae(pair[0].state_dict())
    outside = {'cls_token', 'pos_embed', 'mask_token', 'decoder_pos_embed'}
    outside |= {f'{name}.{kind}' for name in ('patch_embed.proj', 'norm') for kind in ('weight', 'bias')}
    outside |= {f'decoder_{name}.{kind}' for name in ('embed', 'norm', 'pred') for kind in ('weight', 'bias')}
    parts = ('norm1', 'attn.qkv', 'attn.proj', 'norm2', 'mlp.fc1', 'mlp.fc2')
    block = [f'{part}.{kind}' for part in parts for kind in ('weight', 'bias')]
    blocks = {f'blocks.{n}.{key}' for n in range(3) for key in block}
    blocks |= {f'decoder_blocks.{n}.{key}' for n in range(2) for key in block}
    assert set(weights) == outside | blocks
    assert weights['pos_embed'].shape == (1, 17, 48) and weights['decoder_pos_embed'].shape == (1, 17, 32)
