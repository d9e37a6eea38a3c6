from pathlib import Path

import cv2
import numpy as np

from vitpose.synthetic.contact_sheet import LEFT, MIDDLE, RIGHT, WHITE, draw_pose, side_color, write_contact_sheet
from vitpose.synthetic.keypoints import COCO
from vitpose.synthetic.render_settings import RenderSettings


def test_colors_show_side_and_visibility() -> None:
    assert side_color('left_hip') == LEFT and side_color('right_hip', 'right_knee') == RIGHT
    assert side_color('left_hip', 'right_hip') == side_color('nose') == MIDDLE
    names = ('left_wrist', 'right_wrist', 'left_ankle', 'right_ankle')
    shown = ((10, 10, 2), (10, 30, 2), (30, 10, 1), (30, 30, 0))
    keypoints = np.zeros((17, 3))
    keypoints[[COCO.names.index(name) for name in names]] = shown
    image = np.zeros((120, 120, 3), np.uint8)
    draw_pose(image, keypoints, COCO, zoom=3)
    assert [tuple(image[3 * y + 1, 3 * x + 1].tolist()) for x, y, _ in shown] == [LEFT, RIGHT, WHITE, (0, 0, 0)]


def test_held_out_images_are_shown_if_there_are_no_others(tmp_path: Path) -> None:
    write_contact_sheet(tmp_path / 'sheets/val.png', RenderSettings(0, 1))
    sheet = cv2.imread(str(tmp_path / 'sheets/val.png'))
    assert sheet.shape == (2 * 480, 4 * 640, 3)
    assert sheet[:480, :640].std() > 10 and sheet[480:].std() == 0
    assert [path.name for path in tmp_path.rglob('*.*')] == ['val.png']
