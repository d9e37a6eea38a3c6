"""Maxima of heatmaps: ties, the border of the map, export; tests/parity compares with MMPose."""

from functools import partial

import numpy as np
import pytest
import torch
from mmengine.utils import digit_version

from vitpose_mm.codecs.heatmaps import BatchUDPHeatmap
from vitpose_mm.networks.heatmaps.peaks import blur_table, border_table, dark_peaks, msra_peaks, to_input_px, udp_peaks

KERNEL = BatchUDPHeatmap((192, 256), (48, 64)).kernel
REFINEMENTS = {
    'msra': msra_peaks,
    'dark': partial(dark_peaks, kernel=KERNEL),
    'udp': partial(udp_peaks, kernel=KERNEL),
    'udp, border': partial(udp_peaks, kernel=KERNEL, border_sigma=2.0),
}
recent = pytest.mark.skipif(digit_version(torch.__version__) < digit_version('2.6'), reason='needs torch 2.6 or newer')


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


@pytest.mark.parametrize('name', ['dark', 'udp', 'udp, border'])
def test_sparse_is_equal_to_the_bit(name):
    random = torch.Generator().manual_seed(0)
    maps = gaussians(torch.rand(4, 17, 2, generator=random) * torch.tensor((47, 63)))
    maps *= 10 ** -(4 * torch.rand(4, 17, 1, 1, generator=random))
    maps += 1e-3 * torch.randn(maps.shape, generator=random)
    maps[0, 0] *= 200  # more than the upper limit
    assert all(map(torch.equal, REFINEMENTS[name](maps), REFINEMENTS[name](maps, sparse=True)))


class Decoders(torch.nn.Module):
    def forward(self, maps):
        found = [REFINEMENTS[name](maps) for name in ('msra', 'dark', 'udp, border')]
        cells, scores = map(torch.stack, zip(*found, strict=True))
        return to_input_px(cells, (192 / 47, 256 / 63)), scores


@pytest.mark.slow
@recent
def test_onnx_runtime_gives_the_same_at_any_batch_size(tmp_path):
    """A loop over images, or a shape that depends on data, could not be traced with a dynamic batch size."""
    import onnxruntime

    maps = gaussians(torch.rand(5, 3, 2, generator=torch.Generator().manual_seed(0)) * torch.tensor((47, 63)))
    maps[0, 0], maps[1] = 0, maps[1] * 1e-3
    decoders, file = Decoders().eval(), tmp_path / 'decoders.onnx'
    shapes = ({0: torch.export.Dim('batch')},)
    torch.onnx.export(decoders, (maps[:2],), file, dynamo=True, dynamic_shapes=shapes, verbose=False)
    session = onnxruntime.InferenceSession(file, providers=['CPUExecutionProvider'])
    for part in (maps[:1], maps):
        outputs = session.run(None, {session.get_inputs()[0].name: part.numpy()})
        for output, expected in zip(outputs, decoders(part), strict=True):
            assert np.abs(output - expected.numpy()).max() < 1e-3
