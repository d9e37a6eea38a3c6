import numpy as np
import pytest

from vitpose.errors import InputError
from vitpose.synthetic.figure import PARTS_PER_FIGURE
from vitpose.synthetic.keypoints import COCO, KINDS
from vitpose.synthetic.render_settings import RenderSettings
from vitpose.synthetic.renderer import DIFFICULTIES, render


@pytest.mark.slow
@pytest.mark.parametrize('kind', list(KINDS))
@pytest.mark.parametrize('level', list(DIFFICULTIES))
def test_visible_keypoints_lie_on_the_figure_in_every_scene(kind: str, level: str) -> None:
    """In every scene, v = 2 is on a pixel of a figure, v = 1 is inside the image, and v = 0 has zero coordinates."""
    seen = set()
    for index in range(40 if kind == 'coco' else 8):
        rendered = render(np.random.default_rng([9, index]), KINDS[kind], DIFFICULTIES[level], 120, 160)
        for figure in rendered.people:
            x, y, width, height = figure['bbox']
            for px, py, v in figure['keypoints']:
                seen.add(v)
                if v == 0:
                    assert (px, py) == (0, 0)
                    continue
                assert 0 <= px <= 159 and 0 <= py <= 119
                if v == 2:
                    assert rendered.ids[round(py), round(px)] >= PARTS_PER_FIGURE
                    assert x - 0.5 <= px <= x + width - 0.5 and y - 0.5 <= py <= y + height - 0.5
    assert seen == {0, 1, 2}


@pytest.mark.slow
def test_hard_hides_more_keypoints_than_easy() -> None:
    hidden = {}
    for name, level in DIFFICULTIES.items():
        images = [render(np.random.default_rng([4, index]), COCO, level, 120, 160) for index in range(40)]
        hidden[name] = np.mean([person['keypoints'][:, 2] < 2 for image in images for person in image.people])
    assert hidden['hard'] > hidden['easy'] + 0.1


def test_unknown_difficulty_is_an_error() -> None:
    with pytest.raises(InputError, match="unknown difficulty 'medium'.*easy, hard"):
        RenderSettings(1, 0, difficulty='medium')
