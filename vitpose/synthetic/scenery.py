"""Scenery: backgrounds, and objects that can occlude figures."""

import cv2
import numpy as np

from .paint import Canvas, draw_limb, sample_color

OBJECT = 63  # id of objects: part 63 of figure 0, which does not exist


def draw_background(rng: np.random.Generator, height: int, width: int, clutter: float) -> np.ndarray:
    """Draw a wall above a floor, with some `clutter` (0 to 1) and noise: (H, W, 3) float32 BGR, 0 to 255."""
    edge = int(height * rng.uniform(0.3, 0.8))
    shades = [np.linspace(_color(rng), _color(rng), rows) for rows in (edge, height - edge)]
    image = cv2.convertScaleAbs(np.repeat(np.concatenate(shades)[:, None], width, 1))  # cv2 smooths edges in 8 bits
    for _ in range(int(rng.integers(0, 4 + round(12 * clutter)))):
        center = rng.uniform((0, 0), (width, height)).astype(int).tolist()
        half_axes = (rng.uniform(0.01, 0.2, 2) * width).astype(int).tolist()
        cv2.ellipse(image, center, half_axes, rng.uniform(0, 180), 0, 360, _color(rng).tolist(), -1, cv2.LINE_AA)
    noise = np.zeros((height, width), np.float32)
    for cells, weight in ((4, 0.6), (14, 0.3), (56, 0.25)):  # smooth noise of three scales
        grid = rng.standard_normal((cells * 3 // 4 + 1, cells + 1)).astype(np.float32)
        noise += weight * cv2.resize(grid, (width, height))
    image = image + noise[..., None] * np.float32(rng.uniform(4, 14 + 30 * clutter))
    if rng.random() < 0.6:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.6, 2.2))
    return np.clip(image, 0, 255)


def draw_object(canvas: Canvas, rng: np.random.Generator, foot: np.ndarray, size: float) -> None:
    """Draw one object, between a ball and a post, of about `size` pixels; it stands at `foot` (x, y)."""
    radius = size * rng.uniform(0.05, 0.35)
    top = foot - (0, rng.uniform(0.2, 1.2) * size)
    draw_limb(canvas, foot, top, np.full(2, max(radius, 1.5)), _color(rng), OBJECT, cap=0.3)


def _color(rng: np.random.Generator) -> np.ndarray:
    return sample_color(rng, saturation=rng.uniform(0.1, 0.75))
