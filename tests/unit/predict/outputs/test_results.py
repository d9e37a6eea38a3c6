"""The JSON files: valid at every moment, readable by pycocotools and by `--boxes`."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from pycocotools.coco import COCO

from tests.unit.predict.frames import METAINFO, make_frame, make_poses
from vitpose.predict.inputs.boxes import read_boxes
from vitpose.predict.inputs.sources import Source
from vitpose.predict.models.crops import CropRule
from vitpose.predict.outputs.results import (
    count_objects,
    frame_of,
    header_of,
    line_of,
    read_header,
    read_lines,
    write_array,
    write_coco,
)
from vitpose.predict.poses import Frame

BROKEN = Frame('c.jpg', None, error='not an image')


def write_lines(path, *predicted):
    """Write the lines of frames with their poses, and more keys."""
    lines = [header_of(METAINFO), *(line_of(frame, poses) | more for frame, poses, more in predicted)]
    path.write_text(''.join(json.dumps(line, allow_nan=False) + '\n' for line in lines))


def test_lines_and_that_the_file_can_be_used_for_boxes(tmp_path):
    path = tmp_path / 'p.jsonl'
    frames = [make_frame('a.jpg'), make_frame('v.mp4', index=3, time=0.12), make_frame('v.mp4', index=4, time=0.16)]
    predicted = [make_poses(2, dropped=['box 3: no area']), make_poses(1, track=True), make_poses(0)]
    write_lines(path, *((*item, {}) for item in zip(frames, predicted, strict=True)), (BROKEN, make_poses(0), {}))
    _, first, video, _, broken = map(json.loads, path.read_text().splitlines())
    assert first == {
        'file': 'a.jpg',
        'size': [80, 60],
        'error': None,
        'boxes': [[4, 2, 18, 50], [19, 2, 33, 50]],
        'scores': [1, 1],
        'keypoints': [[[10, 5], [8, 45], [14, 45]], [[25, 5], [23, 45], [29, 45]]],
        'keypoint_scores': [[0.9, 0.8, 0.1]] * 2,
        'track_ids': None,
        'dropped': ['box 3: no area'],
    }
    assert (video['frame'], video['time'], video['track_ids']) == (3, 0.12, [0])
    assert (broken['error'], broken['size'], broken['boxes']) == ('not an image', None, [])
    given = read_boxes(path, [Source('a.jpg', 'image'), Source('v.mp4', 'video')])
    for poses, frame in zip(predicted, given.fill(frames), strict=True):
        np.testing.assert_array_equal(frame.boxes, poses.boxes)


@pytest.fixture
def coco_results(tmp_path):
    def write(given=None, metainfo=METAINFO, kinds=None):
        paths = [tmp_path / name for name in ('predictions.jsonl', 'keypoints.json', 'images.json')]
        frames = (make_frame('a.jpg'), 2), (BROKEN, 0), (make_frame('v.mp4', 10, 20, index=7), 1)
        write_lines(paths[0], *((frame, make_poses(n), (kinds or {}).get(frame.name, {})) for frame, n in frames))
        write_coco(tmp_path, metainfo, given)
        return paths[1:]

    return write


def test_pycocotools_reads_the_results(coco_results):
    results, images = coco_results()
    truth = COCO(str(images))
    assert truth.loadImgs([1, 2]) == [
        {'id': 1, 'file_name': 'a.jpg', 'width': 80, 'height': 60},
        {'id': 2, 'file_name': 'v.mp4', 'width': 20, 'height': 10, 'frame': 7},
    ]
    (category,) = truth.dataset['categories']
    assert category['keypoints'] == ['head', 'left_foot', 'right_foot'] and category['skeleton'] == [[1, 2], [1, 3]]
    loaded = truth.loadRes(str(results))
    first, second, third = loaded.loadAnns(loaded.getAnnIds())
    assert [person['image_id'] for person in (first, second, third)] == [1, 1, 2]
    assert second['keypoints'] == [25, 5, 0.9, 23, 45, 0.8, 29, 45, 0.1] and second['category_id'] == 1
    assert second['score'] == pytest.approx(0.85)  # the third keypoint does not count


def test_given_ids_of_images_and_categories_are_used(coco_results):
    ids = {'a.jpg': 70, 'c.jpg': 80, 'v.mp4': 90}
    kinds = {'a.jpg': {'category_ids': [5, 3]}}
    results, images = coco_results(SimpleNamespace(image_ids=ids), kinds=kinds)
    assert not images.exists()
    people = json.loads(results.read_text())
    assert [(person['image_id'], person['category_id']) for person in people] == [(70, 5), (70, 3), (90, 1)]


def test_an_input_whose_boxes_are_ambiguous_meanwhile_is_left_out(coco_results):
    """As after `--resume` with more inputs, two of which match one name in the file of the boxes."""
    results, _ = coco_results(SimpleNamespace(image_ids={'v.mp4': 90}))
    assert [person['image_id'] for person in json.loads(results.read_text())] == [90]


@pytest.mark.parametrize(('category', 'name'), [('animal', 'animal'), (None, 'three')])
def test_category_is_that_of_the_dataset(coco_results, category, name):
    _, images = coco_results(metainfo=METAINFO | {'category': category})
    assert json.loads(images.read_text())['categories'][0]['name'] == name


def test_numbers_that_are_not_finite_are_null_and_their_people_are_in_no_coco_file(tmp_path):
    poses, path = make_poses(3), tmp_path / 'predictions.jsonl'
    poses.keypoints[0, 1, 0], poses.box_scores[1] = np.nan, -np.inf
    write_lines(path, (make_frame('v.mp4', index=0, time=np.nan), poses, {'category_ids': [7, 8, 9]}))
    ((line, _),) = read_lines(path)
    assert line['keypoints'][0][1] == [None, 45] and line['scores'] == [1, None, 1] and line['time'] is None
    write_coco(tmp_path, METAINFO)
    (person,) = json.loads((tmp_path / 'keypoints.json').read_text())
    assert person['keypoints'][:2] == [40, 5] and person['category_id'] == 9


@pytest.mark.parametrize('poses', [make_poses(2, track=True, dropped=['box 2: no area']), make_poses(0)])
def test_a_line_is_read_back(poses):
    frame = make_frame('v.mp4', index=3, time=0.5, error='not drawn')
    again, read = frame_of(json.loads(json.dumps(line_of(frame, poses))))
    assert (again.name, again.index, again.time, again.error) == ('v.mp4', 3, 0.5, 'not drawn')
    assert line_of(frame, read) | {'size': [80, 60]} == line_of(frame, poses) and len(read.keypoints) == len(
        poses.boxes
    )


def test_a_header_is_read_back_and_must_be_there(tmp_path):
    path, rule = tmp_path / 'p.jsonl', CropRule((48, 64), 1.1, True)
    known = dict(license='Apache-2.0', model='m.onnx', sigmas=np.float32([0.1, 0.2, 0.3]), category='bird')
    header = header_of(METAINFO | known | dict(crop_rule=rule, metric=dict(nms_thr=0.5)))
    path.write_text(json.dumps(header) + '\n')
    assert list(read_lines(path)) == []
    read = read_header(path)
    assert read['units'].startswith('pixels') and read['version'] and read['crop_rule'] == rule
    assert read['keypoint_id2name'] == METAINFO['keypoint_id2name'] and read['skeleton_links'] == [[0, 1], [0, 2]]
    assert (read['sigmas'], read['metric']) == ([0.1, 0.2, 0.3], {'nms_thr': 0.5})
    assert (read['license'], read['model'], read['category']) == ('Apache-2.0', 'm.onnx', 'bird')
    for text in (json.dumps(line_of(make_frame(), make_poses(1))), '{"keypoint_names": ["a"]}', '[]'):
        path.write_text(f'{text}\n')
        with pytest.raises(ValueError, match=r'p\.jsonl, line 1: expected the header of `vitpose predict`'):
            read_header(path)


@pytest.mark.parametrize('end', ['', '{"file": "b', '{}'])
def test_a_line_that_was_cut_is_left_out(tmp_path, end):
    path = tmp_path / 'p.jsonl'
    path.write_text(text := json.dumps(line_of(make_frame(), make_poses(1))) + '\n')
    with path.open('a') as file:
        file.write(end)
    assert [size for _, size in read_lines(path)] == [len(text)]


def test_a_foreign_line_is_named(tmp_path):
    (tmp_path / 'p.jsonl').write_text('{"file": "a.jpg", "boxes": []}\n')
    with pytest.raises(ValueError, match=r'p\.jsonl, line 1: expected a line of `vitpose predict`'):
        list(read_lines(tmp_path / 'p.jsonl'))


def test_array_is_empty_or_safe_in_a_script(tmp_path):
    write_array(tmp_path / 'a.json', [])
    assert json.loads((tmp_path / 'a.json').read_text()) == []
    write_array(tmp_path / 'b.html', [{'file': '</script><b>'}], '<script>', '</script>')
    text = (tmp_path / 'b.html').read_text()
    assert text.count('<') == 2
    assert json.loads(text.removeprefix('<script>').removesuffix('</script>')) == [{'file': '</script><b>'}]


@pytest.mark.parametrize(
    ('count', 'category', 'said'), [(1, None, '1 person'), (2000, 'person', '2,000 people'), (2, 'mouse', '2 x mouse')]
)
def test_objects_are_counted_by_name(count, category, said):
    assert count_objects(count, {'category': category}) == said
