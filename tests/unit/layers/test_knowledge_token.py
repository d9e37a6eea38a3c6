"""The module that holds knowledge tokens; test_attention.py has what they do in attention."""

import torch

from vitpose_mm.layers import KnowledgeToken


def test_a_token_is_projected_only_if_widths_differ():
    assert set(KnowledgeToken(12).state_dict()) == set(KnowledgeToken(12, width=12).state_dict()) == {'tokens'}
    assert torch.equal(KnowledgeToken(12)(3).std(0), torch.zeros(1, 12))
    wide = KnowledgeToken(12, count=2, width=20, frozen=True, pos_embed=True)
    assert {n: (tuple(p.shape), p.requires_grad) for n, p in wide.named_parameters()} == {
        'tokens': ((1, 2, 20), False),
        'pos_embed': ((1, 2, 12), True),
        'proj.weight': ((12, 20), True),
        'proj.bias': ((12,), True),
    }
    assert wide(3).shape == (3, 2, 12)
    with torch.autocast('cpu', torch.bfloat16):
        assert wide(2).dtype == torch.float32  # it does not round the tokens
