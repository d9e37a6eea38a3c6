"""Set the input size everywhere in a config: in crops, codecs and backbone."""

from typing import Any


def set_input_size(config: dict, height: int, width: int) -> None:
    """Change the input size everywhere in a config, in place; heatmaps keep their stride.

    In a config file, pass `_base_` and import this function below the line `_base_ = ...`: MMEngine takes a file that
    begins with such an import for one of its newer, purely Pythonic configs.

    `config` is a loaded config or, in a config file, `_base_`; height and width are in pixels. ValueError if no part
    of the config has an `input_size`, or the heatmaps would not have whole cells.
    """
    if not _change(config, (width, height)):
        raise ValueError(f'no part of the config has an input_size to set to {height}x{width} (h x w)')


def _change(node: Any, size: tuple[int, int]) -> int:
    """Set every `input_size` to `size` (w, h), and what depends on it; return their number."""
    if isinstance(node, (list, tuple)):
        return sum(_change(item, size) for item in node)
    if not isinstance(node, dict):
        return 0
    count = sum(_change(item, size) for item in node.values())
    if 'img_size' in node:
        node['img_size'] = size[::-1]
    if 'input_size' not in node:
        return count
    if 'heatmap_size' in node:
        cells = [new * hm / old for new, hm, old in zip(size, node['heatmap_size'], node['input_size'], strict=True)]
        if not all(number.is_integer() and number > 0 for number in cells):
            raise ValueError(f'an input of {size} pixels gives heatmaps of {cells} cells (w, h), not whole numbers')
        node['heatmap_size'] = tuple(map(int, cells))
    node['input_size'] = size
    return count + 1
