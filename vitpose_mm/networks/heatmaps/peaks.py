"""Heatmap maxima with sub-cell accuracy, for a whole batch: tensors in, tensors out, pure torch.

The results are those of MMPose's `get_heatmap_maximum` and its refinements. The functions can be traced and exported
with a dynamic batch size. All take heatmaps (B, K, Hm, Wm) in fp32 and return cells (B, K, 2) as (x, y) in heatmap
cells and scores (B, K), the maxima. A heatmap without a positive value has no maximum: its cell is (-1, -1).
"""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ...layers.window import IS_TRACING

Peaks = tuple[Tensor, Tensor]
Table = tuple[tuple[float, ...], ...]
EPS = torch.finfo(torch.float32).eps


class Neighborhood(NamedTuple):
    """The cells around a maximum that a refinement reads, and the limits of their blurred values."""

    reach: int
    low: float
    high: float


DARK = Neighborhood(reach=2, low=1e-10, high=math.inf)
UDP = Neighborhood(reach=1, low=1e-3, high=50.0)


def msra_peaks(heatmaps: Tensor) -> Peaks:
    """Move maxima by a quarter of a cell towards the larger neighbor of each axis.

    As in MMPose, x stays in the first two columns, in the last and in the first row, and y accordingly.
    """
    height, width = heatmaps.shape[2:]
    x, y, scores = _maxima(heatmaps)
    flat, index = heatmaps.flatten(2), y * width + x
    neighbors = torch.stack((index - 1, index + 1, index - width, index + width), -1)
    left, right, up, down = flat.gather(2, neighbors.clamp(0, height * width - 1)).unbind(-1)
    moves_x = (x > 1) & (x < width - 1) & (y > 0)
    moves_y = (y > 1) & (y < height - 1) & (x > 0)
    return _cells(x + 0.25 * moves_x * (right - left).sign(), y + 0.25 * moves_y * (down - up).sign(), scores)


def dark_peaks(heatmaps: Tensor, kernel: tuple[float, ...], sparse: bool = False) -> Peaks:
    """Refine maxima by DARK: the maximum of a parabola through the logarithm of the blurred heatmap.

    As in MMPose, a maximum in the two outermost rows and columns is not refined. Arguments as in `udp_peaks`.
    """
    height, width = heatmaps.shape[2:]
    x, y, scores = _maxima(heatmaps)
    v = _log_blurred(heatmaps, (x, y, scores), kernel, DARK, False, sparse)
    dx, dy = 0.5 * (v[2][3] - v[2][1]), 0.5 * (v[3][2] - v[1][2])
    dxx, dyy = 0.25 * (v[2][4] - 2 * v[2][2] + v[2][0]), 0.25 * (v[4][2] - 2 * v[2][2] + v[0][2])
    dxy = 0.25 * (v[3][3] - v[1][3] - v[3][1] + v[1][1])
    shift_x, shift_y = _newton(dx, dy, dxx, dxy, dyy)
    inside = (x > 1) & (x < width - 2) & (y > 1) & (y < height - 2)
    return _cells(torch.where(inside, x - shift_x, x), torch.where(inside, y - shift_y, y), scores)


