"""All output files together: what is finished stays, and a folder that cannot be used is an error."""

import json
import os
from pathlib import Path

import cv2
import jsonschema
import numpy as np
import pytest

from tests.unit.predict.frames import METAINFO, make_frame, make_poses
from vitpose.predict.inputs.boxes import read_boxes
from vitpose.predict.inputs.sources import Source
from vitpose.predict.inputs.video import read_video
from vitpose.predict.models.crops import CropRule
from vitpose.predict.outputs import output_files as module
from vitpose.predict.outputs import page
from vitpose.predict.outputs.output_files import DRAWN, Outputs, prepare_folder
from vitpose.predict.outputs.pose_formats import WRITERS
from vitpose.predict.outputs.results import SETTINGS, frame_of, read_record
from vitpose.predict.poses import EXTRAS, Frame

SOURCES = [Source(f'd/{name}.jpg', 'image') for name in 'abc']


BROKEN = Frame('d/b.jpg', None, error='not an image'), make_poses(0)


def write(out, sources, *items, metainfo=METAINFO, **options):
    """Write pairs of frames and poses, and return the closed outputs."""
    outputs = Outputs(out, sources, metainfo, **options)
    for frame, poses in items:
        outputs.write(frame, poses)
    outputs.close()
    return outputs


def write_all(out, **options):
    prepare_folder(out)
    last = make_frame('d/c.jpg'), make_poses(1, dropped=['box 1: no area'])
    return write(out, SOURCES, (make_frame('d/a.jpg'), make_poses(2)), BROKEN, last, **options)


def clip(name, count=3, people=1, size=(60, 80)):
    return [(make_frame(name, *size, index=i, time=i / 10), make_poses(people)) for i in range(count)]


def read(out):
    """The header and the lines."""
    return [json.loads(line) for line in (out / 'predictions.jsonl').read_text().splitlines()]


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob('*') if path.is_file())


def test_all_files_and_an_earlier_prediction_is_replaced(tmp_path):
    out = tmp_path / 'out'
    formats = [name for name in WRITERS if name != 'slp']  # which needs sleap-io: see test_pose_formats.py
    outputs = write_all(out, page=True, save=('coco', *formats), crops=True)
    assert (outputs.frames, outputs.people, outputs.dropped) == (2, 3, 1)
    assert outputs.broken == {'d/b.jpg': 'not an image'}
    pictures = ['drawn/a.jpg', 'drawn/c.jpg']
    crops = [f'box_crops/{name}.jpg' for name in ('a_0', 'a_1', 'c_0')]
    others = ['deeplabcut_csv/images.csv', *(f'openpose_json/{name}_keypoints.json' for name in 'ac')]
    others += ['predictions.npz', 'yolo_labels/a.txt', 'yolo_labels/c.txt', 'labels.json']
    others += ['deeplabcut_labels/labeled-data/d/CollectedData_vitpose.csv']
    named = ['images.json', 'index.html', 'keypoints.json', 'predictions.jsonl']
    assert files(out) == sorted([*crops, *pictures, *named, *others])
    folders = ['deeplabcut_csv', 'openpose_json', 'yolo_labels', 'predictions.npz', 'deeplabcut_labels', 'labels.json']
    folders += ['index.html', 'drawn', 'box_crops']
    assert outputs.written() == ['predictions.jsonl', 'keypoints.json', 'images.json', *folders]
    assert cv2.imread(str(out / 'box_crops/a_1.jpg')).shape == (48, 14, 3)
    (out / 'notes').write_text('')
    write_all(out, draw=False)
    assert files(out) == ['images.json', 'keypoints.json', 'notes', 'predictions.jsonl']


