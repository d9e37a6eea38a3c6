"""Boxes in three file formats, and the errors of files that are none of them."""

import json

import numpy as np
import pytest

from tests.unit.predict.frames import make_frame
from vitpose.predict.inputs.boxes import read_boxes
from vitpose.predict.inputs.sources import Source

IMAGES = [{'id': 7, 'file_name': 'a.jpg'}, {'id': 9, 'file_name': 'b.jpg'}]
SOURCES = [Source('d/a.jpg', 'image'), Source('d/b.jpg', 'image')]


def row(image_id, bbox=(10, 20, 30, 40), **values):
    return {'image_id': image_id, 'bbox': list(bbox), **values}


def coco(*annotations, images=IMAGES, **others):
    return {'images': images, 'annotations': annotations, **others}


@pytest.fixture
def read(tmp_path):
    """A function that writes a file of boxes, and maybe one of images, and reads them."""

    def write(name, data):
        path = tmp_path / name
        path.write_bytes(data if isinstance(data, bytes) else json.dumps(data).encode())
        return path

    def read(data, name='a.json', images=None, sources=SOURCES):
        return read_boxes(write(name, data), sources, None if images is None else write('images.json', images))

    return read


def filled(given):
    return list(given.fill(make_frame(source.name) for source in SOURCES))


def test_annotations_are_x_y_width_height(read):
    annotations = [row(7), row(7, (1, 2, 3, 4.5)), row(7, iscrowd=1)]
    given = read(coco(*annotations))
    first, second = filled(given)
    np.testing.assert_array_equal(first.boxes, [[10, 20, 40, 60], [1, 2, 4, 6.5]])
    assert first.box_scores is None and second.boxes.shape == (0, 4) and second.error is None
    assert given.image_ids == {'d/a.jpg': 7, 'd/b.jpg': 9}
    assert {name: ids.tolist() for name, ids in given.categories.items()} == {'d/a.jpg': [1, 1], 'd/b.jpg': []}
    sized = read(coco(*annotations, images=[{**image, 'width': 30, 'height': 50} for image in IMAGES]))
    np.testing.assert_array_equal(filled(sized)[0].boxes, [[10, 20, 29, 49], [1, 2, 4, 6.5]])  # as in MMPose


def test_people_are_chosen_among_categories_and_animals_keep_theirs(read):
    annotations = [row(7, category_id=1), row(7, (0, 0, 1, 1), category_id=3)]
    given = read(coco(*annotations, categories=[{'id': 1, 'name': 'dog'}, {'id': 3, 'name': 'person'}]))
    np.testing.assert_array_equal(filled(given)[0].boxes, [[0, 0, 1, 1]])
    assert given.categories['d/a.jpg'].tolist() == [3]
    animals = read(coco(*annotations, categories=[{'id': 1, 'name': 'dog'}, {'id': 3, 'name': 'fox'}]))
    assert animals.categories['d/a.jpg'].tolist() == [1, 3]


def test_detections_have_scores(read):
    first, second = filled(read([row(9, score=0.25), row(9, score=1)], images={'images': IMAGES}))
    assert first.boxes.shape == (0, 4) and first.box_scores.shape == (0,)
    np.testing.assert_array_equal(second.box_scores, [0.25, 1])
    np.testing.assert_array_equal(second.boxes, [[10, 20, 40, 60]] * 2)


def test_json_lines_are_corners_for_images_and_for_frames_of_videos(read):
    lines = b"""\xef\xbb\xbf{"file": "a.jpg", "boxes": [[1, 2, 3, 4], [NaN, 0, -5, Infinity]], "scores": [0.5, 0.25]}

        {"file": "v.mp4", "frame": 1, "boxes": [[5, 6, 7, 8]]}"""
    given = read(lines, 'a.jsonl', sources=[SOURCES[0], Source('v.mp4', 'video')])
    frames = [make_frame('d/a.jpg'), *(make_frame('v.mp4', index=i) for i in range(3))]
    image, *video = given.fill(frames)
    np.testing.assert_array_equal(image.boxes, [[1, 2, 3, 4], [np.nan, 0, -5, np.inf]])  # the predictor drops such
    assert [frame.boxes.tolist() for frame in video] == [[], [[5, 6, 7, 8]], []]
    assert image.box_scores.tolist() == [0.5, 0.25] and video[1].box_scores is None
    assert given.image_ids is None


LINES, IMAGES_JSON = dict(name='a.jsonl'), dict(images={'images': IMAGES})


@pytest.mark.parametrize(
    ('data', 'options', 'message'),
    [
        (b'{"images": [', {}, 'a.json: not a JSON file: Expecting value'),
        (b'[' * 100_000, {}, 'a.json: not a JSON file: '),
        (b'"\xff"', {}, 'a.json: not a JSON file: '),
        (3, {}, 'a.json: expected a COCO annotation file'),
        (coco(images=[], categories=3), {}, 'a.json: expected a list of objects as categories'),
        ({'images': IMAGES}, {}, 'a.json: expected a COCO file with lists of images and annotations'),
        ([row(7, score=1)], {}, 'pass --images-json'),
        (coco(images=[{'id': 7}]), {}, r'images\[0\]: expected an object with file_name, a string'),
        (coco(images=IMAGES * 2), {}, r"images\[2\]: file_name 'a.jpg' or id 7 occurs twice"),
        (coco(row(8)), {}, r'annotations\[0\]: image_id 8 is not among the images'),
        (coco(row(7), 3), {}, r'annotations\[1\]: expected an object with image_id'),
        (coco(row(7, category_id='fox')), {}, r"annotations\[0\]: category_id 'fox': expected an integer"),
        (coco(row(7, 'abcd')), {}, r'annotations\[0\]: bbox: .* 4 numbers'),
        (coco(row(7, (1, 2, 3))), {}, r'bbox: expected a list of 4 numbers, g'),
        (coco(row(7, (1, 2, 3, 10**400))), {}, 'bbox: expected a list of 4 numbers'),
        (b'{"file": "a.jpg", "boxes": []}\n{"file": ', LINES, 'a.jsonl, line 2: not JSON'),
        (b'\n{"file": "\xff.jpg", "boxes": []}', LINES, 'a.jsonl, line 2: not JSON'),
        (b'{"file": "a.jpg"}', LINES, 'a.jsonl, line 1: expected an object with boxes, a list'),
        (b'[]', LINES, 'a.jsonl, line 1: expected an object with file, a string'),
        (b'{"file": "a.jpg", "boxes": [[1, 2, 3, true]]}', LINES, r'line 1: boxes\[0\]: expected a list of 4'),
        (b'{"file": "a.jpg", "boxes": [[1, 2, 3, 4]], "scores": []}', LINES, 'line 1: scores: expected a list of 1'),
        (b'{"file": "a.jpg", "boxes": []}\n' * 2, LINES, 'line 2: a.jpg is listed twice'),
        (b'{"file": "a.jpg", "frame": "1", "boxes": []}', LINES, 'line 1: expected an object with frame, an int'),
        (b'', LINES | IMAGES_JSON, 'only for a list of COCO detections'),
        (coco(), IMAGES_JSON, 'only for a list of COCO detections'),
        ([row(7)], IMAGES_JSON, r'a.json: detections\[0\]: expected an object with score, a number'),
        ([], dict(images=[]), 'images.json: expected a JSON object'),
    ],
)
def test_bad_file_is_a_clear_error(read, data, options, message):
    with pytest.raises(ValueError, match=message) as caught:
        read(data, **options)
    assert '\n' not in str(caught.value) and len(str(caught.value)) < 300
