import numpy as np
import pytest

from vitpose.demo.gallery import draw_gallery, heatmap_to_image
from vitpose.synthetic.keypoints import COCO


def test_corner_cells_map_to_the_corners_of_the_crop():
    """With UDP, the first cell is the crop's top-left corner and the last cell its bottom-right corner."""
    transform = heatmap_to_image((32, 24), np.array((100.0, 60.0)), np.array((46.0, 62.0)))
    np.testing.assert_allclose(transform @ np.array([(0, 23), (0, 31), (1, 1)]), [(77, 123), (29, 91)])


def test_gallery_needs_predictions(tmp_path):
    with pytest.raises(ValueError, match='no predictions'):
        draw_gallery([], COCO, tmp_path / 'gallery.png')