def udp_peaks(
    heatmaps: Tensor, kernel: tuple[float, ...], border_sigma: float | None = None, sparse: bool = False
) -> Peaks:
    """Refine maxima as in UDP: DARK's parabola with a step of one cell, in every row and column.

    MMPose takes zeros beyond the border, and takes derivatives there from copies of the outermost blurred cells. This
    biases maxima within 5 cells of the border. `border_sigma` corrects this: cells beyond the border are those of the
    blur itself, and what the border changes for an ideal peak is subtracted.

    Args:
        heatmaps: (B, K, Hm, Wm) in fp32.
        kernel: odd number of weights of the blur along one axis.
        border_sigma: standard deviation of the peaks in cells, for which to correct the border; None: as in MMPose.
        sparse: blur whole heatmaps only where the result depends on it. The result is the same; faster on a CPU, but
            it waits for a GPU and cannot be exported.
    """
    x, y, scores = _maxima(heatmaps)
    v = _log_blurred(heatmaps, (x, y, scores), kernel, UDP, border_sigma is not None, sparse)
    dx, dy = 0.5 * (v[1][2] - v[1][0]), 0.5 * (v[2][1] - v[0][1])
    dxx, dyy = v[1][2] - 2 * v[1][1] + v[1][0], v[2][1] - 2 * v[1][1] + v[0][1]
    dxy = 0.5 * (v[2][2] - v[1][2] - v[2][1] + 2 * v[1][1] - v[1][0] - v[0][1] + v[0][0])
    if border_sigma is not None:
        height, width = heatmaps.shape[2:]
        border_x = _constant(heatmaps, border_table, width, kernel, border_sigma)[x]
        border_y = _constant(heatmaps, border_table, height, kernel, border_sigma)[y]
        dx, dxx = dx - border_x[..., 0], dxx - border_x[..., 1]
        dy, dyy = dy - border_y[..., 0], dyy - border_y[..., 1]
    shift_x, shift_y = _newton(dx, dy, dxx + EPS, dxy, dyy + EPS)
    return _cells(x - shift_x, y - shift_y, scores)


def maxima(heatmaps: Tensor) -> Peaks:
    """Find the first maxima, without refinement."""
    return _cells(*_maxima(heatmaps))


def to_input_px(cells: Tensor, scale: tuple[float, float]) -> Tensor:
    """Convert cells (B, K, 2) to input pixels (B, K, 2), given the pixels per cell in x and y."""
    return torch.stack((cells[..., 0] * scale[0], cells[..., 1] * scale[1]), -1)


