"""Crops to compare and calibrate with."""

import json

import cv2
import numpy as np
import pytest

from tests.unit.predict.tiny_models import rendered
from vitpose.export.rendered_crops import crop_people
from vitpose.predict.inputs.sources import find_sources
from vitpose.predict.models.crops import CropRule

RULE = CropRule((96, 128), use_udp=True)


def test_rendered_people_are_always_the_same():
    crops = crop_people(RULE, 7)
    assert crops.shape == (7, 128, 96, 3) and crops.std() > 20
    np.testing.assert_array_equal(crops, crop_people(RULE, 7))


def test_given_images_with_and_without_boxes(tmp_path):
    images, boxes = zip(*map(rendered, range(3)), strict=True)
    for i, image in enumerate(images):
        cv2.imwrite(str(tmp_path / f'{i}.png'), image)
    for name, rows in (('boxes', [rows.tolist() for rows in boxes]), ('none', [[], [], []])):
        lines = [json.dumps(dict(file=f'{i}.png', boxes=row)) for i, row in enumerate(rows)]
        (tmp_path / f'{name}.jsonl').write_text('\n'.join(lines))
    assert len(crop_people(RULE, 300, find_sources([str(tmp_path)]))) == 3
    assert (
        len(crop_people(RULE, 300, find_sources([str(tmp_path)]), tmp_path / 'boxes.jsonl')) == sum(map(len, boxes)) > 3
    )
    assert len(crop_people(RULE, 2, find_sources([str(tmp_path)]), tmp_path / 'boxes.jsonl')) == 2
    with pytest.raises(ValueError, match='none.jsonl: no boxes of people in --images'):
        crop_people(RULE, 2, find_sources([str(tmp_path)]), tmp_path / 'none.jsonl')
    height, width = images[0].shape[:2]
    half = dict(file='0.png', boxes=(boxes[0] / 2).tolist(), size=[width / 2, height / 2])
    (tmp_path / 'half.jsonl').write_text(json.dumps(half))
    with pytest.raises(ValueError, match='pass --scale-boxes'):
        crop_people(RULE, 300, find_sources([str(tmp_path)]), tmp_path / 'half.jsonl')
    scaled = crop_people(RULE, 300, find_sources([str(tmp_path / '0.png')]), tmp_path / 'half.jsonl', scale=True)
    given = crop_people(RULE, 300, find_sources([str(tmp_path / '0.png')]), tmp_path / 'boxes.jsonl')
    np.testing.assert_array_equal(scaled, given)
    (tmp_path / '3.png').write_bytes(b'\x89PNG')
    with pytest.raises(ValueError, match=r'3\.png'):
        crop_people(RULE, 300, find_sources([str(tmp_path)]))
