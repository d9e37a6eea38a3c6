from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from vitpose.bench.crowd_scenes import render_people
from vitpose.synthetic.renderer import render


@pytest.mark.parametrize('people', [1, 30])
def test_every_image_has_the_number_of_people(people):
    images, boxes = render_people(2, people)
    assert [image.shape for image in images] == [(480, 640, 3)] * 2 and images[0].dtype == np.uint8
    for rows in boxes:
        assert rows.shape == (people, 4) and rows.dtype == np.float32 and len(np.unique(rows, axis=0)) == people
        assert (rows[:, 2:] > rows[:, :2]).all() and (rows >= 0).all() and (rows <= (640, 480, 640, 480)).all()
    assert not np.array_equal(*images)
    again, _ = render_people(1, people)
    np.testing.assert_array_equal(again[0], images[0])


def test_hidden_people_are_not_among_the_boxes(monkeypatch):
    asked = []

    def render_with_half_of_them_hidden(rng, table, level, height, width):
        asked.append(level.people[0])
        drawn = render(rng, table, level, height, width)
        hidden = [dict(person, area=person['area'] if i % 2 else 5) for i, person in enumerate(drawn.people)]
        return replace(drawn, people=hidden)

    monkeypatch.setattr('vitpose.bench.crowd_scenes.render', render_with_half_of_them_hidden)
    _, (boxes,) = render_people(1, 4)
    assert asked == [5, 8] and len(boxes) == 4
    monkeypatch.setattr('vitpose.bench.crowd_scenes.render', lambda *_: SimpleNamespace(people=[]))
    with pytest.raises(ValueError, match='--people 4: too many to fit into an image of 640x480'):
        render_people(1, 4)
