"""Maxima of heatmaps: ties, missing maxima, the border of the map, export."""

import math

import numpy as np
import pytest
import torch
from mmengine.utils import digit_version

from vitpose_mm.codecs.heatmaps import BatchUDPHeatmap
from vitpose_mm.codecs.peaks import blur_table, border_table, dark_peaks, msra_peaks, to_input_px, udp_peaks

KERNEL = BatchUDPHeatmap((192, 256), (48, 64)).kernel
REFINEMENTS = {
    'msra': msra_peaks,
    'dark': lambda maps, sparse=False: dark_peaks(maps, KERNEL, sparse),
    'udp': lambda maps, sparse=False: udp_peaks(maps, KERNEL, None, sparse),
    'udp, border': lambda maps, sparse=False: udp_peaks(maps, KERNEL, 2.0, sparse),
}
recent = pytest.mark.skipif(digit_version(torch.__version__) < digit_version('2.6'), reason='needs torch 2.6 or newer')
all_refinements = pytest.mark.parametrize('refine', REFINEMENTS.values(), ids=REFINEMENTS.keys())


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
    cells, scores = msra_peaks(maps)
    first = maps.flatten(2).argmax(-1)
    assert torch.equal(scores, maps.amax((2, 3)))
    assert (cells - torch.stack((first % width, first // width), -1)).abs().max() <= 0.25


@all_refinements
def test_without_a_positive_value_there_is_no_maximum(refine):
    maps = torch.stack((torch.zeros(64, 48), torch.full((64, 48), -0.5), gaussians([[[20.0, 30.0]]])[0, 0]))[None]
    cells, scores = refine(maps)
    assert torch.equal(cells[0, :2], torch.full((2, 2), -1.0))
    assert scores[0].tolist() == [0, -0.5, 1]
    assert cells[0, 2].tolist() == pytest.approx([20, 30], abs=1e-4)


@all_refinements
def test_an_empty_batch_has_no_maxima(refine):
    cells, scores = refine(torch.zeros(0, 17, 64, 48))
    assert cells.shape == (0, 17, 2) and scores.shape == (0, 17)


def test_msra_moves_by_a_quarter_of_a_cell_except_near_the_border():
    maps = torch.zeros(7, 1, 16, 12)
    for i, (x, y) in enumerate([(5, 7), (5, 7), (1, 7), (5, 0), (11, 7), (0, 15), (11, 14)]):
        maps[i, 0, max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2] = 0.1
        maps[i, 0, y, x] = 1
    maps[0, 0, 7, 4], maps[1, 0, 8, 5], maps[2, 0, 7, 2], maps[3, 0, 0, 4] = 0.5, 0.5, 0.5, 0.5
    maps[4, 0, 8, 11] = maps[5, 0, 14, 0] = maps[6, 0, 15, 11] = 0.5
    expected = [[4.75, 7], [5, 7.25], [1, 7], [5, 0], [11, 7.25], [0, 15], [11, 14.25]]
    assert msra_peaks(maps)[0][:, 0].tolist() == expected


def test_dark_leaves_the_two_outermost_rows_and_columns():
    near = [(x, y) for x in (1.3, 2.3, 45.3, 46.3) for y in (1.3, 2.3, 61.3, 62.3)]
    cells, _ = dark_peaks(gaussians(near)[None], KERNEL)
    for (x, y), cell in zip(near, cells[0].tolist(), strict=True):
        inside = 2 <= x < 46 and 2 <= y < 62
        assert (cell != [round(x), round(y)]) == inside


@pytest.mark.parametrize('reach', [1, 2])
def test_table_of_the_blur_repeats_the_first_and_last_cell(reach):
    values = np.random.default_rng(0).random(20)
    blurred = np.convolve(values, KERNEL, mode='same')
    found = np.array(blur_table(20, KERNEL, reach, beyond=False)) @ values
    np.testing.assert_allclose(found, np.pad(blurred, reach, mode='edge'), rtol=1e-12)


@pytest.mark.parametrize('name', ['dark', 'udp', 'udp, border'])
def test_ideal_peaks_are_exact_away_from_the_border(name):
    """Also in x and y separately, and for peaks of another width than the kernel's."""
    steps = torch.arange(-0.5, 0.5, 0.1)
    positions = torch.stack(torch.meshgrid(23 + steps, 31 + steps, indexing='ij'), -1).flatten(0, 1)[None]
    for sigma in (1.5, 2.0, 3.0):
        cells, _ = REFINEMENTS[name](gaussians(positions, sigma=sigma))
        assert (cells - positions).abs().max() < (2e-3 if sigma < 3 else 4e-3)


def test_ideal_peaks_near_the_border_are_corrected():
    """Every sub-cell position along the border, in both axes: at most 0.3 pixels with the correction."""
    near = torch.cat((torch.arange(0, 8, 0.0625), torch.arange(39, 47.01, 0.0625)))
    for flip in (False, True):
        positions = torch.stack((near, torch.full_like(near, 20.3)), -1)[None]
        positions, size = (positions.flip(-1), (64, 48)) if flip else (positions, (48, 64))
        maps = gaussians(positions, size)
        errors = {
            name: to_input_px((REFINEMENTS[name](maps)[0] - positions).abs(), (192 / 47, 192 / 47)).max().item()
            for name in ('udp', 'udp, border')
        }
        assert errors['udp'] > 4 and errors['udp, border'] < 0.2, errors


def test_peaks_in_the_corners_are_corrected():
    corners = torch.tensor([[[0.1, 0.2], [46.9, 0.4], [0.4, 62.8], [46.6, 62.6], [1.5, 61.4]]])
    cells, _ = udp_peaks(gaussians(corners), KERNEL, 2.0)
    assert (cells - corners).abs().max() < 0.3 * 47 / 192


def test_the_border_term_vanishes_away_from_the_border():
    table = border_table(48, KERNEL, 2.0)
    assert table[6:-6] == ((0.0, 0.0),) * 36
    assert table[0][0] > 0.2 and table[-1][0] == pytest.approx(-table[0][0])
    assert abs(table[5][0]) < 1e-3  # continues the zeros


def test_blur_rows_sum_to_the_mass_of_the_kernel_inside_the_map():
    inside = [sum(row) for row in blur_table(48, KERNEL, 1, True)]
    assert inside[6:-6] == pytest.approx([1] * 38)
    assert inside[0] == pytest.approx(sum(KERNEL[6:])) and inside[-1] == pytest.approx(inside[0])
    copies = blur_table(48, KERNEL, 2, False)
    assert copies[0] == copies[1] == copies[2] != copies[3]


@pytest.mark.parametrize('name', ['dark', 'udp', 'udp, border'])
def test_sparse_is_equal_to_the_bit(name):
    """Also where some heatmaps are limited and some are not."""
    refine = REFINEMENTS[name]
    random = torch.Generator().manual_seed(0)
    maps = gaussians(torch.rand(4, 17, 2, generator=random) * torch.tensor((47, 63)))
    maps = maps * 10 ** -(4 * torch.rand(4, 17, 1, 1, generator=random)) + 1e-3 * torch.randn(
        maps.shape, generator=random
    )
    maps[0, 0] *= 200  # more than the upper limit
    for one, other in zip(refine(maps), refine(maps, sparse=True), strict=True):
        assert torch.equal(one, other)


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
    exported = torch.export.export(Decoder(refine), (maps[:2],), dynamic_shapes=({0: torch.export.Dim('batch')},))
    for part in (maps[:1], maps):
        for found, wanted in zip(exported.module()(part), Decoder(refine)(part), strict=True):
            assert torch.equal(found, wanted)


@pytest.mark.slow
@recent
def test_onnx_runtime_gives_the_same_at_any_batch_size(tmp_path):
    import onnxruntime

    maps, decoder, file = hard_cases(), Decoder(REFINEMENTS['udp, border']).eval(), tmp_path / 'decoder.onnx'
    shapes = ({0: torch.export.Dim('batch')},)
    torch.onnx.export(decoder, (maps[:2],), file, dynamo=True, dynamic_shapes=shapes, verbose=False)
    session = onnxruntime.InferenceSession(file, providers=['CPUExecutionProvider'])
    name = session.get_inputs()[0].name
    for part in (maps[:1], maps):
        for found, wanted in zip(session.run(None, {name: part.numpy()}), decoder(part), strict=True):
            assert np.abs(found - wanted.numpy()).max() < 1e-3


def test_the_scale_of_the_blur_decides_what_is_limited():
    """A weak peak is scaled up to its original maximum before the limit of 1e-3 applies."""
    maps = gaussians([[[20.3, 30.6]]]) * 2e-3
    assert udp_peaks(maps, KERNEL)[0][0, 0].tolist() == pytest.approx([20.3, 30.6], abs=1e-3)
    assert math.isclose(udp_peaks(maps, KERNEL)[1].item(), maps.max().item())
