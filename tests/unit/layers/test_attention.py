"""Attention against an oracle of explicit loops, and what may reach what."""

import itertools
import os
import subprocess
import sys

import pytest
import torch

from vitpose_mm.layers import Attention, WindowAttention
from vitpose_mm.layers.window import fit_window, padded_grid

DIM, HEADS = 12, 3


def randomised(module):
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return module


def oracle(attention, x, window, shifted, pool):
    """Every query of every window by itself: the tokens it may see are listed by their coordinates."""
    height, width = x.shape[1:3]
    window, shift = fit_window((height, width), window, shifted)
    padded = padded_grid((height, width), window)

    def window_of(y, x):
        return (y - shift[0]) % padded[0] // window[0], (x - shift[1]) % padded[1] // window[1]

    places = list(itertools.product(range(height), range(width)))
    members = {}
    for place in places:
        members.setdefault(window_of(*place), []).append(place)
    head_dim = DIM // HEADS
    out = torch.zeros_like(x)
    for b in range(x.shape[0]):
        query, key, value = (
            torch.nn.functional.linear(x[b], attention.qkv.weight, attention.qkv.bias)
            .unflatten(-1, (3, HEADS, head_dim))
            .permute(2, 3, 0, 1, 4)
        )
        means = {w: torch.stack([x[b, y, u] for y, u in m]).mean(0) for w, m in members.items()}
        for (y, u), h in itertools.product(places, range(HEADS)):
            seen = [(v, w) for v, w in members[window_of(y, u)] if abs(y - v) < window[0] and abs(u - w) < window[1]]
            scores, values = [], []
            for v, w in seen:
                score = query[h, y, u] @ key[h, v, w] / head_dim**0.5
                if getattr(attention, 'rel_pos', None) is not None:
                    rel = attention.rel_pos
                    score = score + query[h, y, u] @ rel.rel_pos_h[y - v + attention.window[0] - 1]
                    score = score + query[h, y, u] @ rel.rel_pos_w[u - w + attention.window[1] - 1]
                scores.append(score)
                values.append(value[h, v, w])
            if pool and len(members) > 1:
                for mean in means.values():  # projected after pooling: the other way round than the module
                    pooled = torch.nn.functional.linear(mean, attention.qkv.weight, attention.qkv.bias)
                    pooled = pooled.view(3, HEADS, head_dim)[:, h]
                    scores.append(query[h, y, u] @ pooled[1] / head_dim**0.5)
                    values.append(pooled[2])
            weights = torch.stack(scores).softmax(0)
            out[b, y, u, h * head_dim : (h + 1) * head_dim] = weights @ torch.stack(values)
    return attention.proj(out)


