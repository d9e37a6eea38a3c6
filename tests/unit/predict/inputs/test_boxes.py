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

    def read(data, name='a.json', images=None, sources=SOURCES, **options):
        images_json = None if images is None else write('images.json', images)
        return read_boxes(write(name, data), sources, images_json, **options)

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
    lines = b"""\xef\xbb\xbf{"file": "a.jpg", "boxes": [[1, 2, 3, 4], [9, 0, -5, 1e30]], "scores": [0.5, 0.25]}

        {"file": "v.mp4", "frame": 1, "boxes": [[5, 6, 7, 8]]}"""
    given = read(lines, 'a.jsonl', sources=[SOURCES[0], Source('v.mp4', 'video')])
    frames = [make_frame('d/a.jpg'), *(make_frame('v.mp4', index=i) for i in range(3))]
    image, *video = given.fill(frames)
    np.testing.assert_array_equal(image.boxes, np.float32([[1, 2, 3, 4], [9, 0, -5, 1e30]]))  # the predictor drops such
    assert [frame.boxes.tolist() for frame in video] == [[], [[5, 6, 7, 8]], []]
    assert image.box_scores.tolist() == [0.5, 0.25] and video[1].box_scores is None
    assert given.image_ids is None


@pytest.mark.parametrize('ids', [(7.0, 9.0), ('7', '9'), ('007', '009'), ('x', 'y')])
@pytest.mark.parametrize('rows_ids', ['same', 'numbers', 'stems'])
def test_ids_of_every_kind(read, ids, rows_ids):
    images = [{'id': key, 'file_name': f'{name}.jpg'} for key, name in zip(ids, 'ab', strict=True)]
    wanted = {'same': ids[1], 'numbers': 9, 'stems': 'b'}[rows_ids]
    data = coco(row(wanted, category_id='1.0'[: 1 + 2 * (rows_ids == 'stems')]), images=images)
    if 'x' in ids and rows_ids == 'numbers':
        with pytest.raises(ValueError, match=r'annotations\[0\]: image_id 9 is not among the images'):
            read(data)
        return
    given = read(data)
    assert [len(frame.boxes) for frame in filled(given)] == [0, 1]
    assert given.image_ids == {'d/a.jpg': ids[0], 'd/b.jpg': ids[1]}  # as they stand in the file


def test_ids_by_numbered_file_names_are_not_taken_for_other_ids(read):
    images = [{'id': i + 1, 'file_name': f'00000{i}.jpg'} for i in range(3)]
    given = read(
        [row(i, score=1) for i in range(3)], images={'images': images}, sources=[Source('000000.jpg', 'image')]
    )
    (frame,) = given.fill([make_frame('000000.jpg')])
    assert len(frame.boxes) == 1


def test_byte_order_mark_backslashes_and_missing_boxes(read):
    images = [{'id': 7, 'file_name': 'x\\d\\a.jpg'}, {'id': 9, 'file_name': 'x\\d\\b.jpg'}]
    points = [10, 20, 2, 30, 60, 1, 0, 0, 0]
    annotations = [row(7, ()), {'image_id': 9, 'keypoints': points}, row(9, (), keypoints=[0] * 9), row(9)]
    data = json.dumps(coco(*annotations, images=images)).encode('utf-8-sig')
    given = read(data)
    first, second = filled(given)
    assert len(first.boxes) == 0
    np.testing.assert_array_equal(second.boxes, [[4, 14, 36, 66], [10, 20, 40, 60]])  # 15% of 40 on each side
    (note,) = given.notes()
    assert note.endswith('2 annotations left out: neither bbox nor labeled keypoints: annotations[0], annotations[2]')


def test_boxes_of_null_zeros_or_minus_one_are_missing_and_keypoints_may_be_nested(read):
    flat, nested = [10, 20, 2, 30, 60, 1, 0, 0, 0], [[10, 20, 2], [30, 60, 1], [0, 0, 0]]
    rows = [row(7, box, keypoints=flat) for box in ([None] * 4, [0] * 4, [-1] * 4, [[0, 0], [0, 0]])]
    given = read(coco(*rows, {'image_id': 7, 'keypoints': nested}, row(7, keypoints=nested)))
    np.testing.assert_array_equal(filled(given)[0].boxes, [[4, 14, 36, 66]] * 5 + [[10, 20, 40, 60]])
    assert not given.notes()


