"""Scores of finished predictions: people who were not found, what belongs together and what does not."""

import json

import numpy as np
import pytest

from tests.unit.predict.frames import METAINFO, make_frame, make_poses
from vitpose.predict.evaluation import evaluate
from vitpose.predict.inputs.sources import Source
from vitpose.predict.outputs.output_files import Outputs
from vitpose.predict.poses import Frame

IMAGES = [dict(id=i, file_name=f'{name}.jpg', width=80, height=60) for i, name in ((3, 'a'), (5, 'b'), (9, 'c'))]


def annotation(image_id, person=0, shift=0.0, **values):
    """That of a person of `make_poses`, whose keypoints are moved to the right; the third one is not labeled."""
    poses = make_poses(person + 1)
    points = np.column_stack((poses.keypoints[person] + (shift, 0), [2, 1, 0])).ravel().tolist()
    x, y, right, bottom = poses.boxes[person].tolist()
    return dict(image_id=image_id, category_id=1, bbox=[x, y, right - x, bottom - y], keypoints=points, **values)


@pytest.fixture
def score(tmp_path):
    """A function that predicts people of images, and scores the predictions in a file of the output folder."""

    def run(predicted, annotations, name='predictions.jsonl', metainfo=METAINFO, images=IMAGES):
        names = [frame.name for frame, _ in predicted]
        sources = [Source(name, 'image') for name in names]
        outputs = Outputs(tmp_path, sources, metainfo, draw=False)
        for frame, poses in predicted:
            outputs.write(frame, poses)
        outputs.close()
        truth = tmp_path / 'truth.json'
        truth.write_text(json.dumps(dict(images=images, annotations=annotations)))
        return evaluate(tmp_path / name, truth)

    return run


@pytest.mark.parametrize('name', ['predictions.jsonl', 'keypoints.json'])
def test_people_who_were_not_found_count_in_pck_and_not_in_the_error(score, name):
    people = [annotation(3, 0, 1), annotation(3, 1, 3), annotation(5, 0)]
    people += [annotation(3, 0, 30, iscrowd=1), annotation(3, 0) | {'keypoints': [0] * 9}]
    predicted = [(make_frame('d/c.jpg'), make_poses(0)), (make_frame('d/a.jpg'), make_poses(3))]  # ids are 1 and 2
    scores, notes = score(predicted, people, name)
    assert (scores['images'], scores['people'], scores['found']) == (3, 3, 2)
    assert scores['EPE'] == pytest.approx(2) and scores['PCK@0.05'] == pytest.approx(1 / 3)  # of 48 pixels
    assert scores['PCK@0.1'] == pytest.approx(2 / 3) == scores['PCK@0.2']
    shares = dict.fromkeys(('PCK@0.1', 'PCK@0.2'), pytest.approx(2 / 3))
    assert scores['keypoints']['head'] == dict(labeled=3, EPE=pytest.approx(2), **shares)
    assert scores['keypoints']['right_foot'] == dict(labeled=0, EPE=None, **dict.fromkeys(shares))
    assert '1 of 3 images have no predictions: their people count as missed' in notes
    assert 'the sigmas of the OKS are not known: 0.05 for each keypoint' in notes


def test_each_person_gets_the_box_that_overlaps_most_once(score):
    poses = make_poses(2)
    poses.boxes[:] += np.float32([[2, 0, 2, 0]])  # the first one overlaps both people
    poses.boxes[0, 2] = 32
    scores, _ = score([(make_frame('a.jpg'), poses)], [annotation(3, 0), annotation(3, 1, 4)])
    assert scores['found'] == 2 and scores['EPE'] == pytest.approx(2)
    scores, _ = score([(make_frame('a.jpg'), make_poses(1))], [annotation(3, 0), annotation(3, 0, 1)])
    assert scores['found'] == 1


def test_sigmas_are_those_of_the_model(score):
    predicted, people = [(make_frame('a.jpg'), make_poses(1))], [annotation(3, 0, 3)]
    precision = []
    for sigma in (0.03, 0.3):
        scores, notes = score(predicted, people, metainfo=METAINFO | dict(sigmas=np.full(3, sigma)))
        assert len(notes) == 1  # of the images
        precision.append(scores['coco/AP'])
    assert precision[0] < 0.5 and precision[1] == pytest.approx(1)


def test_predictions_without_categories_are_of_all(score):
    predicted = [(make_frame('a.jpg'), make_poses(2))]
    people = [annotation(3, person) | {'category_id': 7} for person in (0, 1)]
    assert score(predicted, people)[0]['coco/AP'] == pytest.approx(1)


@pytest.mark.parametrize(
    'change',
    [
        *(dict(bbox=box) for box in (None, [], [0, 0, 0, 0], [-1] * 4)),
        *(dict(area=area) for area in (None, 0, '300')),
        *(dict(iscrowd='0'), dict(num_keypoints=None), dict(category_id=None)),
        *(dict(image_id=3.0), dict(image_id='3'), dict(keypoints=annotation(3)['keypoints'][:6] + [None, None, 0])),
        *(dict(id=0), dict(id=None), dict(id=2), dict(id='x')),
    ],
)
def test_annotations_as_tools_write_them_have_the_same_scores(score, change):
    predicted, people = [(make_frame('a.jpg'), make_poses(2))], [annotation(3, 0), annotation(3, 1) | dict(id=2)]
    expected, notes = score(predicted, people)
    assert (expected['people'], expected['found'], expected['coco/AP']) == (2, 2, pytest.approx(1))
    assert score(predicted, [people[0] | change, people[1]]) == (expected, notes)
    nested = [row | dict(keypoints=np.reshape(row['keypoints'], (-1, 3)).tolist()) for row in people]
    assert score(predicted, nested) == (expected, notes)


