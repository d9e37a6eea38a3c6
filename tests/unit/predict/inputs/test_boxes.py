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


@pytest.fixture
def write(tmp_path):
    def write(name, data):
        path = tmp_path / name
        path.write_text(data if isinstance(data, str) else json.dumps(data))
        return path

    return write


def filled(given, sources=SOURCES):
    return list(given.fill(make_frame(source.name) for source in sources if source.name not in given.missing))


def test_annotations_are_x_y_width_height(write):
    annotations = [row(7), row(7, (1, 2, 3, 4.5)), row(7, iscrowd=1)]
    given = read_boxes(write('a.json', {'images': IMAGES, 'annotations': annotations}), SOURCES)
    first, second = filled(given)
    np.testing.assert_array_equal(first.boxes, [[10, 20, 40, 60], [1, 2, 4, 6.5]])
    assert first.box_scores is None and second.boxes.shape == (0, 4) and second.error is None
    sized = [{**image, 'width': 30, 'height': 50} for image in IMAGES]
    given_sizes = read_boxes(write('b.json', {'images': sized, 'annotations': annotations}), SOURCES)
    np.testing.assert_array_equal(filled(given_sizes)[0].boxes, [[10, 20, 29, 49], [1, 2, 4, 6.5]])  # as in MMPose
    assert given.image_ids == {'d/a.jpg': 7, 'd/b.jpg': 9}
    assert {name: ids.tolist() for name, ids in given.categories.items()} == {'d/a.jpg': [1, 1], 'd/b.jpg': []}


def test_people_are_chosen_among_categories(write):
    categories = [{'id': 1, 'name': 'dog'}, {'id': 3, 'name': 'person'}]
    annotations = [row(7, category_id=1), row(7, (0, 0, 1, 1), category_id=3)]
    path = write('a.json', {'images': IMAGES, 'annotations': annotations, 'categories': categories})
    given = read_boxes(path, SOURCES)
    np.testing.assert_array_equal(filled(given)[0].boxes, [[0, 0, 1, 1]])
    assert given.categories['d/a.jpg'].tolist() == [3]


def test_animals_keep_their_categories(write):
    categories = [{'id': 4, 'name': 'dog'}, {'id': 9, 'name': 'fox'}]
    annotations = [row(7, category_id=9), row(7, (0, 0, 1, 1), category_id=4)]
    path = write('a.json', {'images': IMAGES, 'annotations': annotations, 'categories': categories})
    assert read_boxes(path, SOURCES).categories['d/a.jpg'].tolist() == [9, 4]
    path = write('b.json', {'images': IMAGES, 'annotations': [row(7, category_id='fox')]})
    with pytest.raises(ValueError, match=r"annotations\[0\]: category_id 'fox': expected an integer"):
        read_boxes(path, SOURCES)


def test_detections_have_scores(write):
    images = write('images.json', {'images': IMAGES})
    given = read_boxes(write('a.json', [row(9, score=0.25), row(9, score=1)]), SOURCES, images)
    first, second = filled(given)
    assert first.boxes.shape == (0, 4) and first.box_scores.shape == (0,)
    np.testing.assert_array_equal(second.box_scores, [0.25, 1])
    np.testing.assert_array_equal(second.boxes, [[10, 20, 40, 60]] * 2)


def test_json_lines_are_corners_for_images_and_for_frames_of_videos(write):
    lines = [
        {'file': 'a.jpg', 'boxes': [[1, 2, 3, 4]], 'scores': [0.5]},
        {'file': 'v.mp4', 'frame': 1, 'boxes': [[5, 6, 7, 8]]},
    ]
    sources = [SOURCES[0], Source('v.mp4', 'video')]
    given = read_boxes(write('a.jsonl', '\n\n'.join(map(json.dumps, lines))), sources)
    frames = [make_frame('d/a.jpg'), *(make_frame('v.mp4', index=i) for i in range(3))]
    boxes = [frame.boxes.tolist() for frame in given.fill(frames)]
    assert boxes == [[[1, 2, 3, 4]], [], [[5, 6, 7, 8]], []]
    assert frames[0].box_scores == [0.5] and frames[2].box_scores is None
    assert given.image_ids is None


