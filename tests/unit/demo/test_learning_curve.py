import cv2
import pytest

from vitpose.demo.learning_curve import draw_learning_curve
from vitpose.runs.training_log import Curve


@pytest.mark.parametrize('score', [[], [(1.0, 0.1), (2.0, 0.4)]])
def test_plot_shows_the_loss_and_any_scores(tmp_path, score):
    draw_learning_curve(Curve(loss=[(0.5, 9.0), (1.5, 3.0)], score=score, iterations=20), tmp_path / 'curve.png')
    picture = cv2.imread(str(tmp_path / 'curve.png')).astype(int)
    blue, orange = picture[..., 0] - picture[..., 2] > 80, picture[..., 2] - picture[..., 0] > 200
    assert picture.shape == (540, 960, 3) and blue[:, 120:840].sum() > 300
    assert (orange[:, 120:840].sum() > 100) == bool(score)