@pytest.mark.parametrize(('grid', 'window'), [((4, 6), (2, 3)), ((5, 7), (3, 4)), ((3, 8), (4, 4)), ((3, 4), (8, 8))])
@pytest.mark.parametrize('rel_pos', [False, True])
@pytest.mark.parametrize('pool', [False, True])
@pytest.mark.parametrize('shift', [False, True])
@torch.no_grad()
def test_every_combination_equals_the_loops(grid, window, shift, pool, rel_pos):
    torch.manual_seed(0)
    attention = randomised(WindowAttention(DIM, HEADS, window, shift, pool, rel_pos))
    x = torch.randn(2, *grid, DIM)
    # fp32 keeps 6e-8 of values of order 1; the two sum in another order
    torch.testing.assert_close(attention(x)[0], oracle(attention, x, window, shift, pool), atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_full_attention_equals_the_loops():
    torch.manual_seed(0)
    attention = randomised(Attention(DIM, HEADS))
    x = torch.randn(2, 4, 5, DIM)
    torch.testing.assert_close(attention(x)[0], oracle(attention, x, (4, 5), False, False), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize('pool', [False, True])
def test_a_window_larger_than_the_grid_is_full_attention(pool):
    windowed = randomised(WindowAttention(DIM, HEADS, (16, 16), shift=True, pool=pool))
    full = Attention(DIM, HEADS)
    full.load_state_dict(windowed.state_dict())
    x = torch.randn(2, 5, 7, DIM)
    torch.testing.assert_close(windowed(x)[0], full(x)[0])


@pytest.mark.parametrize('shift', [False, True])
def test_relative_position_of_zero_changes_nothing(shift):
    without = randomised(WindowAttention(DIM, HEADS, (3, 4), shift, pool=True))
    with_zero = WindowAttention(DIM, HEADS, (3, 4), shift, pool=True, rel_pos=True)
    missing, unexpected = with_zero.load_state_dict(without.state_dict(), strict=False)
    assert set(missing) == {'rel_pos.rel_pos_h', 'rel_pos.rel_pos_w'} and not unexpected
    x = torch.randn(2, 5, 7, DIM)
    torch.testing.assert_close(with_zero(x)[0], without(x)[0])


def reach(module, grid, place):
    """Tokens whose output changes when the token at `place` does."""
    x = torch.randn(1, *grid, DIM, dtype=torch.float64)
    changed = x.clone()
    changed[0, place[0], place[1]] += 1
    return (module(x)[0] - module(changed)[0]).abs().amax(-1)[0] > 1e-12


def test_what_a_token_reaches():
    grid, window = (8, 8), (4, 4)
    plain = randomised(WindowAttention(DIM, HEADS, window)).double()
    reached = reach(plain, grid, (1, 2))
    assert reached[:4, :4].all() and reached.sum() == 16
    shifted = randomised(WindowAttention(DIM, HEADS, window, shift=True)).double()
    reached = reach(shifted, grid, (3, 3))
    assert reached[2:6, 2:6].all() and reached.sum() == 16
    corner = reach(shifted, grid, (0, 0))  # the seam keeps the four corners apart
    assert corner[:2, :2].all() and corner.sum() == 4
    neighbours = reach(lambda x: shifted(*plain(x)), grid, (1, 2))
    assert neighbours[:6, :6].all() and neighbours.sum() == 36  # its window, then two tokens further


def test_pooling_reaches_other_windows_through_means_only():
    grid, window = (8, 8), (4, 4)
    pooled = randomised(WindowAttention(DIM, HEADS, window, pool=True)).double()
    assert reach(pooled, grid, (1, 2)).all()
    x = torch.randn(1, *grid, DIM, dtype=torch.float64)
    changed = x.clone()
    changed[0, 1, 2] += 1
    changed[0, 2, 1] -= 1  # the window's mean stays
    difference = (pooled(x)[0] - pooled(changed)[0]).abs().amax(-1)[0] > 1e-12
    assert difference[:4, :4].all() and difference.sum() == 16


@pytest.mark.parametrize('grid', [(7, 9), (8, 8)])
def test_padding_and_masks_leave_gradients_finite(grid):
    attention = randomised(WindowAttention(DIM, HEADS, (4, 4), shift=True, pool=True, rel_pos=True))
    attention(torch.randn(2, *grid, DIM))[0].square().sum().backward()
    for name, parameter in attention.named_parameters():
        assert parameter.grad.isfinite().all() and parameter.grad.abs().sum() > 0, name


def kept_for_the_gradient(attention, x):
    """Bytes that autograd saves, parameters left out."""
    own = {p.untyped_storage().data_ptr() for p in attention.parameters()}
    saved = {}

    def note(tensor):
        saved[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        attention(x)
    return sum(storage.nbytes() for place, storage in saved.items() if place not in own)


def test_training_keeps_no_windows_and_gives_the_same_gradients():
    attention = randomised(WindowAttention(DIM, HEADS, (3, 4), shift=True, pool=True, rel_pos=True))
    x = torch.randn(2, 5, 7, DIM)
    gradients = []
    for training in (False, True):
        attention.zero_grad()
        attention.train(training)(x)[0].square().sum().backward()
        gradients.append([p.grad.clone() for p in attention.parameters()])
    for plain, again in zip(*gradients, strict=True):
        torch.testing.assert_close(again, plain)
    # the input, for the weights of qkv, and what qkv gave: three times as much
    assert kept_for_the_gradient(attention.train(), x) == 4 * x.untyped_storage().nbytes()
    assert kept_for_the_gradient(attention.eval(), x) > 8 * x.untyped_storage().nbytes()
    attention.recompute = False
    assert kept_for_the_gradient(attention.train(), x) > 8 * x.untyped_storage().nbytes()


# full attention of 7x7 tokens, windows of 3x3, and a knowledge token beside 8x6 and 4x4 windows of it
ODD = """
import torch
from vitpose_mm.layers import Attention, WindowAttention
torch.set_num_threads(2)
for layer, grid, tokens in ((Attention(96, 3), (7, 7), 0), (WindowAttention(96, 3, (3, 3)), (9, 9), 0),
                            (Attention(96, 3), (8, 6), 1), (WindowAttention(96, 3, (4, 4)), (8, 8), 1)):
    for _ in range(30):
        streams = [torch.randn(3, *grid, 96), torch.randn(3, 1, 96)][:1 + tokens]
        with torch.autocast('cpu', torch.bfloat16):
            answers = layer(*streams)
        sum(answer.float().square().sum() for answer in answers).backward()
"""


@pytest.mark.slow
def test_odd_numbers_of_tokens_leave_the_memory_whole(root):
    """In a process of its own: one that writes past its buffers is aborted."""
    ran = subprocess.run(
        [sys.executable, '-c', ODD],
        cwd=root,
        capture_output=True,
        text=True,
        env={**os.environ, 'OMP_NUM_THREADS': '2'},
    )
    assert ran.returncode == 0, ran.stderr[-500:]
