"""Results as a table and JSON."""

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from vitpose_base.files import write_text
from vitpose_base.installed import installed_versions

from ..runs.table import figures_table
from .rounds import STAGES, Result

Results = Mapping[str, Result]
PACKAGES: tuple[str, ...] = ('vitpose_mm', 'torch', 'numpy', 'opencv-python', 'mmpose')
PACKAGES += ('mmcv', 'onedl-mmcv', 'mmengine', 'onedl-mmengine')  # one of each pair is installed


def table(results: Results, title: str) -> Any:
    """Make a rich table: people per second in each stage, with quartiles, and the differences in pixels."""
    caption = 'people per second: median, and half of the interquartile range in % of it;\n'
    caption += 'px: largest and median distance of the keypoints from those of ours-fp32'
    headings = ('', 'pre-\nprocessing', 'network', 'decoding', 'end to end', 'largest\npx', 'median\npx')
    shown = figures_table(title, *headings, caption=caption)
    for name, result in results.items():
        rates = (result.rate(stage) for stage in STAGES)
        cells = [f'{_short(middle)} ±{50 * (high - low) / middle:.0f}%' for low, middle, high in rates]
        shown.add_row(name, *cells, f'{result.largest_px:.2g}', f'{result.median_px:.2g}')
    return shown


def write_json(
    results: Results, left_out: Mapping[str, str], about: Mapping[str, Any], path: Path, packages: Iterable[str] = ()
) -> None:
    """Write every single time, what was derived from them, reasons, versions of packages, and what it is about."""
    contestants = {}
    for name, result in results.items():
        stages = {}
        for stage in STAGES:
            rate = dict(zip(('lower_quartile', 'median', 'upper_quartile'), result.rate(stage), strict=True))
            stages[stage] = {'people_per_second': rate, 'seconds': result.seconds[stage]}
        largest, median = (px if math.isfinite(px) else None for px in (result.largest_px, result.median_px))
        contestants[name] = {'largest_difference_px': largest, 'median_difference_px': median, 'stages': stages}
    versions = installed_versions((*PACKAGES, *packages))
    whole = {**about, 'versions': versions, 'contestants': contestants, 'left_out': dict(left_out)}
    write_text(path, json.dumps(whole, indent=2, allow_nan=False) + '\n')


def _short(value: float) -> str:
    return f'{value:,.0f}' if value >= 100 else f'{value:.3g}'