def test_numbers_that_are_no_boxes_are_left_to_the_predictor(write):
    given = read_boxes(write('a.jsonl', '{"file": "a.jpg", "boxes": [[NaN, 0, -5, Infinity]]}'), SOURCES)
    np.testing.assert_array_equal(filled(given)[0].boxes, [[np.nan, 0, -5, np.inf]])


@pytest.mark.parametrize(
    ('name', 'data', 'message'),
    [
        ('a.json', '{"images": [', 'a.json: not a JSON file: Expecting value'),
        ('a.json', '[' * 100_000, 'a.json: not a JSON file: '),
        ('a.json', '3', 'a.json: expected a COCO annotation file'),
        ('a.json', {'images': [], 'annotations': [], 'categories': 3}, 'a.json: expected a list of objects as categ'),
        ('a.json', {'images': IMAGES}, 'a.json: expected a COCO file with lists of images and annotations'),
        ('a.json', [row(7, score=1)], 'pass --images-json'),
        ('a.json', {'images': [{'id': 7}], 'annotations': []}, r'images\[0\]: expected an object with file_name, a te'),
        ('a.json', {'images': IMAGES * 2, 'annotations': []}, r"images\[2\]: file_name 'a.jpg' or id 7 occurs twice"),
        ('a.json', {'images': IMAGES, 'annotations': [row(8)]}, r'annotations\[0\]: image_id 8 is not among the im'),
        ('a.json', {'images': IMAGES, 'annotations': [row(7), 3]}, r'annotations\[1\]: expected an object with ima'),
        ('a.json', {'images': IMAGES, 'annotations': [row(7, 'abcd')]}, r'annotations\[0\]: bbox: .* 4 numbers'),
        ('a.json', {'images': IMAGES, 'annotations': [row(7, (1, 2, 3))]}, r'bbox: expected a list of 4 numbers, g'),
        ('a.json', {'images': IMAGES, 'annotations': [row(7, (1, 2, 3, 10**400))]}, 'bbox: expected a list of 4 num'),
        ('a.jsonl', '{"file": "a.jpg", "boxes": []}\n{"file": ', 'a.jsonl, line 2: not JSON'),
        ('a.jsonl', '{"file": "a.jpg"}', 'a.jsonl, line 1: expected an object with boxes, a list'),
        ('a.jsonl', '[]', 'a.jsonl, line 1: expected an object with file, a text'),
        ('a.jsonl', '{"file": "a.jpg", "boxes": [[1, 2, 3, true]]}', r'line 1: boxes\[0\]: expected a list of 4'),
        ('a.jsonl', '{"file": "a.jpg", "boxes": [[1, 2, 3, 4]], "scores": []}', 'line 1: scores: expected a list of 1'),
        ('a.jsonl', '{"file": "a.jpg", "boxes": []}\n' * 2, 'line 2: a.jpg has a line already'),
        ('a.jsonl', '{"file": "a.jpg", "frame": "1", "boxes": []}', 'line 1: expected an object with frame, an int'),
    ],
)
def test_bad_file_is_a_clear_error(write, name, data, message):
    with pytest.raises(ValueError, match=message) as caught:
        read_boxes(write(name, data), SOURCES)
    assert '\n' not in str(caught.value) and len(str(caught.value)) < 300


def test_images_json_must_fit(write):
    images = write('images.json', {'images': IMAGES})
    with pytest.raises(ValueError, match='only for a list of COCO detections'):
        read_boxes(write('a.json', {'images': IMAGES, 'annotations': []}), SOURCES, images)
    with pytest.raises(ValueError, match='only for COCO detections'):
        read_boxes(write('a.jsonl', ''), SOURCES, images)
    with pytest.raises(ValueError, match=r'a.json: detections\[0\]: expected an object with score, a number'):
        read_boxes(write('a.json', [row(7)]), SOURCES, images)
    with pytest.raises(ValueError, match='images.json: expected a JSON object'):
        read_boxes(write('a.json', []), SOURCES, write('images.json', '[]'))
