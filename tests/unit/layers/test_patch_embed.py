import pytest
import torch

from vitpose_mm.layers import Attention, Block, Mlp, PatchEmbed, WindowAttention


@pytest.mark.parametrize('stride', [16, 8])
@pytest.mark.parametrize('attention', [Attention(12, 2), WindowAttention(12, 2, (2, 2), shift=True, pool=True)])
def test_tokens_are_contiguous_after_the_embedding_and_a_block(stride, attention):
    tokens = PatchEmbed(3, 12, stride)(torch.randn(2, 3, 64, 48))
    assert tokens.shape == (2, 64 // stride, 48 // stride, 12)
    (out,) = Block(12, attention, Mlp(12, 24), drop_path=0.5)((tokens,))
    assert tokens.is_contiguous() and out.is_contiguous()
