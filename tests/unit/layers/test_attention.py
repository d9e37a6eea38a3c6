"""Attention compared with explicit loops, and which tokens influence which."""

import itertools
import os
import subprocess
import sys

import pytest
import torch

from vitpose_mm.layers import Attention, WindowAttention
from vitpose_mm.layers.attention import fused_attention
from vitpose_mm.layers.window import fit_window, padded_grid

DIM, HEADS = 12, 3
BF16, FP32 = torch.bfloat16, torch.float32


def randomised(module):
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return module


def oracle(attention, x, window, shifted, pool):
    """Compute each query separately, over an explicit list of the tokens that it attends to."""
    height, width = x.shape[1:3]
    window, shift = fit_window((height, width), window, shifted)
    padded = padded_grid((height, width), window)

    def window_of(y, x):
        return (y - shift[0]) % padded[0] // window[0], (x - shift[1]) % padded[1] // window[1]

    positions = list(itertools.product(range(height), range(width)))
    members = {}
    for position in positions:
        members.setdefault(window_of(*position), []).append(position)
    head_dim = DIM // HEADS
    out = torch.zeros_like(x)
    for b in range(x.shape[0]):
        query, key, value = (
            torch.nn.functional.linear(x[b], attention.qkv.weight, attention.qkv.bias)
            .unflatten(-1, (3, HEADS, head_dim))
            .permute(2, 3, 0, 1, 4)
        )
        means = {w: torch.stack([x[b, y, u] for y, u in m]).mean(0) for w, m in members.items()}
        for (y, u), h in itertools.product(positions, range(HEADS)):
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
                for mean in means.values():  # projected after pooling; the module pools after projecting
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
def test_window_attention_equals_the_loops(grid, window, shift, pool, rel_pos):
    torch.manual_seed(0)
    attention = randomised(WindowAttention(DIM, HEADS, window, shift, pool, rel_pos))
    x = torch.randn(2, *grid, DIM)
    # fp32 rounds values of order 1 by 6e-8, and the two sum in different orders
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
def test_zero_relative_positions_have_no_effect(shift):
    without = randomised(WindowAttention(DIM, HEADS, (3, 4), shift, pool=True))
    with_zero = WindowAttention(DIM, HEADS, (3, 4), shift, pool=True, rel_pos=True)
    missing, unexpected = with_zero.load_state_dict(without.state_dict(), strict=False)
    assert set(missing) == {'rel_pos.rel_pos_h', 'rel_pos.rel_pos_w'} and not unexpected
    x = torch.randn(2, 5, 7, DIM)
    torch.testing.assert_close(with_zero(x)[0], without(x)[0])


def influenced_by(position, module, grid):
    """A mask (H, W) of the tokens whose output changes with the input token at `position`."""
    x = torch.randn(1, *grid, DIM, dtype=torch.float64)
    changed = x.clone()
    changed[0, position[0], position[1]] += 1
    return (module(x)[0] - module(changed)[0]).abs().amax(-1)[0] > 1e-12


def test_which_outputs_a_token_influences():
    grid, window = (8, 8), (4, 4)
    plain = randomised(WindowAttention(DIM, HEADS, window)).double()
    influenced = influenced_by((1, 2), plain, grid)
    assert influenced[:4, :4].all() and influenced.sum() == 16
    shifted = randomised(WindowAttention(DIM, HEADS, window, shift=True)).double()
    influenced = influenced_by((3, 3), shifted, grid)
    assert influenced[2:6, 2:6].all() and influenced.sum() == 16
    corner = influenced_by((0, 0), shifted, grid)  # the mask separates the four corners that share a window
    assert corner[:2, :2].all() and corner.sum() == 4
    neighbours = influenced_by((1, 2), lambda x: shifted(*plain(x)), grid)
    assert neighbours[:6, :6].all() and neighbours.sum() == 36  # its window, and two tokens beyond it


def test_pooling_passes_only_the_means_of_other_windows():
    grid, window = (8, 8), (4, 4)
    pooled = randomised(WindowAttention(DIM, HEADS, window, pool=True)).double()
    assert influenced_by((1, 2), pooled, grid).all()
    x = torch.randn(1, *grid, DIM, dtype=torch.float64)
    changed = x.clone()
    changed[0, 1, 2] += 1
    changed[0, 2, 1] -= 1  # does not change the mean of the window
    difference = (pooled(x)[0] - pooled(changed)[0]).abs().amax(-1)[0] > 1e-12
    assert difference[:4, :4].all() and difference.sum() == 16


