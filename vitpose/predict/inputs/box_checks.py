"""Checks of boxes: those that cannot be predicted are dropped with a reason."""

from typing import Any

import numpy as np


def check_boxes(boxes: Any, scores: Any, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[str]]:
    """Keep the boxes from which people can be predicted; they are not clipped to the image.

    Args:
        boxes: N boxes x1 y1 x2 y2 in image pixels, normally an array (N, 4).
        scores: N numbers, or None for 1.
        size: (w, h) of the image.

    Returns:
        Boxes (M, 4) float32, scores (M,) float32, their indices (M,) among the N boxes, and one line for each of the
        N - M boxes that were dropped: it is not four finite numbers, has no area or lies outside of the image, or its
        score is not finite. If
        `boxes` is not a list of boxes or there is another number of scores, no box is kept.
    """
    none = np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64)
    try:
        rows = list(boxes)
        numbers = np.ones(len(rows), np.float32) if scores is None else np.asarray(scores, np.float32)
    except (TypeError, ValueError):
        return *none, [f'boxes {short_text(boxes)} with scores {short_text(scores)}: expected N x 4 and N numbers']
    if rows and all(np.ndim(row) == 0 for row in rows):
        return *none, [f'boxes {short_text(boxes)}: expected a list of boxes, each x1 y1 x2 y2; for one box [box]']
    if numbers.shape != (len(rows),):
        return *none, [f'{len(rows)} boxes with scores {short_text(scores)}: expected one score per box']
    checked = [_check_box(row, size) for row in rows]
    for i in np.flatnonzero(~np.isfinite(numbers)):
        checked[i] = None, f'its score is {numbers[i]}: expected a finite number'
    dropped = [f'box {i} {short_text(rows[i])}: {reason}' for i, (_, reason) in enumerate(checked) if reason]
    indices = np.array([i for i, (_, reason) in enumerate(checked) if not reason], np.int64)
    kept = np.array([checked[i][0] for i in indices], np.float32).reshape(-1, 4)
    return kept, numbers[indices], indices, dropped


def _check_box(row: Any, size: tuple[int, int]) -> tuple[np.ndarray | None, str]:
    try:
        with np.errstate(over='ignore'):
            box = np.asarray(row, np.float32)
    except (TypeError, ValueError, OverflowError):
        return None, 'expected four numbers x1 y1 x2 y2'
    if box.shape != (4,):
        return None, f'expected four numbers x1 y1 x2 y2, found shape {box.shape}'
    if not np.isfinite(box).all():
        return None, 'expected finite numbers'
    x1, y1, x2, y2 = box.tolist()
    if x2 <= x1 or y2 <= y1:
        return None, 'it has no area; expected x1 < x2 and y1 < y2'
    if x2 <= 0 or y2 <= 0 or x1 >= size[0] or y1 >= size[1]:
        return None, f'it lies outside of the image of {size[0]}x{size[1]} pixels'
    return box, ''


def short_text(value: Any) -> str:
    """A value in one line of at most 80 characters, for messages."""
    text = ' '.join(str(value.tolist() if isinstance(value, np.ndarray) else value).split())
    return text if len(text) <= 80 else text[:77] + '...'
