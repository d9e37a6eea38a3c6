"""Attention compared with explicit loops over the tokens that each query attends to."""

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


def randomized(module):
    torch.manual_seed(0)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return module


def attend(query, others, biases):
    """Attention of one query (B, heads, d) over a list of other tokens' (query, key, value), with a bias for each."""
    scores = [(query * key).sum(-1) / query.shape[-1] ** 0.5 for _, key, _ in others]
    weights = torch.stack([score + bias for score, bias in zip(scores, biases, strict=True)]).softmax(0)
    return (weights[..., None] * torch.stack([value for *_, value in others])).sum(0).flatten(1)


def oracle(attention, grid, tokens, window, shifted, pool):
    """Compute each query separately; cells with the same window index form a window."""
    height, width = grid.shape[1:3]
    window, shift = fit_window((height, width), window, shifted)
    padded = padded_grid((height, width), window)
    cells = list(itertools.product(range(height), range(width)))
    window_index = {c: tuple((c[i] - shift[i]) % padded[i] // window[i] for i in (0, 1)) for c in cells}
    members = {n: [c for c in cells if window_index[c] == n] for n in window_index.values()}

    def project(x):
        return attention.qkv(x).unflatten(1, (3, HEADS, -1)).unbind(1)

    by_cell = {(y, x): project(grid[:, y, x]) for y, x in cells}
    known = [project(token) for token in tokens.unbind(1)]
    # projected after pooling; the module pools after projecting
    means = [project(torch.stack([grid[:, y, x] for y, x in m]).mean(0)) for m in members.values()]
    shared = known + (means if pool and len(members) > 1 else [])
    rel = getattr(attention, 'rel_pos', None)
    out_grid, out_tokens = torch.zeros_like(grid), torch.zeros_like(tokens)
    for y, x in cells:
        near = [(v, u) for v, u in members[window_index[y, x]] if abs(y - v) < window[0] and abs(x - u) < window[1]]
        biases = [0.0] * (len(near) + len(shared))
        if rel is not None:
            for i, (v, u) in enumerate(near):
                row, column = y - v + len(rel.rel_pos_h) // 2, x - u + len(rel.rel_pos_w) // 2
                biases[i] = by_cell[y, x][0] @ (rel.rel_pos_h[row] + rel.rel_pos_w[column])
        out_grid[:, y, x] = attend(by_cell[y, x][0], [by_cell[c] for c in near] + shared, biases)
    everything = [*by_cell.values(), *known]
    for t, (query, *_) in enumerate(known):
        out_tokens[:, t] = attend(query, everything, [0.0] * len(everything))
    return attention.proj(out_grid), attention.proj(out_tokens)


def check(attention, grid, count, window, shifted=False, pool=False):
    x, tokens = torch.randn(2, *grid, DIM), torch.randn(2, count, DIM)
    outputs = attention(x, tokens) if count else attention(x)
    # fp32 rounds values of order 1 by 6e-8, and the two sum in different orders
    for output, expected in zip(outputs, oracle(attention, x, tokens, window, shifted, pool), strict=bool(count)):
        torch.testing.assert_close(output, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(('grid', 'window'), [((4, 6), (2, 3)), ((5, 7), (3, 4)), ((3, 8), (4, 4)), ((3, 4), (8, 8))])
@pytest.mark.parametrize('rel_pos', [False, True])
@pytest.mark.parametrize('pool', [False, True])
@pytest.mark.parametrize('shift', [False, True])
@pytest.mark.parametrize('tokens', [0, 2])
@torch.no_grad()
def test_window_attention_equals_the_loops(grid, window, shift, pool, rel_pos, tokens):
    attention = randomized(WindowAttention(DIM, HEADS, window, shift, pool, rel_pos))
    check(attention, grid, tokens, window, shift, pool)


@pytest.mark.parametrize('tokens', [0, 3])
@torch.no_grad()
def test_full_attention_equals_the_loops(tokens):
    check(randomized(Attention(DIM, HEADS)), (4, 5), tokens, (4, 5))


def test_relative_positions_start_at_zero():
    assert not any(table.any() for table in WindowAttention(DIM, HEADS, (3, 4), rel_pos=True).rel_pos.parameters())


def saved_bytes(attention, x):
    """Bytes that autograd saves for backward, excluding parameters."""
    parameters = {p.untyped_storage().data_ptr() for p in attention.parameters()}
    saved = {}

    def record(tensor):
        saved[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(record, lambda tensor: tensor):
        attention(x)
    return sum(storage.nbytes() for pointer, storage in saved.items() if pointer not in parameters)


@pytest.mark.parametrize('grid', [(5, 7), (6, 8)])  # with and without padding
def test_training_saves_no_windows_and_gives_the_same_gradients(grid):
    attention = randomized(WindowAttention(DIM, HEADS, (3, 4), shift=True, pool=True, rel_pos=True))
    x, gradients = torch.randn(2, *grid, DIM), []
    for training in (False, True):
        attention.zero_grad()
        attention.train(training)(x)[0].square().sum().backward()
        gradients.append([p.grad.clone() for p in attention.parameters()])
    for plain, recomputed in zip(*gradients, strict=True):
        torch.testing.assert_close(recomputed, plain)
        assert plain.isfinite().all() and plain.any()
    # the input of qkv, and the output of qkv, which is three times as large
    assert saved_bytes(attention.train(), x) == 4 * x.untyped_storage().nbytes()
    assert saved_bytes(attention.eval(), x) > 8 * x.untyped_storage().nbytes()
    attention.recompute = False
    assert saved_bytes(attention.train(), x) > 8 * x.untyped_storage().nbytes()


@pytest.mark.parametrize('bias', [None, 'mask', 'float'])
def test_short_sequences_are_trained_in_float32_on_the_cpu(bias):
    inputs = [torch.randn(2, 3, 16, 8).bfloat16() for _ in range(3)]
    mask = {'mask': torch.rand(16, 16) < 0.8, 'float': torch.randn(16, 16).bfloat16()}.get(bias)
    rounded, exact = ([tensor.clone().to(dtype).requires_grad_() for tensor in inputs] for dtype in (BF16, FP32))
    with torch.autocast('cpu', BF16):
        output = fused_attention(*rounded, mask)
    scores = exact[0] @ exact[1].mT / 8**0.5
    if bias:
        scores = scores.masked_fill(~mask, -torch.inf) if bias == 'mask' else scores + mask.float()
    slow = scores.softmax(-1) @ exact[2]
    output.float().sum().backward()
    slow.sum().backward()
    # only results are rounded, so that almost all are those of float32, to the last bit
    results = [output, *(tensor.grad for tensor in rounded)]
    for result, reference in zip(results, [slow, *(tensor.grad for tensor in exact)], strict=True):
        assert result.dtype == BF16 and (result == reference.bfloat16()).float().mean() > 0.99


# odd numbers of tokens: 7x7, windows of 3x3, a knowledge token with 8x6 and with windows of 4x4; 17x17 is more than
# MAX_FLOAT32_KEYS
ODD_NUMBERS_OF_TOKENS = """
import sys
sys.modules["mmengine"] = None  # vitpose_mm then imports torch alone, which takes less time
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
    environment = {**os.environ, 'OMP_NUM_THREADS': '2'}
    command = [sys.executable, '-c', ODD_NUMBERS_OF_TOKENS]
    ran = subprocess.run(command, cwd=root, capture_output=True, text=True, env=environment)
    assert ran.returncode == 0, ran.stderr[-500:]
