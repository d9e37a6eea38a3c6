import pytest
import torch

from vitpose_mm.layers import Attention, Block, Mlp, PatchEmbed, WindowAttention


@pytest.mark.parametrize('stride', [16, 8])
@pytest.mark.parametrize('attention', [Attention(12, 2), WindowAttention(12, 2, (2, 2), shift=True, pool=True)])
def test_tokens_are_padded_and_contiguous_after_the_embedding_and_a_block(stride, attention):
    embed = PatchEmbed(3, 12, stride)
    assert embed.proj.padding == ({16: 2, 8: 4}[stride],) * 2
    assert (tokens := embed(torch.randn(2, 3, 64, 48))).shape == (2, 64 // stride, 48 // stride, 12)
    (out,) = Block(12, attention, Mlp(12, 24), drop_path=0.5)((tokens,))
    assert tokens.is_contiguous() and out.is_contiguous()


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
    ('patch', 'stride', 'message'),
    [
        (15, None, 'patch_size=15: expected 16 or 14 pixels'),
        (14, 16, 'stride=16 with patch_size=14: expected 14$'),
        (16, 14, 'stride=14 with patch_size=16: expected 16 or 8'),
    ],
)
def test_other_patches_are_refused(patch, stride, message):
    with pytest.raises(ValueError, match=message):
        PatchEmbed(3, 12, stride, patch)
