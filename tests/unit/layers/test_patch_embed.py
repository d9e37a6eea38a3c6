import pytest
import torch
import torch.nn.functional as F

from vitpose_mm.layers import Attention, Block, Mlp, PatchEmbed, WindowAttention


@pytest.mark.parametrize('stride', [16, 8])
@pytest.mark.parametrize('attention', [Attention(12, 2), WindowAttention(12, 2, (2, 2), shift=True, pool=True)])
def test_tokens_are_contiguous_after_the_embedding_and_a_block(stride, attention):
    tokens = PatchEmbed(3, 12, stride)(torch.randn(2, 3, 64, 48))
    assert tokens.shape == (2, 64 // stride, 48 // stride, 12)
    (out,) = Block(12, attention, Mlp(12, 24), drop_path=0.5)((tokens,))
    assert tokens.is_contiguous() and out.is_contiguous()


@pytest.mark.parametrize('side', [16, 14])
def test_single_patches_are_projected_as_by_the_convolution(side):
    embed, image = PatchEmbed(3, 12, patch_size=side), torch.randn(2, 3, side, side)
    expected = F.conv2d(image, embed.proj.weight, embed.proj.bias).flatten(1)
    torch.testing.assert_close(embed.project(image.permute(0, 2, 3, 1).flatten(1)), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ('image', 'message'),
    [
        (torch.zeros(1, 3, 60, 48), r'\(60, 48\): 60 is not .* resize the input, e.g. to 48 or 64'),
        (torch.zeros(3, 64, 48), r'\(3, 64, 48\), expected \(B, 3, H, W\): add the batch axis with image\[None\]'),
        (torch.zeros(1, 64, 48, 3), r'shape \(1, 64, 48, 3\), expected \(B, 3, H, W\): .*permute\(0, 3, 1, 2\)'),
        (torch.zeros(1, 1, 64, 48), r'shape \(1, 1, 64, 48\), expected \(B, 3, H, W\)$'),
        (torch.zeros(1, 3, 64, 48, dtype=torch.uint8), 'image of torch.uint8, expected floats: normalize'),
    ],
)
def test_messages_say_what_to_do(image, message):
    with pytest.raises(ValueError, match=message):
        PatchEmbed(3, 12)(image)


@pytest.mark.parametrize(
    ('patch', 'stride', 'padding', 'size'),
    [(16, None, 2, (64, 48)), (16, 8, 4, (64, 48)), (14, None, 0, (252, 196)), (14, 14, 0, (28, 42))],
)
def test_each_patch_size_has_its_strides_and_padding(patch, stride, padding, size):
    embed = PatchEmbed(3, 12, stride, patch)
    step = stride or patch
    assert embed.stride == step and embed.proj.kernel_size == (patch, patch) and embed.proj.padding == (padding,) * 2
    expected = (size[0] // step, size[1] // step)
    assert embed.grid(*size) == expected and embed(torch.randn(1, 3, *size)).shape == (1, *expected, 12)


@pytest.mark.parametrize(
    ('patch', 'stride', 'message'),
    [
        (15, None, 'patch_size=15: expected 16 or 14 pixels'),
        ((16, 16), None, r'patch_size=\(16, 16\): expected 16 or 14'),
        (14, 16, 'stride=16 with patch_size=14: expected 14$'),
        (14, 7, 'stride=7 with patch_size=14: expected 14$'),
        (16, 14, 'stride=14 with patch_size=16: expected 16 or 8'),
    ],
)
def test_other_patches_are_refused(patch, stride, message):
    with pytest.raises(ValueError, match=message):
        PatchEmbed(3, 12, stride, patch)