def _maxima(heatmaps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Find column, row (int64) and value of the first maximum, each (B, K)."""
    height, width = heatmaps.shape[2:]
    # argmax takes several times as long as amax, so use it only within the block that contains the maximum
    length = math.gcd(height * width, 128)
    blocks = heatmaps.reshape(-1, height * width // length, length)
    tops = blocks.amax(-1)
    block = tops.argmax(-1)
    chosen = torch.arange(block.shape[0], device=block.device) * blocks.shape[1] + block
    inside = blocks.flatten(0, 1).index_select(0, chosen).argmax(-1)
    index = (block * length + inside).view(heatmaps.shape[:2])
    scores = tops.gather(-1, block[:, None]).view(heatmaps.shape[:2])
    return index % width, index // width, scores


def _log_blurred(
    heatmaps: Tensor,
    maxima: tuple[Tensor, Tensor, Tensor],
    kernel: tuple[float, ...],
    around: Neighborhood,
    beyond: bool,
    sparse: bool,
) -> list[list[Tensor]]:
    """Take the logarithm of the blurred heatmap in the cells around (x, y): [row][column], each (B, K).

    As in MMPose, the blurred heatmap is scaled to the maximum of the original one, then limited. The scale only matters
    where values are limited, because it cancels out in derivatives of the logarithm. `beyond` as in `blur_table`.
    """
    (x, y, scores), (height, width), reach = maxima, heatmaps.shape[2:], around.reach
    rows, columns = (_constant(heatmaps, blur_table, size, kernel, reach, beyond) for size in (height, width))
    window = torch.arange(2 * reach + 1, device=heatmaps.device)
    near = rows[y[..., None] + window] @ heatmaps @ columns[x[..., None] + window].transpose(-1, -2)
    limited = (near < around.low).flatten(2).any(-1) | (scores > around.high)
    rows, columns = rows[reach:-reach], columns[reach:-reach].T
    if sparse:
        tops = torch.ones_like(scores)
        parts = heatmaps[limited].split(64)  # memory of large results is new every time, which takes longer
        tops[limited] = torch.cat([(rows @ part @ columns).amax((-2, -1)) for part in parts])
    else:
        tops = (rows @ heatmaps @ columns).amax((-2, -1))
    near = near * torch.where(limited, scores / tops, 1.0)[..., None, None]
    return [list(row.unbind(-1)) for row in near.clamp(around.low, around.high).log().unbind(-2)]


def _newton(dx: Tensor, dy: Tensor, dxx: Tensor, dxy: Tensor, dyy: Tensor) -> Peaks:
    """Multiply the inverse Hessian by the gradient; 0 if the Hessian is singular."""
    determinant = dxx * dyy - dxy * dxy
    inverse = torch.where(determinant == 0, 0.0, 1 / determinant)
    return (dyy * dx - dxy * dy) * inverse, (dxx * dy - dxy * dx) * inverse


def _cells(x: Tensor, y: Tensor, scores: Tensor) -> Peaks:
    return torch.where((scores > 0)[..., None], torch.stack((x, y), -1), -1.0), scores


def blur_table(size: int, kernel: tuple[float, ...], reach: int, beyond: bool) -> Table:
    """Compute weights (size + 2 x reach, size) that blur an axis: row i gives the blurred cell i - reach.

    Outside the map are zeros. Cells outside the map are the blur that reaches there (`beyond`), or copies of the first
    and last cell.
    """
    half = len(kernel) // 2
    cells = [cell if beyond else min(max(cell, 0), size - 1) for cell in range(-reach, size + reach)]
    return tuple(
        tuple(kernel[source - cell + half] if abs(source - cell) <= half else 0.0 for source in range(size))
        for cell in cells
    )


def border_table(size: int, kernel: tuple[float, ...], sigma: float) -> Table:
    """Tabulate by cell of the maximum what the border changes for an ideal peak: (size, 2), zero away from it.

    For a peak at the distance t from its cell, the gradient g and the second derivative h of the blurred logarithm
    along an axis satisfy g + t h = 0, unless the blur crosses the border. There g + t h is almost linear in t: a + b t.
    The table has a and b, with which (g - a) + t (h - b) = 0.
    """
    half, table = len(kernel) // 2, []
    for cell in range(size):
        if half < cell < size - 1 - half:
            table.append((0.0, 0.0))
            continue
        low, high = (0.0 if cell == 0 else -0.5), (0.0 if cell == size - 1 else 0.5)
        # a line through the Chebyshev nodes of the interval has almost the smallest possible largest error
        nodes = [(low + high) / 2 + sign * (high - low) / 2 * math.sqrt(0.5) for sign in (-1, 1)]
        first, second = (_border_term(cell, node, size, kernel, sigma) for node in nodes)
        slope = (second - first) / (nodes[1] - nodes[0])
        table.append((first - slope * nodes[0], slope))
    return tuple(table)


def _border_term(cell: int, t: float, size: int, kernel: tuple[float, ...], sigma: float) -> float:
    """Compute g + t h in `border_table` for an ideal peak at cell + t."""
    half = len(kernel) // 2
    peak = {source: math.exp(-((source - cell - t) ** 2) / (2 * sigma**2)) for source in range(size)}
    before, here, after = (
        math.log(sum(weight * peak.get(near + step - half, 0.0) for step, weight in enumerate(kernel)))
        for near in (cell - 1, cell, cell + 1)
    )
    return (after - before) / 2 + t * (after - 2 * here + before)


def _constant(like: Tensor, build: Callable[..., Table], *args: Any) -> Tensor:
    """Return a table as a tensor on the device of `like`; built once per device, except while tracing."""
    tensor = _cached_tensor if type(like) is Tensor and not IS_TRACING() else _tensor
    return tensor(like.device, build, *args)


def _tensor(device: torch.device, build: Callable[..., Table], *args: Any) -> Tensor:
    with torch.inference_mode(False):  # the cache may return it outside of inference mode later
        return torch.tensor(build(*args), device=device)


_cached_tensor = lru_cache(maxsize=64)(_tensor)
