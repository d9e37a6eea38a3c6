"""Maxima of heatmaps: ties, missing maxima, the border of the map, export."""

from functools import partial

import numpy as np
import pytest
import torch
from mmengine.utils import digit_version

from vitpose_mm.codecs.heatmaps import BatchUDPHeatmap
from vitpose_mm.codecs.peaks import blur_table, border_table, dark_peaks, msra_peaks, to_input_px, udp_peaks

KERNEL = BatchUDPHeatmap((192, 256), (48, 64)).kernel
REFINEMENTS = {
    'msra': msra_peaks,
    'dark': partial(dark_peaks, kernel=KERNEL),
    'udp': partial(udp_peaks, kernel=KERNEL),
    'udp, border': partial(udp_peaks, kernel=KERNEL, border_sigma=2.0),
}
DYNAMIC = ({0: torch.export.Dim('batch')},)
recent = pytest.mark.skipif(digit_version(torch.__version__) < digit_version('2.6'), reason='needs torch 2.6 or newer')
every_newton = pytest.mark.parametrize('name', ['dark', 'udp', 'udp, border'])


def gaussians(positions, size=(48, 64), sigma=2.0):
    """Ideal peaks at positions (B, K, 2) in cells: heatmaps (B, K, Hm, Wm)."""
    x, y = (torch.arange(n, dtype=torch.float64) for n in size)
    positions = torch.as_tensor(positions, dtype=torch.float64)[..., None, None]
    squares = (x - positions[..., 0, :, :]) ** 2 + (y[:, None] - positions[..., 1, :, :]) ** 2
    return torch.exp(-squares / (2 * sigma**2)).float()


