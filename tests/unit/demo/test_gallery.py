import cv2
import numpy as np
import pytest

from vitpose.demo.gallery import draw_gallery, draw_learning_curve, heatmap_to_image
from vitpose.runs.training_log import Curve
from vitpose.synthetic.keypoints import COCO


def test_corner_cells_map_to_the_corners_of_the_crop():
    """With UDP, the first cell is the crop's top-left corner and the last cell its bottom-right corner."""
    transform = heatmap_to_image((32, 24), np.array((100.0, 60.0)), np.array((46.0, 62.0)))
    np.testing.assert_allclose(transform @ np.array([(0, 23), (0, 31), (1, 1)]), [(77, 123), (29, 91)])


def test_gallery_needs_predictions(tmp_path):
    with pytest.raises(ValueError, match='no predictions'):
        draw_gallery([], COCO, tmp_path / 'gallery.png')


@pytest.mark.parametrize('score', [[], [(1.0, 0.1), (2.0, 0.4)]])
def test_plot_shows_the_loss_and_any_scores(tmp_path, score):
    draw_learning_curve(Curve(loss=[(0.5, 9.0), (1.5, 3.0)], score=score, iterations=20), tmp_path / 'curve.png')
    picture = cv2.imread(str(tmp_path / 'curve.png')).astype(int)
    blue, orange = picture[..., 0] - picture[..., 2] > 80, picture[..., 2] - picture[..., 0] > 200
    assert picture.shape == (540, 960, 3) and blue[:, 120:840].sum() > 300
    assert (orange[:, 120:840].sum() > 100) == bool(score)
