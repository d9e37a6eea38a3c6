import cv2
import numpy as np
import pytest

from vitpose.demo.gallery import draw_gallery, draw_learning_curve
from vitpose.runs.training_log import Curve
from vitpose.synthetic.keypoints import COCO


@pytest.mark.parametrize(('cell', 'corner'), [((0, 0), (17, 9)), ((31, 23), (63, 71))])
def test_corner_cells_are_drawn_at_the_corners_of_the_crop(tmp_path, cell, corner):
    """With UDP, the first cell is the crop's top-left corner and the last cell its bottom-right corner."""
    image, heatmaps = str(tmp_path / 'a.png'), np.zeros((1, 32, 24), np.float32)
    cv2.imwrite(image, np.zeros((80, 80, 3), np.uint8))
    heatmaps[0][cell] = 1
    instances = dict(keypoints=np.zeros((1, 17, 2)), keypoint_scores=np.zeros((1, 17)))
    crop = dict(input_center=np.array((40.0, 40.0)), input_scale=np.array((46.0, 62.0)))
    sample = dict(crop, img_path=image, raw_ann_info=dict(keypoints=[0] * 51), pred_instances=instances)
    draw_gallery([dict(sample, pred_fields=dict(heatmaps=heatmaps))], COCO, tmp_path / 'gallery.png')
    heat = cv2.imread(str(tmp_path / 'gallery.png'))[:, 320:].sum(-1)
    brightest = np.array(np.unravel_index(heat.argmax(), heat.shape))[::-1]
    np.testing.assert_allclose(brightest, (np.array(corner) + 0.5) * 2 - 0.5, atol=1)


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
