"""Rendered people with given boxes."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from vitpose.bench.people import render_people
from vitpose.synthetic.renderer import render


@pytest.mark.parametrize('people', [1, 30])
def test_every_image_has_the_number_of_people(people):
    images, boxes = render_people(2, people)
    assert [image.shape for image in images] == [(480, 640, 3)] * 2 and images[0].dtype == np.uint8
    assert [own.shape for own in boxes] == [(people, 4)] * 2 and boxes[0].dtype == np.float32
    for own in boxes:
        assert (own[:, 2:] > own[:, :2]).all() and (own >= 0).all() and (own <= (640, 480, 640, 480)).all()
        assert len(np.unique(own, axis=0)) == people
    assert not np.array_equal(*images)
    again, _ = render_people(1, people)
    np.testing.assert_array_equal(again[0], images[0])


@pytest.mark.parametrize(
    ('numbers', 'message'),
    [
        ((0, 1), '--images 0: expected at least 1'),
        ((1, 0), '--people 0: expected from 1 to 300'),
        ((1, 301), '--people 301: expected from 1 to 300'),
    ],
)
def test_bad_numbers(numbers, message):
    with pytest.raises(ValueError, match=message):
        render_people(*numbers)


def test_hidden_people_are_not_among_the_boxes(monkeypatch):
    asked = []

    def render_with_half_of_them_hidden(rng, table, level, height, width):
        asked.append(level.people[0])
        drawn = render(rng, table, level, height, width)
        return replace(
            drawn, people=[dict(one, area=one['area'] if i % 2 else 5) for i, one in enumerate(drawn.people)]
        )

    monkeypatch.setattr('vitpose.bench.people.render', render_with_half_of_them_hidden)
    _, ((*boxes,),) = render_people(1, 4)
    assert asked == [5, 8] and len(boxes) == 4
    monkeypatch.setattr('vitpose.bench.people.render', lambda *_: SimpleNamespace(people=[]))
    with pytest.raises(ValueError, match='--people 4: too many to fit into an image of 640x480'):
        render_people(1, 4)
