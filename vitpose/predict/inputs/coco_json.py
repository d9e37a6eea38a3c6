"""What readers of COCO files share: one tolerance for ids, numbers and boxes; each error names its place."""

import json
from collections import Counter
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import PureWindowsPath
from typing import Any

import numpy as np

from ...errors import InputError

BOX_MARGIN = 0.15  # of the larger side of the keypoints' extent, on each side of a box
MIN_BOX_MARGIN_PX = 2.0


def parse_json(text: bytes, where: str) -> Any:
    """Parse JSON in UTF-8, 16 or 32, with or without a byte order mark."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as problem:
        raise InputError(f'{where}: {problem}') from problem


def parse_numbers(values: object, count: int, where: str, finite: bool = False) -> np.ndarray:
    """Return a list of `count` numbers as an array; with `finite`, they must be finite in float32."""
    try:
        array = np.asarray(values, float)
    except (TypeError, ValueError, OverflowError):
        array = np.zeros(0)
    is_numbers = array.shape == (count,) and not any(isinstance(value, bool) for value in list(values))  # type: ignore
    if not is_numbers or (finite and not (np.abs(array) <= np.finfo(np.float32).max).all()):
        has = f'got {len(values) if isinstance(values, list) else "none"}: {short_text(repr(values))}'
        raise InputError(f'{where}: expected {count} {"finite " * is_numbers}numbers, {has}')
    return array


def flatten(values: Any) -> Any:
    """Return nested numbers, such as [[x, y, v], ...], as one list; anything else as it is."""
    if isinstance(values, list) and any(isinstance(value, list) for value in values):
        with suppress(TypeError, ValueError, OverflowError):
            return np.array(values, float).ravel().tolist()
    return values


def is_box(values: Any) -> bool:
    """Answer whether x y width height are more than what tools write for no box: nothing, null, zeros or -1."""
    if not isinstance(values, list) or len(values) != 4:
        return bool(values)  # `parse_numbers` says what is wrong
    try:
        return bool(np.isfinite(np.array(values, float)).all()) and max(values) > 0
    except (TypeError, ValueError, OverflowError):
        return True


def read_size(width: object, height: object) -> tuple[float, float] | None:
    """Return two sides in pixels, perhaps written as text; None unless both are above 0."""
    with suppress(TypeError, ValueError, OverflowError):
        sides = float(width), float(height)  # type: ignore[arg-type]
        return sides if all(0 < side < 2**31 for side in sides) else None
    return None


def is_scaled(labeled: tuple[float, float], size: tuple[int, int]) -> bool:
    """Answer whether two sizes have the same aspect ratio, up to the rounding of the shorter side."""
    (w, h), (width, height) = labeled, size
    return abs(w * height - h * width) <= max(w, h, width, height)


def is_crowd(row: Mapping[str, Any]) -> bool:
    """Answer whether an annotation is of a crowd; `iscrowd` may be text."""
    return str(row.get('iscrowd')).lower() in ('1', '1.0', 'true')


def short_text(value: Any) -> str:
    """Format a value in one line of at most 80 characters, for messages."""
    text = ' '.join(str(value.tolist() if isinstance(value, np.ndarray) else value).split())
    return text if len(text) <= 80 else text[:77] + '...'


def match_ids(names: Mapping[Any, str], wanted: Collection[Any]) -> dict[Any, Any]:
    """Find a key of `names`, the file names of images by id, per wanted id of an annotation; some may not be found.

    The rule that finds most is taken for all: ids are equal, as numbers (1.0 is 1), or as text ('1' and '01' are 1), or
    they are file names, without folders and suffix as Ultralytics writes them, or whole.
    """
    labels = [list(names), list(map(_text, names)), [_text(PureWindowsPath(name).stem) for name in names.values()]]
    labels.append([*names.values()])
    found = []
    for rule, ids in enumerate(labels):
        counts = Counter(ids)
        index = {label: key for label, key in zip(ids, names, strict=True) if counts[label] == 1}
        pairs = {key: index.get(_text(key) if rule else key) for key in wanted}
        found.append({key: image for key, image in pairs.items() if image is not None})
    return max(found, key=len)  # the first of equals


def _text(key: Any) -> str:
    text = str(int(key)) if isinstance(key, float) and key.is_integer() else str(key)
    return str(int(text)) if text.isdecimal() else text


def box_around(keypoints: np.ndarray) -> tuple[float, float, float, float]:
    """Return the box x y width height in image pixels around labeled keypoints (K, 3), at least one, with a margin."""
    points = keypoints[keypoints[:, 2] > 0, :2]
    low, high = points.min(0), points.max(0)
    margin = max(BOX_MARGIN * float((high - low).max()), MIN_BOX_MARGIN_PX)
    (x, y), (w, h) = (low - margin).tolist(), (high - low + 2 * margin).tolist()
    return x, y, w, h


def read_box(row: Mapping[str, Any], where: str) -> list[float] | None:
    """Return x y width height of a row: its `bbox`, or else around its labeled keypoints; None without both."""
    box, points = flatten(row.get('bbox')), flatten(row.get('keypoints'))
    if not is_box(box) and isinstance(points, list) and points:
        keypoints = parse_numbers(points, len(points) // 3 * 3, f'{where}: keypoints').reshape(-1, 3)
        keypoints = keypoints[np.isfinite(keypoints).all(1)]
        box = box_around(keypoints) if (keypoints[:, 2] > 0).any() else None
    return parse_numbers(box, 4, f'{where}: bbox', finite=True).tolist() if box else None
