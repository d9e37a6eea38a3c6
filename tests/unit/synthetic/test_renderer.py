import numpy as np
import pytest

from vitpose.synthetic.figure import PARTS_PER_FIGURE
from vitpose.synthetic.keypoints import COCO, KINDS, keypoint_set
from vitpose.synthetic.renderer import DIFFICULTIES, difficulty, render


@pytest.mark.parametrize('kind', list(KINDS))
@pytest.mark.parametrize('level', list(DIFFICULTIES))
def test_visible_keypoints_lie_on_the_figure_in_every_scene(kind: str, level: str) -> None:
    """In every scene, v = 2 is on a pixel of a figure, v = 1 is inside the image, and v = 0 has zero coordinates."""
    seen = set()
    for index in range(40 if kind == 'coco' else 8):
        rendered = render(np.random.default_rng([9, index]), KINDS[kind], DIFFICULTIES[level])
        for figure in rendered.people:
            x, y, width, height = figure['bbox']
            for px, py, v in figure['keypoints']:
                seen.add(v)
                if v == 0:
                    assert (px, py) == (0, 0)
                    continue
                assert 0 <= px <= 319 and 0 <= py <= 239
                if v == 2:
                    assert rendered.ids[round(py), round(px)] >= PARTS_PER_FIGURE
                    assert x - 0.5 <= px <= x + width - 0.5 and y - 0.5 <= py <= y + height - 0.5
    assert seen == {0, 1, 2}


def test_hard_hides_more_keypoints_than_easy() -> None:
    hidden = {}
    for name in DIFFICULTIES:
        visible = [
            person['keypoints'][:, 2]
            for index in range(40)
            for person in render(np.random.default_rng([4, index]), COCO, DIFFICULTIES[name]).people
        ]
        hidden[name] = np.mean(np.concatenate(visible) < 2)
    assert hidden['hard'] > hidden['easy'] + 0.1


def test_same_seed_gives_the_same_image() -> None:
    first, again, other = (render(np.random.default_rng(s), COCO, difficulty('easy')) for s in (1, 1, 2))
    np.testing.assert_array_equal(first.image, again.image)
    assert (first.image != other.image).any()


def test_unknown_names_are_errors() -> None:
    with pytest.raises(KeyError, match="unknown difficulty 'medium'.*easy, hard"):
        difficulty('medium')
    with pytest.raises(KeyError, match="unknown kind 'giraffe'.*aic, ap10k, coco, mpii, wholebody"):
        keypoint_set('giraffe')