def test_an_image_that_is_listed_twice_is_one(score):
    predicted, people = [(make_frame('a.jpg'), make_poses(2))], [annotation(3, 0), annotation(4, 1)]
    images = [IMAGES[0] | dict(id=key, width='80', height=0) for key in (3, 4)]
    scores, _ = score(predicted, people, images=images)
    assert (scores['images'], scores['people'], scores['found']) == (1, 2, 2)
    assert scores['coco/AP'] == pytest.approx(1)


def test_annotations_of_other_images_are_noted(score):
    scores, notes = score([(make_frame('a.jpg'), make_poses(1))], [annotation(3), annotation(77)])
    assert scores['people'] == 1 and scores['coco/AP'] == pytest.approx(1)
    assert any('1 of 2 annotations are of images that it does not list' in line for line in notes), notes


def test_files_that_are_not_annotated_are_noted(score):
    predicted = [(make_frame(f'{name}.jpg'), make_poses(1)) for name in 'axy']
    scores, notes = score(predicted, [annotation(3)])
    assert scores['coco/AP'] == pytest.approx(1) and any('2 files that' in line for line in notes), notes


def test_images_of_other_folders_are_noted(score):
    images = [IMAGES[0] | dict(file_name='val/a.jpg')]
    for folder in ('train', 'val'):
        _, notes = score([(make_frame(f'{folder}/a.jpg'), make_poses(1))], [annotation(3)], images=images)
        assert any('folders than listed: val/a.jpg = train/a.jpg' in line for line in notes) == (folder == 'train')


def other_size(score, tmp_path):
    return score([(make_frame('a.jpg', 30, 40), make_poses(1))], [annotation(3)])


def other_keypoints(score, tmp_path):
    return score([(make_frame('a.jpg'), make_poses(1))], [annotation(3) | {'keypoints': [1, 1, 2] * 17}])


def other_images(score, tmp_path):
    return score([(make_frame('z.jpg'), make_poses(1))], [annotation(3)])


def nobody(score, tmp_path):
    return score([(make_frame('a.jpg'), make_poses(0))], [annotation(3)])


def unreadable(score, tmp_path):
    return score([(Frame('a.jpg', None, error='not an image'), make_poses(0))], [annotation(3)])


def video(score, tmp_path):
    return score([(make_frame('a.jpg', index=0, time=0.0), make_poses(1))], [annotation(3)])


def no_coco_file(score, tmp_path):
    return score([(make_frame('a.jpg'), make_poses(1))], [annotation(3)], images=[{'id': 3}])


def bad_id(score, tmp_path):
    return score([(make_frame('a.jpg'), make_poses(1))], [annotation(3), annotation([3])])


def repeated_id(score, tmp_path):
    return score([(make_frame('a.jpg'), make_poses(1))], [annotation(3)], images=[*IMAGES, IMAGES[1] | dict(id=3)])


def bad_box(score, tmp_path):
    return score([(make_frame('a.jpg'), make_poses(1))], [annotation(3) | dict(bbox=[1, 2, 3])])


def crowds(score, tmp_path):
    return score([(make_frame('a.jpg'), make_poses(1))], [annotation(3, iscrowd=1)])


def moved_results(score, tmp_path):
    (tmp_path / 'moved').mkdir()
    (tmp_path / 'moved/keypoints.json').write_text('[]')
    return score([(make_frame('a.jpg'), make_poses(1))], [annotation(3)], 'moved/keypoints.json')


@pytest.mark.parametrize(
    ('make', 'message'),
    [
        (
            other_size,
            r'a.jpg has \[40, 30\] pixels, and \[80, 60\] in .*: expected predictions of the annotated images',
        ),
        (other_keypoints, 'no annotation has 3 keypoints, as the predictions; it has 1 with 17'),
        (other_images, 'truth.json lists no file with the name of z.jpg'),
        (nobody, 'no person was predicted in the images of'),
        (unreadable, 'no person was predicted in the images of'),
        (video, 'a.jpg is a video or camera: expected predictions of images'),
        (no_coco_file, 'truth.json: expected a COCO file: images, a list of objects with '),
        (bad_id, r'annotations\[1\]: expected image_id, a number or a string; got \[3\]'),
        (repeated_id, r'images\[3\]: id 3 occurs twice'),
        (bad_box, r'annotations\[0\]: bbox: expected 4 numbers, got 3: \[1, 2, 3\]'),
        (crowds, 'no annotation of a person, rather than a crowd, has labeled keypoints'),
        (moved_results, 'moved/predictions.jsonl is missing, which `vitpose predict` writes beside it'),
    ],
)
def test_files_that_do_not_belong_together(score, tmp_path, make, message):
    with pytest.raises(ValueError, match=message):
        make(score, tmp_path)
