"""Attention with knowledge tokens, compared with explicit loops over the tokens that each query attends to."""

import itertools

import pytest
import torch

from vitpose_mm.layers import Attention, KnowledgeToken, WindowAttention
from vitpose_mm.layers.window import fit_window, padded_grid

DIM, HEADS = 12, 3


def randomised(module):
    torch.manual_seed(0)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return module


def attend(query, key, value, biases):
    """Attention of one query over lists of keys, values and biases."""
    scores = torch.stack([query @ k / len(query) ** 0.5 + b for k, b in zip(key, biases, strict=True)])
    return scores.softmax(0) @ torch.stack(value)


def oracle(attention, grid, tokens, window, shifted, pool):
    """Compute each query separately; cells with the same window index form a window."""
    height, width = grid.shape[1:3]
    window, shift = fit_window((height, width), window, shifted)
    padded = padded_grid((height, width), window)
    cells = list(itertools.product(range(height), range(width)))
    window_index = {c: tuple((c[i] - shift[i]) % padded[i] // window[i] for i in (0, 1)) for c in cells}
    members = {n: [c for c in cells if window_index[c] == n] for n in window_index.values()}
    rel = getattr(attention, 'rel_pos', None)
    out_grid, out_tokens = torch.zeros_like(grid), torch.zeros_like(tokens)
    for b, h in itertools.product(range(len(grid)), range(HEADS)):
        part = slice(h * DIM // HEADS, (h + 1) * DIM // HEADS)

        def project(x, part=part):
            return [projected[part] for projected in attention.qkv(x).split(DIM)]

        own = {c: project(grid[b][c]) for c in cells}
        known = [project(token) for token in tokens[b]]
        means = [project(torch.stack([grid[b][c] for c in m]).mean(0)) for m in members.values()]
        for c in cells:
            near = [d for d in members[window_index[c]] if all(abs(c[i] - d[i]) < window[i] for i in (0, 1))]
            shared = known + (means if pool and len(members) > 1 else [])
            biases = [0.0] * (len(near) + len(shared))
            if rel is not None:
                for i, d in enumerate(near):
                    biases[i] = own[c][0] @ (
                        rel.rel_pos_h[c[0] - d[0] + len(rel.rel_pos_h) // 2]
                        + rel.rel_pos_w[c[1] - d[1] + len(rel.rel_pos_w) // 2]
                    )
            rows = [own[d] for d in near] + shared
            out_grid[b, c[0], c[1], part] = attend(own[c][0], [r[1] for r in rows], [r[2] for r in rows], biases)
        rows = list(own.values()) + known
        for t, token in enumerate(known):
            out_tokens[b, t, part] = attend(token[0], [r[1] for r in rows], [r[2] for r in rows], [0.0] * len(rows))
    return attention.proj(out_grid), attention.proj(out_tokens)


@pytest.mark.parametrize(('grid', 'window'), [((4, 6), (2, 3)), ((5, 7), (3, 4)), ((3, 4), (8, 8))])
@pytest.mark.parametrize('rel_pos', [False, True])
@pytest.mark.parametrize('pool', [False, True])
@pytest.mark.parametrize('shift', [False, True])
@torch.no_grad()
def test_window_attention_equals_the_loops(grid, window, shift, pool, rel_pos):
    attention = randomised(WindowAttention(DIM, HEADS, window, shift, pool, rel_pos))
    x, tokens = torch.randn(2, *grid, DIM), torch.randn(2, 2, DIM)
    # fp32 rounds values of order 1 by 6e-8, and the two sum in different orders
    for ours, expected in zip(attention(x, tokens), oracle(attention, x, tokens, window, shift, pool), strict=True):
        torch.testing.assert_close(ours, expected, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_full_attention_equals_the_loops():
    attention = randomised(Attention(DIM, HEADS))
    x, tokens = torch.randn(2, 4, 5, DIM), torch.randn(2, 3, DIM)
    for ours, expected in zip(attention(x, tokens), oracle(attention, x, tokens, (4, 5), False, False), strict=True):
        torch.testing.assert_close(ours, expected, atol=1e-5, rtol=1e-5)


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


def test_autocast_does_not_round_the_tokens():
    wide = KnowledgeToken(12, width=20)
    with torch.autocast('cpu', torch.bfloat16):
        assert wide(2).dtype == torch.float32