@pytest.mark.parametrize('grid', [(7, 9), (8, 8)])
def test_gradients_are_finite_with_padding_and_masks(grid):
    attention = randomised(WindowAttention(DIM, HEADS, (4, 4), shift=True, pool=True, rel_pos=True))
    attention(torch.randn(2, *grid, DIM))[0].square().sum().backward()
    for name, parameter in attention.named_parameters():
        assert parameter.grad.isfinite().all() and parameter.grad.abs().sum() > 0, name


def saved_bytes(attention, x):
    """Bytes that autograd saves for backward, excluding parameters."""
    own = {p.untyped_storage().data_ptr() for p in attention.parameters()}
    saved = {}

    def record(tensor):
        saved[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(record, lambda tensor: tensor):
        attention(x)
    return sum(storage.nbytes() for pointer, storage in saved.items() if pointer not in own)


def test_training_saves_no_windows_and_gives_the_same_gradients():
    attention = randomised(WindowAttention(DIM, HEADS, (3, 4), shift=True, pool=True, rel_pos=True))
    x = torch.randn(2, 5, 7, DIM)
    gradients = []
    for training in (False, True):
        attention.zero_grad()
        attention.train(training)(x)[0].square().sum().backward()
        gradients.append([p.grad.clone() for p in attention.parameters()])
    for plain, recomputed in zip(*gradients, strict=True):
        torch.testing.assert_close(recomputed, plain)
    # the input of qkv, and the output of qkv, which is three times as large
    assert saved_bytes(attention.train(), x) == 4 * x.untyped_storage().nbytes()
    assert saved_bytes(attention.eval(), x) > 8 * x.untyped_storage().nbytes()
    attention.recompute = False
    assert saved_bytes(attention.train(), x) > 8 * x.untyped_storage().nbytes()


@pytest.mark.parametrize('bias', [None, 'mask', 'float'])
def test_short_sequences_are_trained_in_float32_on_the_cpu(bias) -> None:
    inputs = [torch.randn(2, 3, 16, 8).bfloat16() for _ in range(3)]
    mask = {'mask': torch.rand(16, 16) < 0.8, 'float': torch.randn(16, 16).bfloat16()}.get(bias)
    found, expected = ([tensor.clone().to(dtype).requires_grad_() for tensor in inputs] for dtype in (BF16, FP32))
    with torch.autocast('cpu', BF16):
        output = fused_attention(*found, mask)
    scores = expected[0] @ expected[1].mT / 8**0.5
    if bias:
        scores = scores.masked_fill(~mask, -torch.inf) if bias == 'mask' else scores + mask.float()
    slow = scores.softmax(-1) @ expected[2]
    output.float().sum().backward()
    slow.sum().backward()
    # only results are rounded, so that almost all are those of float32, to the last bit
    results = [output, *(tensor.grad for tensor in found)]
    for result, reference in zip(results, [slow, *(tensor.grad for tensor in expected)], strict=True):
        assert result.dtype == BF16 and (result == reference.bfloat16()).float().mean() > 0.99


# odd numbers of tokens: 7x7, windows of 3x3, a knowledge token with 8x6 and with windows of 4x4; 17x17 exceeds SHORT
ODD_NUMBERS_OF_TOKENS = """
import torch
from vitpose_mm.layers import Attention, WindowAttention
torch.set_num_threads(2)
for layer, grid, tokens in ((Attention(96, 3), (7, 7), 0), (WindowAttention(96, 3, (3, 3)), (9, 9), 0),
                            (Attention(96, 3), (8, 6), 1), (WindowAttention(96, 3, (4, 4)), (8, 8), 1),
                            (Attention(96, 3), (17, 17), 0)):
    for _ in range(30):
        streams = [torch.randn(3, *grid, 96), torch.randn(3, 1, 96)][:1 + tokens]
        with torch.autocast('cpu', torch.bfloat16):
            outputs = layer(*streams)
        sum(output.float().square().sum() for output in outputs).backward()
"""


@pytest.mark.slow
def test_odd_numbers_of_tokens_do_not_corrupt_memory(root):
    """Run in a subprocess: writing past a buffer aborts the process."""
    ran = subprocess.run(
        [sys.executable, '-c', ODD_NUMBERS_OF_TOKENS],
        cwd=root,
        capture_output=True,
        text=True,
        env={**os.environ, 'OMP_NUM_THREADS': '2'},
    )
    assert ran.returncode == 0, ran.stderr[-500:]