@pytest.mark.parametrize('size', [(48, 64), (56, 56), (12, 16), (13, 7)])
def test_the_first_of_several_maxima_is_taken(size):
    width, height = size
    maps = torch.from_numpy(np.random.default_rng(0).integers(0, 3, (40, 5, height, width)).astype(np.float32))
    (cells, scores), first = msra_peaks(maps), maps.flatten(2).argmax(-1)
    assert torch.equal(scores, maps.amax((2, 3)))
    assert (cells - torch.stack((first % width, first // width), -1)).abs().max() <= 0.25


@pytest.mark.parametrize('name', REFINEMENTS)
def test_without_a_positive_value_there_is_no_maximum(name):
    maps = torch.stack((torch.zeros(64, 48), torch.full((64, 48), -0.5), gaussians([[[20.0, 30.0]]])[0, 0]))[None]
    cells, scores = REFINEMENTS[name](maps)
    assert torch.equal(cells[0, :2], torch.full((2, 2), -1.0))
    assert scores[0].tolist() == [0, -0.5, 1]
    assert cells[0, 2].tolist() == pytest.approx([20, 30], abs=1e-4)
    assert [part.shape for part in REFINEMENTS[name](maps[:0])] == [(0, 3, 2), (0, 3)]


def test_msra_moves_by_a_quarter_of_a_cell_except_near_the_border():
    maps = torch.zeros(7, 1, 16, 12)
    for i, (x, y) in enumerate([(5, 7), (5, 7), (1, 7), (5, 0), (11, 7), (0, 15), (11, 14)]):
        maps[i, 0, max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2] = 0.1
        maps[i, 0, y, x] = 1
    for i, (x, y) in enumerate([(4, 7), (5, 8), (2, 7), (4, 0), (11, 8), (0, 14), (11, 15)]):
        maps[i, 0, y, x] = 0.5
    expected = [[4.75, 7], [5, 7.25], [1, 7], [5, 0], [11, 7.25], [0, 15], [11, 14.25]]
    assert msra_peaks(maps)[0][:, 0].tolist() == expected


def test_dark_leaves_the_two_outermost_rows_and_columns():
    near = [(x, y) for x in (1.3, 2.3, 45.3, 46.3) for y in (1.3, 2.3, 61.3, 62.3)]
    cells, _ = dark_peaks(gaussians(near)[None], KERNEL)
    for (x, y), cell in zip(near, cells[0].tolist(), strict=True):
        assert (cell != [round(x), round(y)]) == (2 <= x < 46 and 2 <= y < 62)


@every_newton
def test_ideal_peaks_are_exact_away_from_the_border(name):
    steps = torch.arange(-0.5, 0.5, 0.1)
    positions = torch.stack(torch.meshgrid(23 + steps, 31 + steps, indexing='ij'), -1).flatten(0, 1)[None]
    for sigma in (1.5, 2.0, 3.0):
        cells, _ = REFINEMENTS[name](gaussians(positions, sigma=sigma))
        assert (cells - positions).abs().max() < (2e-3 if sigma < 3 else 4e-3)


@pytest.mark.parametrize('flip', [False, True])
def test_ideal_peaks_near_the_border_are_corrected(flip):
    near = torch.cat((torch.arange(0, 8, 0.0625), torch.arange(39, 47.01, 0.0625)))
    positions = torch.stack((near, torch.full_like(near, 20.3)), -1)[None]
    positions, size = (positions.flip(-1), (64, 48)) if flip else (positions, (48, 64))
    maps = gaussians(positions, size)
    errors = [192 / 47 * (refine(maps)[0] - positions).abs().max() for refine in list(REFINEMENTS.values())[2:]]
    assert errors[0] > 4 and errors[1] < 0.2, errors  # input pixels, without and with the correction


def test_the_border_term_vanishes_away_from_the_border():
    table = border_table(48, KERNEL, 2.0)
    assert table[6:-6] == ((0.0, 0.0),) * 36
    assert table[0][0] > 0.2 and table[-1][0] == pytest.approx(-table[0][0])
    assert abs(table[5][0]) < 1e-3  # continues the zeros


@pytest.mark.parametrize('reach', [1, 2])
def test_table_of_the_blur(reach):
    """Beyond the border are copies of the first and last cell, or the blur of zeros there."""
    values = np.random.default_rng(0).random(20)
    copies, inside = (np.array(blur_table(20, KERNEL, reach, beyond)) for beyond in (False, True))
    blurred = np.convolve(values, KERNEL, mode='same')
    np.testing.assert_allclose(copies @ values, np.pad(blurred, reach, mode='edge'), rtol=1e-12)
    whole = np.convolve(values, KERNEL)[len(KERNEL) // 2 - reach :]
    np.testing.assert_allclose(inside @ values, whole[: 20 + 2 * reach], rtol=1e-12)


@every_newton
def test_sparse_is_equal_to_the_bit(name):
    random = torch.Generator().manual_seed(0)
    maps = gaussians(torch.rand(4, 17, 2, generator=random) * torch.tensor((47, 63)))
    maps *= 10 ** -(4 * torch.rand(4, 17, 1, 1, generator=random))
    maps += 1e-3 * torch.randn(maps.shape, generator=random)
    maps[0, 0] *= 200  # more than the upper limit
    assert all(map(torch.equal, REFINEMENTS[name](maps), REFINEMENTS[name](maps, sparse=True)))


class Decoder(torch.nn.Module):
    def __init__(self, refine):
        super().__init__()
        self.refine = refine

    def forward(self, maps):
        cells, scores = self.refine(maps)
        return to_input_px(cells, (192 / 47, 256 / 63)), scores


def hard_cases():
    maps = gaussians(torch.rand(5, 3, 2, generator=torch.Generator().manual_seed(0)) * torch.tensor((47, 63)))
    maps[0, 0], maps[1] = 0, maps[1] * 1e-3
    return maps


@pytest.mark.slow
@recent
@pytest.mark.parametrize('name', ['msra', 'dark'])  # UDP: see the ONNX test
def test_traced_code_takes_any_batch_size(name):
    """A loop over images, or a shape that depends on data, could not be traced with a dynamic batch size."""
    maps, refine = hard_cases(), REFINEMENTS[name]
    exported = torch.export.export(Decoder(refine), (maps[:2],), dynamic_shapes=DYNAMIC)
    for part in (maps[:1], maps):
        assert all(map(torch.equal, exported.module()(part), Decoder(refine)(part)))


@pytest.mark.slow
@recent
def test_onnx_runtime_gives_the_same_at_any_batch_size(tmp_path):
    import onnxruntime

    maps, decoder, file = hard_cases(), Decoder(REFINEMENTS['udp, border']).eval(), tmp_path / 'decoder.onnx'
    torch.onnx.export(decoder, (maps[:2],), file, dynamo=True, dynamic_shapes=DYNAMIC, verbose=False)
    session = onnxruntime.InferenceSession(file, providers=['CPUExecutionProvider'])
    for part in (maps[:1], maps):
        outputs = session.run(None, {session.get_inputs()[0].name: part.numpy()})
        for output, expected in zip(outputs, decoder(part), strict=True):
            assert np.abs(output - expected.numpy()).max() < 1e-3


def test_the_scale_of_the_blur_decides_what_is_limited():
    """A weak peak is scaled up to its original maximum before the limit of 1e-3 applies."""
    maps = gaussians([[[20.3, 30.6]]]) * 2e-3
    cells, scores = udp_peaks(maps, KERNEL)
    assert cells[0, 0].tolist() == pytest.approx([20.3, 30.6], abs=1e-3)
    assert scores.item() == pytest.approx(maps.max().item())