KINDS = [{'id': 1, 'name': 'person'}, {'id': 18, 'name': 'dog'}]


def test_categories_are_counted_named_and_chosen(read):
    rows = [row(7, category_id=kind) for kind in (18, 18, 1, 3)]
    given = read(coco(*rows, categories=KINDS))
    assert len(filled(given)[0].boxes) == 1
    assert given.notes() == [f'{given._path}: boxes of other categories left out: 2 dog, 1 of category 3']
    for name, count in (('dog', 2), ('DOG', 2), ('18', 2), ('3', 1), ('person', 1)):
        assert len(filled(read(coco(*rows, categories=KINDS), category=name))[0].boxes) == count
    animals = read(coco(*rows[:2], row(7, category_id=5), categories=[KINDS[1], {'id': 5, 'name': 'fox'}]))
    assert len(filled(animals)[0].boxes) == 3
    assert animals.notes()[0].endswith('boxes of 2 categories: 2 dog, 1 fox; --category NAME chooses')


def test_a_category_without_id_is_left_out(read):
    rows = [row(key, category_id=1) for key in (7, 9, 9)]
    given = read(coco(*rows, categories=[{'name': 'bird'}, 3, *KINDS]))
    assert [len(frame.boxes) for frame in filled(given)] == [1, 2]
    (note,) = given.notes()
    assert '2 rows left out: ' in note and 'a.json: categories[0]: expected an object with id, an integer' in note


@pytest.mark.parametrize(
    ('kinds', 'category', 'message'),
    [
        ([18, 18], None, 'no box is of category person; it has 2 dog: pass --category NAME'),
        ([18, 1], 'cat', 'no box is of category cat; it has 1 dog, 1 person: pass'),
        ([1], 'dog', 'no box is of category dog; it has 1 person: pass'),
    ],
)
def test_no_box_of_the_category_is_an_error(read, kinds, category, message):
    with pytest.raises(ValueError, match=message):
        read(coco(*(row(7, category_id=kind) for kind in kinds), categories=KINDS), category=category)


LINES, IMAGES_JSON = dict(name='a.jsonl'), dict(images={'images': IMAGES})


