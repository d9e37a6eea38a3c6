"""Draw training samples as the network sees them, with keypoints and skeleton."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np

COLUMNS, ROWS = 6, 4
ZOOM = 1.5


def draw_preview(config: Any, file: Path, seed: int = 0) -> None:
    """Draw random training samples of a config after crop and augmentation, with numbered keypoints and a legend."""
    from mmengine.registry import init_default_scope
    from mmpose.registry import DATASETS

    from vitpose_base.files import replacing
    from vitpose_mm.noise import quiet

    init_default_scope('mmpose')
    settings = config.train_dataloader.dataset.copy()
    packing = ('GenerateTarget', 'KeypointTarget', 'PackPoseInputs', 'PackCroppedInputs')
    settings.pipeline = [step for step in settings.pipeline if step['type'] not in packing]
    with quiet():
        dataset = DATASETS.build(settings)
    np.random.seed(seed)  # MMPose's transforms use it
    indices = np.random.default_rng(seed).permutation(len(dataset))[: COLUMNS * ROWS]
    tiles = [_draw_tile(dataset[int(i)], dataset.metainfo) for i in sorted(indices)]
    height, width = tiles[0].shape[:2]
    rows = -(-len(tiles) // COLUMNS)
    sheet = np.full((rows * height, min(len(tiles), COLUMNS) * width, 3), 255, np.uint8)
    for i, tile in enumerate(tiles):
        y, x = divmod(i, COLUMNS)
        sheet[y * height : (y + 1) * height, x * width : (x + 1) * width] = tile
    sheet = np.concatenate((sheet, _draw_legend(dataset.metainfo, sheet.shape[1])))
    with replacing(file) as part:
        part.write_bytes(cv2.imencode('.png', sheet)[1].tobytes())


def _draw_tile(sample: dict, meta: dict) -> np.ndarray:
    image = cv2.resize(sample['img'], None, fx=ZOOM, fy=ZOOM, interpolation=cv2.INTER_LINEAR)
    points = (np.asarray(sample['transformed_keypoints'])[0] + 0.5) * ZOOM - 0.5
    visible = np.asarray(sample['keypoints_visible']).reshape(len(points), -1)[:, 0] > 0
    for (a, b), color in zip(meta['skeleton_links'], meta['skeleton_link_colors'], strict=True):
        if visible[a] and visible[b]:
            cv2.line(image, _pixel(points[a]), _pixel(points[b]), _bgr(color), 1, cv2.LINE_AA)
    for i in np.flatnonzero(visible):
        color = _bgr(meta['keypoint_colors'][i])
        cv2.circle(image, _pixel(points[i]), 3, color, -1, cv2.LINE_AA)
        x, y = _pixel(points[i])
        for thick, shade in ((3, (0, 0, 0)), (1, (255, 255, 255))):
            cv2.putText(image, str(i), (x + 3, y - 3), cv2.FONT_HERSHEY_SIMPLEX, 0.32, shade, thick, cv2.LINE_AA)
    return cv2.copyMakeBorder(image, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=(255, 255, 255))


def _draw_legend(meta: dict, width: int) -> np.ndarray:
    """Draw the number, name and color of each keypoint; OpenCV draws names in other scripts as question marks."""
    names = [f'{i} {meta["keypoint_id2name"][i]}' for i in range(meta['num_keypoints'])]
    sizes = [cv2.getTextSize(name, cv2.FONT_HERSHEY_SIMPLEX, 0.4, 1)[0][0] + 14 for name in names]
    places, x, y = [], 6, 16
    for size in sizes:
        if x + size > width and x > 6:
            x, y = 6, y + 16
        places.append((x, y))
        x += size
    legend = np.full((y + 8, width, 3), 255, np.uint8)
    for name, place, color in zip(names, places, meta['keypoint_colors'], strict=True):
        shade = tuple(int(value * 0.7) for value in _bgr(color))
        cv2.putText(legend, name, place, cv2.FONT_HERSHEY_SIMPLEX, 0.4, shade, 1, cv2.LINE_AA)
    return legend


def _pixel(point: np.ndarray) -> tuple[int, int]:
    x, y = np.clip(np.rint(point), -(2**15), 2**15).astype(int).tolist()
    return x, y


def _bgr(color: np.ndarray) -> tuple[int, int, int]:
    red, green, blue = (int(value) for value in color)
    return blue, green, red