def test_every_line_is_as_the_schema_says(tmp_path):
    schema = json.loads((Path(module.__file__).parent / 'predictions.schema.json').read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    metainfo, sources = METAINFO | dict(crop_rule=CropRule((48, 64))), [*SOURCES, Source('v.mp4', 'live')]
    poses = make_poses(2, track=True)
    poses.keypoints[0, 0, 0] = np.nan
    poses.covariance, poses.expected_oks = np.ones((2, 3, 2, 2)), np.array([0.25, np.nan])
    poses.presence, poses.visibility = np.full((2, 2, 3), 0.5)
    assert all(getattr(poses, name) is not None for name in EXTRAS)
    first, last = make_poses(2, dropped=['box 2: no area']), make_frame('v.mp4', index=0, time=0.0)
    write(tmp_path, sources, (make_frame('d/a.jpg'), first), BROKEN, (last, poses), metainfo=metainfo)
    header, *lines = read(tmp_path)
    for line in (header, *lines, lines[0] | {'category_ids': [1, 1]}):
        validator.validate(line)
    for line in (header, lines[0]):
        for key in line:
            assert not validator.is_valid({name: value for name, value in line.items() if name != key}), key
    assert header['score_kind'] == 'peak' and lines[2]['expected_oks'] == [0.25, None]
    again = frame_of(lines[2])[1]
    assert again.covariance.shape == (2, 3, 2, 2) and frame_of(lines[0])[1].expected_oks is None
    wrong = [header | {'units': None}, header | {'skeleton': [[0]]}, header | {'more': 1}]
    wrong += [lines[0] | change for change in (dict(boxes=[[1, 2, 3]]), dict(frame=1), dict(keypoints=[[1, 2]]))]
    assert not any(map(validator.is_valid, wrong))


def test_crops_are_what_boxes_have_inside_of_the_image(tmp_path):
    frame, poses = make_frame('v.mp4', index=2, time=0.1), make_poses(3)
    frame.image[:30] = 0
    poses.boxes[:] = [(-20, -10, 30.4, 30), (60, 31, 200, 300), (np.nan, 0, 5, 5)]
    write(tmp_path, [Source('v.mp4', 'video')], (frame, poses), draw=False, crops=True)
    first, second = (cv2.imread(str(tmp_path / f'box_crops/v.mp4/v_000000000002_{i}.jpg')) for i in (0, 1))
    assert first.shape == (30, 30, 3) and first.max() < 5
    assert second.shape == (29, 20, 3) and second.min() > 120


def test_folder_that_cannot_be_used(tmp_path):
    (tmp_path / 'file').write_text('')
    (tmp_path / 'full').mkdir()
    (tmp_path / 'full' / 'mine').write_text('')
    with pytest.raises(FileExistsError, match='file: cannot write into this folder: File exists'):
        prepare_folder(tmp_path / 'file')
    (tmp_path / 'full' / '.DS_Store').write_text('')
    with pytest.raises(FileExistsError, match='full has files that are not predictions, such as mine: pass'):
        prepare_folder(tmp_path / 'full')
    with pytest.raises(OSError, match='below: cannot write into this folder'):
        prepare_folder(tmp_path / 'file' / 'below')
    (tmp_path / 'full' / 'mine').rename(tmp_path / 'full' / DRAWN)  # which would be removed
    with pytest.raises(FileExistsError, match='such as drawn'):
        prepare_folder(tmp_path / 'full')
    (tmp_path / 'full' / DRAWN).rename(tmp_path / 'full' / SETTINGS)  # all that a killed run may leave
    prepare_folder(tmp_path / 'full')
    assert files(tmp_path) == ['file', 'full/.DS_Store', 'full/settings.json']


@pytest.mark.skipif(os.getuid() == 0, reason='root can write anywhere')
def test_read_only_folder(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(OSError, match='cannot write into this folder: Permission denied'):
        prepare_folder(tmp_path)


def fail_for_space(*_):
    raise OSError(28, 'No space left on device')


def test_a_full_disk_is_raised_and_the_other_files_are_finished(tmp_path, monkeypatch):
    outputs = Outputs(tmp_path, SOURCES, METAINFO, page=True)
    monkeypatch.setattr(module, 'write_jpeg', fail_for_space)
    monkeypatch.setattr(module, 'write_coco', fail_for_space)
    with pytest.raises(OSError, match='No space left'):
        for _ in range(20):
            outputs.write(make_frame('d/a.jpg'), make_poses(1))
    with pytest.raises(OSError, match='No space left'):
        outputs.close()
    assert files(tmp_path) == ['index.html', 'predictions.jsonl']


@pytest.mark.parametrize('full', ['write_jpeg', 'write_coco', 'VideoWriter.write', 'VideoWriter.close'])
def test_a_run_whose_last_files_cannot_be_written_is_not_finished(tmp_path, monkeypatch, full):
    """Nothing is written after a frame that cannot be, so that `--resume` continues there."""
    pytest.importorskip('av')
    sources = [SOURCES[0], Source('v.mp4', 'video'), SOURCES[2]]
    outputs = Outputs(tmp_path, sources, METAINFO, settings={})
    outputs.write(make_frame('d/a.jpg'), make_poses(1))
    outputs._thread.submit(monkeypatch.setattr, f'{module.__name__}.{full}', fail_for_space)
    for frame, poses in [*clip('v.mp4'), (make_frame('d/c.jpg'), make_poses(1))]:
        outputs.write(frame, poses)
    outputs.finished = True
    with pytest.raises(OSError, match='No space left'):
        outputs.close()
    assert json.loads((tmp_path / SETTINGS).read_text()) == {}
    done = sources if full == 'write_coco' else sources[:1]
    assert read_record(tmp_path, sources, {}).done == {source.name for source in done}


def break_drawing(patch, monkeypatch, outputs):
    draw = patch.draw_poses

    def fail(image, *rest):
        if image.shape[0] == 59:
            raise RuntimeError('cannot\n draw')
        return draw(image, *rest)

    monkeypatch.setattr(patch, 'draw_poses', fail)
    return 'not drawn: RuntimeError: cannot draw'


def break_encoding(patch, monkeypatch, outputs):
    outputs._open()
    (outputs.out / DRAWN / 'b.jpg').mkdir(parents=True)
    return 'not drawn: IsADirectoryError'


def break_page(patch, monkeypatch, outputs):
    encode = page._data_uri
    outputs._open()
    monkeypatch.setattr(page, '_data_uri', lambda image: encode(image if image.shape[0] != 59 else image[:0]))
    return 'not drawn: '


def break_keypoints(patch, monkeypatch, outputs):
    return 'boxes, keypoints or scores are not finite'


@pytest.mark.parametrize('fault', [break_drawing, break_encoding, break_page, break_keypoints])
def test_what_fails_with_one_frame_is_its_error_and_the_others_are_written(tmp_path, monkeypatch, fault):
    outputs = Outputs(tmp_path, SOURCES, METAINFO, page=True)
    message = fault(module, monkeypatch, outputs)
    for name, height in zip('abc', (60, 59, 60), strict=True):
        poses = make_poses(1)
        if height == 59 and fault is break_keypoints:
            poses.keypoints[0, 0, 0] = np.nan
        outputs.write(make_frame(f'd/{name}.jpg', height), poses)
    outputs.close()
    _, *lines = read(tmp_path)
    first, error, last = [line['error'] for line in lines]
    assert (first, last) == (None, None) and message in error and outputs.broken == {'d/b.jpg': error}
    first_point = [None if fault is break_keypoints else 10, 5]
    assert outputs.frames == 2 and lines[1]['keypoints'] == [[first_point, [8, 45], [14, 45]]]
    assert len(json.loads((tmp_path / 'images.json').read_text())['images']) == 3
    assert error in (tmp_path / 'index.html').read_text() and not list(tmp_path.rglob('*.part'))


def test_numbers_that_are_not_finite_leave_the_rest_of_a_line_as_it_is(tmp_path):
    poses = make_poses(2, track=True, dropped=['box 2: no area'])
    poses.keypoints[0, 0, 0], poses.box_scores[0] = np.nan, np.inf
    outputs = write(tmp_path, SOURCES, (make_frame('d/a.jpg', error='people cannot be tracked'), poses), page=True)
    _, line = read(tmp_path)
    assert line['error'] == 'people cannot be tracked; boxes, keypoints or scores are not finite'
    assert line['keypoints'][0][0] == [None, 5] and line['scores'] == [None, 1] and line['track_ids'] == [0, 1]
    assert line['dropped'] == poses.dropped and outputs.dropped == 1
    (person,) = json.loads((tmp_path / 'keypoints.json').read_text())
    assert person['keypoints'][:2] == [25, 5]
    assert '"people": [{"score": 0.6, "box": 1.0, "track": 1,' in (tmp_path / 'index.html').read_text()


def test_a_video_that_cannot_be_encoded(tmp_path, monkeypatch):
    """Its frames have the error, a last line too, nothing unfinished is left, and the next video is written."""
    av = pytest.importorskip('av')
    sources = [Source('v.mp4', 'video'), Source('w.mp4', 'video')]
    outputs = write(tmp_path, sources, *clip('v.mp4', size=(16, 20_000)), *clip('w.mp4', size=(16, 80)))
    errors = [line['error'] for line in read(tmp_path)[1:]]
    assert [bool(error) for error in errors] == [True] * 4 + [False] * 3, errors
    assert list(outputs.broken) == ['v.mp4'] and files(tmp_path / 'drawn') == ['w.mp4']
    with av.open(str(tmp_path / 'drawn/w.mp4')) as video:
        assert len(list(video.decode(video=0))) == 3


@pytest.mark.parametrize('damage', [[], ['3 frames were read']])
def test_a_video_that_cannot_be_finished_has_a_last_line(tmp_path, monkeypatch, damage):
    pytest.importorskip('av')

    def fail(writer):
        with writer._stack:
            raise RuntimeError('cannot\n encode')

    monkeypatch.setattr('vitpose.predict.inputs.video.VideoWriter.close', fail)
    damaged = [(Frame('v.mp4', None, 3, error=error), make_poses(0)) for error in damage]
    outputs = write(tmp_path, [Source('v.mp4', 'video')], *clip('v.mp4'), *damaged, page=True)
    _, *frames, last = read(tmp_path)
    assert [line['error'] for line in frames] == [None] * 3 + damage
    assert (last['frame'], last['size']) == (len(frames), None)
    assert last['error'] == 'not finished: RuntimeError: cannot encode'
    assert outputs.broken == {'v.mp4': (*damage, last['error'])[0]}
    read_boxes(tmp_path / 'predictions.jsonl', outputs.sources)  # no frame is listed twice
    assert outputs.frames == 3 and last['error'] in (tmp_path / 'index.html').read_text()
    assert not list(tmp_path.glob('drawn/*'))
    assert len(json.loads((tmp_path / 'keypoints.json').read_text())) == 3


def test_only_what_the_page_shows_is_drawn_for_it(tmp_path, monkeypatch):
    drawn, draw = [], module.draw_poses
    monkeypatch.setattr(module, 'draw_poses', lambda *args: drawn.append(1) or draw(*args))
    write(tmp_path, [Source('v.mp4', 'video')], *clip('v.mp4', 25), draw=False, page=True)
    assert len(drawn) == 3 == (tmp_path / 'index.html').read_text().count('data:image/jpeg;base64')


def test_images_and_videos_are_drawn_below_the_common_folder(tmp_path):
    pytest.importorskip('av')
    sources = [Source('d/1.png', 'image'), Source('d/e/v.mov', 'video'), Source('d/w.mp4', 'video')]
    image = make_frame('d/1.png'), make_poses(0)
    write(tmp_path, sources, image, *clip('d/e/v.mov', people=0), *clip('d/w.mp4', 1, people=0))
    assert np.abs(cv2.imread(str(tmp_path / 'drawn/1.jpg')).astype(int) - 128).max() < 3
    assert len(list(read_video(str(tmp_path / 'drawn/e/v.mp4')))) == 3
    assert len(list(read_video(str(tmp_path / 'drawn/w.mp4')))) == 1


def test_nothing_of_an_earlier_prediction_is_removed_without_a_result(tmp_path):
    write_all(tmp_path, page=True)
    before = {path: path.read_bytes() for path in tmp_path.rglob('*') if path.is_file()}
    outputs = Outputs(tmp_path, SOURCES, METAINFO, page=True, settings={})
    outputs.close()
    assert outputs.written() == []
    assert {path: path.read_bytes() for path in tmp_path.rglob('*') if path.is_file()} == before