@pytest.mark.parametrize(
    ('data', 'options', 'message'),
    [
        (b'{"images": [', {}, 'a.json: not a JSON file: Expecting value'),
        (b'[' * 100_000, {}, 'a.json: not a JSON file: '),
        (b'"\xff"', {}, 'a.json: not a JSON file: '),
        (3, {}, 'a.json: expected an object with annotations, a list; got 3'),
        (coco(images=[], categories=3), {}, 'a.json: expected an object with categories, a list'),
        ({'images': IMAGES}, {}, 'a.json: expected an object with annotations, a list'),
        ([row(7, score=1)], {}, 'pass --images-json'),
        (coco(images=[{'id': 7}]), {}, r'images\[0\]: expected an object with file_name, a string'),
        (coco(row(7, bbox=[0.1, 0.1, 0.5, 0.5])), {}, 'all 1 boxes lie between 0 and 1: expected pixels'),
        (coco(row(7), row(8), 3), {}, r'annotations\[2\]: .*; 2 rows are like this, 1 are not'),
        (coco(row(8)), {}, r'annotations\[0\]: image_id 8 is not among the images'),
        (coco(row(7, category_id='fox')), {}, r'annotations\[0\]: expected an object with category_id, an integer'),
        (coco(row(7, 'abcd')), {}, r'annotations\[0\]: bbox: expected 4 numbers'),
        (coco(row(7, (1, 2, 3))), {}, r'bbox: expected 4 numbers, got 3'),
        (coco(row(7, (1, 2, 3, 10**400))), {}, 'bbox: expected 4 numbers'),
        (b'\n{"file": "\xff.jpg", "boxes": []}', LINES, 'a.jsonl, line 2: not JSON'),
        (b'{"file": "a.jpg"}', LINES, 'a.jsonl, line 1: expected an object with boxes, a list'),
        (b'[]', LINES, 'a.jsonl, line 1: expected an object with file, a string'),
        (b'{"file": "a.jpg", "boxes": [[1, 2, 3, true]]}', LINES, r'line 1: boxes\[0\]: expected 4'),
        (b'{"file": "a.jpg", "boxes": [[1, 2, 3, 4]], "scores": []}', LINES, 'line 1: scores: expected 1 numbers'),
        (b'{"file": "a.jpg", "frame": "x", "boxes": []}', LINES, 'line 1: expected an object with frame, an int'),
        (b'{"file": "a.jpg", "boxes": [[1, NaN, 3, 4]]}', LINES, r'line 1: boxes\[0\]: expected 4 finite'),
        (b'\n{"file": "a.jpg", "boxes": [[1, 1, 3, 1e999]]}', LINES, r'line 2: boxes\[0\]: expected 4 finite'),
        (b'{"file": "a.jpg", "boxes": [[1, null, 3, 4]]}', LINES, r'line 1: boxes\[0\]: expected 4 finite'),
        (b'{"file": "a.jpg", "boxes": [[1, 2, 3, 4]], "scores": [NaN]}', LINES, 'line 1: scores: expected 1 finite'),
        (coco(row(7, (1, 2, 3, 1e39))), {}, r'annotations\[0\]: bbox: expected [14] finite numbers'),
        ([row(7, score=float('nan'))], IMAGES_JSON, r'detections\[0\]: expected an object with score, a finite'),
        (b'', LINES | {'category': 'dog'}, '--category dog: only for COCO files'),
        (coco(row(True)), {}, r'annotations\[0\]: expected an object with image_id, a number or a string'),
        (b'', LINES | IMAGES_JSON, 'images.json: only for COCO files, not'),
        (coco(), IMAGES_JSON, 'pass --images-json for a list of COCO detections, and only for that'),
        ([row(7)], IMAGES_JSON, r'a.json: detections\[0\]: expected an object with score, a finite number'),
        ([], dict(images=[]), 'images.json: expected an object with images, a list'),
    ],
)
def test_bad_file_is_a_clear_error(read, data, options, message):
    with pytest.raises(ValueError, match=message) as caught:
        read(data, **options)
    assert '\n' not in str(caught.value) and len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ('bad', 'message'),
    [
        (3, 'expected an object with image_id, a number or a string; got 3'),
        (None, 'expected an object with image_id'),
        (row(99), 'image_id 99 is not among the images of'),
        (row(7, 'x'), 'bbox: expected 4 numbers'),
        (row(7, (1, 2, 3, float('inf'))), 'bbox: expected 4 finite numbers'),
        (row(7, category_id=[1]), 'expected an object with category_id, an integer'),
        (row(7, (), keypoints=[1, 2, 2, 4]), 'keypoints: expected 3 numbers, got 4'),
    ],
)
def test_a_bad_row_is_left_out_and_named(read, bad, message):
    given = read(coco(row(7), bad, row(7, (1, 2, 3, 4))))
    assert len(filled(given)[0].boxes) == 2
    (note,) = given.notes()
    assert '1 rows left out: ' in note and f'annotations[1]: {message}' in note


def test_rows_without_people_are_good_rows(read):
    """Those of crowds and of other categories: they are not why a file with bad rows is refused."""
    others = [row(7, iscrowd=1), row(7, category_id=18), row(9, category_id=18)]
    given = read(coco(*others, row(99), 3, categories=KINDS))
    assert not len(filled(given)[0].boxes) and any('2 rows left out: ' in note for note in given.notes())


def test_a_bad_line_is_left_out_and_named(read):
    good = b'{"file": "a.jpg", "boxes": [[1, 2, 3, 4]]}\n'
    for line, message in (
        (b'{"file": ', 'not JSON'),
        (good, 'a.jpg is listed twice'),
        (b'{"file": "b.jpg", "boxes": [[1, 2]]}', 'boxes[0]: expected 4'),
        (b'{"file": "b.jpg", "boxes": [[1, 2, 3, 4]], "scores": [1, 2]}', 'scores: expected 1 numbers'),
    ):
        given = read(good + line, **LINES)
        (frame,) = given.fill([make_frame('d/a.jpg')])
        assert len(frame.boxes) == 1 and 'd/b.jpg' in given.missing
        assert f'1 rows left out: {given._path}, line 2: {message}' in given.notes()[0]


def test_an_image_listed_twice_keeps_the_boxes_of_both_ids(read):
    given = read(coco(row(7), row(8), images=[*IMAGES, IMAGES[0], {'id': 8, 'file_name': 'a.jpg'}]))
    assert len(filled(given)[0].boxes) == 2 and not given.notes()
