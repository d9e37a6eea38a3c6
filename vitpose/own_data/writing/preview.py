"""Draw training samples as the network sees them, with keypoints and skeleton."""

from pathlib import Path

import cv2
import numpy as np

from ...predict.drawing import draw_poses
from ...predict.poses import Poses

COLUMNS, ROWS = 6, 4
ZOOM = 1.5


def draw_preview(config: Path, file: Path, seed: int) -> None:
    """Draw random training samples of a config after crop and augmentation, with numbered keypoints and a legend."""
    from mmengine.config import Config
    from mmengine.registry import init_default_scope
    from mmpose.registry import DATASETS

    from vitpose_base.files import replacing
    from vitpose_mm.noise import quiet

    init_default_scope('mmpose')
    settings = Config.fromfile(config).train_dataloader.dataset
    packing = ('GenerateTarget', 'KeypointTarget', 'PackPoseInputs', 'PackCroppedInputs')
    settings.pipeline = [step for step in settings.pipeline if step['type'] not in packing]
    with quiet():
        dataset = DATASETS.build(settings)
    np.random.seed(seed)  # MMPose's transforms use it
    indices = np.random.default_rng(seed).permutation(len(dataset))[: COLUMNS * ROWS]
    tiles = [_draw_tile(dataset[int(i)], dataset.metainfo) for i in sorted(indices)]
    tiles += [np.full_like(tiles[0], 255)] * (-len(tiles) % min(len(tiles), COLUMNS))
    rows = [np.concatenate(tiles[i : i + COLUMNS], 1) for i in range(0, len(tiles), COLUMNS)]
    sheet = np.concatenate((*rows, _draw_legend(dataset.metainfo, rows[0].shape[1])))
    with replacing(file) as part:
        part.write_bytes(cv2.imencode('.png', sheet)[1].tobytes())


def _draw_tile(sample: dict, meta: dict) -> np.ndarray:
    image = cv2.resize(sample['img'], None, fx=ZOOM, fy=ZOOM, interpolation=cv2.INTER_LINEAR)
    points = (np.asarray(sample['transformed_keypoints'])[0] + 0.5) * ZOOM - 0.5
    visible = np.asarray(sample['keypoints_visible']).reshape(len(points), -1)[:, 0] > 0
    frame = np.array([[0, 0, *image.shape[1::-1]]])
    image = draw_poses(image, Poses(points[None], visible[None], frame, np.ones(1), np.zeros(1)), meta)
    for i in np.flatnonzero(visible):
        x, y = np.clip(np.rint(points[i]), -(2**15), 2**15).astype(int).tolist()
        for thick, shade in ((3, (0, 0, 0)), (1, (255, 255, 255))):
            cv2.putText(image, str(i), (x + 3, y - 3), cv2.FONT_HERSHEY_SIMPLEX, 0.32, shade, thick, cv2.LINE_AA)
    return image


def _draw_legend(meta: dict, width: int) -> np.ndarray:
    """Draw the number, name and color of each keypoint; OpenCV draws names in other scripts as question marks."""
    names = [f'{i} {meta["keypoint_id2name"][i]}' for i in range(meta['num_keypoints'])]
    cell = 14 + max(cv2.getTextSize(name, cv2.FONT_HERSHEY_SIMPLEX, 0.4, 1)[0][0] for name in names)
    columns = max(width // cell, 1)
    legend = np.full((-(-len(names) // columns) * 16 + 8, width, 3), 255, np.uint8)
    for i, (name, color) in enumerate(zip(names, meta['keypoint_colors'], strict=True)):
        place = (6 + i % columns * cell, 16 + i // columns * 16)
        cv2.putText(legend, name, place, cv2.FONT_HERSHEY_SIMPLEX, 0.4, (0.7 * color[::-1]).tolist(), 1, cv2.LINE_AA)
    return legend
