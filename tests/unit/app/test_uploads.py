"""Uploads: what is predicted, drawn and written; what cannot be."""

import json
from dataclasses import replace
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from tests.unit.predict.frames import make_frame, make_poses, write_video
from tests.unit.predict.tiny_files import INFO, dot, write_dots
from vitpose import PosePredictor
from vitpose.predict.drawing import draw_poses
from vitpose.predict.outputs.page import Page

pytest.importorskip('gradio')
from vitpose.app import uploads
from vitpose.app.gradio_page import _click, build_page
from vitpose.app.sessions import Sessions
from vitpose.app.uploads import parse_boxes, predict_upload, write_first_image

av = pytest.importorskip('av')


@pytest.fixture
def predict(tmp_path):
    """A function that predicts a file of `tmp_path` and returns what is drawn, the notes and the lines."""
    predictor = PosePredictor.load(write_dots(tmp_path / 'dots.onnx'))

    def predict(name, boxes=None, threshold=0.3):
        folder = tmp_path / f'out {threshold}'
        folder.mkdir()
        drawn, notes = predict_upload(predictor, str(tmp_path / name), boxes, threshold, folder)
        assert drawn.parent == folder / 'drawn'
        return drawn, notes, [json.loads(line) for line in (folder / 'predictions.jsonl').read_text().splitlines()[1:]]

    return predict


def test_image_with_boxes(predict, tmp_path):
    cv2.imwrite(str(tmp_path / 'a.png'), dot(60, 50))
    drawn, notes, (row,) = predict('a.png', np.float32([[40, 20, 90, 90], [500, 500, 600, 600]]))
    assert (row['file'], row['boxes']) == ('a.png', [[40, 20, 90, 90]])
    np.testing.assert_allclose(row['keypoints'], [[(60, 50)] * 2], atol=1.5)
    assert notes[0] == '1 person in 1 frame' and '500' in notes[1]
    assert drawn.name == 'a.jpg' and cv2.imread(str(drawn)).shape == (120, 160, 3)


def test_threshold_hides_keypoints_in_the_image_alone(predict, tmp_path):
    cv2.imwrite(str(tmp_path / 'a.png'), dot(60, 50))
    pixels = []
    for threshold in (0.3, 1e6):
        drawn, _, (row,) = predict('a.png', threshold=threshold)
        assert len(row['keypoints'][0]) == 2
        pixels.append(int((cv2.imread(str(drawn))[40:60, 50:70].max(-1) > 120).sum()))
    assert pixels[0] > pixels[1] + 10


def test_video_up_to_a_limit(predict, tmp_path, monkeypatch):
    monkeypatch.setattr(uploads, 'MAX_FRAMES', 3)
    write_video(tmp_path / 'v.mp4', [dot(20 + 10 * i, 50) for i in range(5)])
    assert cv2.imread(str(write_first_image(str(tmp_path / 'v.mp4'), tmp_path))).shape == (120, 160, 3)
    drawn, notes, rows = predict('v.mp4')
    assert [row['frame'] for row in rows] == [0, 1, 2] and drawn.name == 'v.mp4'
    assert notes[0] == '3 people in 3 frames' and 'up to frame 3: ' in notes[1]


def test_a_video_of_many_pixels_up_to_a_limit(predict, tmp_path, monkeypatch):
    monkeypatch.setattr(uploads, 'MAX_PIXELS', 2 * 160 * 120)
    write_video(tmp_path / 'v.mp4', [dot(60, 50)] * 3)
    _, notes, rows = predict('v.mp4')
    assert len(rows) == 2 and 'up to frame 2: ' in notes[1]


@pytest.mark.parametrize('name', ['a.png', 'a.mp4'])
def test_too_many_pixels_are_refused_before_they_are_decoded(predict, tmp_path, monkeypatch, name):
    limit = 'MAX_IMAGE_PIXELS' if name == 'a.png' else 'MAX_FRAME_PIXELS'
    monkeypatch.setattr(uploads, limit, 120 * 160 - 1)
    monkeypatch.setattr(uploads, 'read_frames', None)
    cv2.imwrite(str(tmp_path / 'a.png'), dot(60, 50))
    write_video(tmp_path / 'a.mp4', [dot(60, 50)])
    for refused in (lambda: write_first_image(str(tmp_path / name), tmp_path), lambda: predict(name)):
        with pytest.raises(ValueError, match=f'{name}: 0.0 million pixels: the page takes at most 0.0 million in a'):
            refused()


@pytest.mark.slow
def test_8k_is_too_much_and_4k_is_not(tmp_path):
    for width, height in ((3840, 2160), (4096, 2160), (7680, 4320)):
        write_video(tmp_path / f'{width}.mp4', [np.zeros((height, width, 3), np.uint8)])
        if width < 5000:
            assert uploads._source(str(tmp_path / f'{width}.mp4')).kind == 'video'
    with pytest.raises(ValueError, match=r'7680.mp4: 33.2 million pixels: the page takes at most 9.4 million in a fr'):
        uploads._source(str(tmp_path / '7680.mp4'))
    write_video(tmp_path / 'wide.mp4', [np.zeros((1200, 1200, 3), np.uint8)], shape=8)  # frames of 9600x1200
    with pytest.raises(ValueError, match=r'wide.mp4: 11.5 million pixels: the page takes at most 9.4 million in a fr'):
        uploads._source(str(tmp_path / 'wide.mp4'))


def test_frames_that_are_larger_than_the_header_says_are_refused(predict, tmp_path, monkeypatch):
    monkeypatch.setattr(uploads, 'MAX_FRAME_PIXELS', 120 * 160)
    with av.open(str(tmp_path / 'a.avi'), 'w') as container:
        stream = container.add_stream('mjpeg', width=160, height=120, pix_fmt='yuvj420p')
        for time, scale in enumerate((1, 1, 2)):
            image = dot(60, 50).repeat(scale, 0).repeat(scale, 1)
            packet = av.Packet(cv2.imencode('.jpg', image)[1].tobytes())
            packet.stream, packet.pts, packet.dts, packet.is_keyframe = stream, time, time, True
            container.mux(packet)
    assert write_first_image(str(tmp_path / 'a.avi'), tmp_path).is_file()
    error = '0.1 million pixels: the page takes at most 0.0 million in a frame of a video'
    with pytest.raises(ValueError, match=f'a.avi: {error}'):
        predict('a.avi')
    write_video(tmp_path / 'b.mp4', [dot(60, 50).repeat(2, 0).repeat(2, 1)])
    monkeypatch.setattr(uploads, 'read_video_size', lambda name: (160, 120))  # a wrong header
    with pytest.raises(ValueError, match=f'b.mp4: {error}'):
        write_first_image(str(tmp_path / 'b.mp4'), tmp_path)


def test_a_prediction_ends_with_its_session(tmp_path):
    predictor, seen = PosePredictor.load(write_dots(tmp_path / 'dots.onnx'), batch_size=1), []
    write_video(tmp_path / 'v.mp4', [dot(60, 50)] * 100)
    (tmp_path / 'files').mkdir()
    sessions, outside = Sessions(tmp_path / 'files'), tmp_path / 'outside'
    outside.mkdir()

    def leave():
        seen.append(1)
        if len(seen) == 3:
            sessions.end('a')
        sessions.check('a')

    with pytest.raises(ValueError, match='this page was closed'), sessions.results('a', str(outside)) as folder:
        predict_upload(predictor, str(tmp_path / 'v.mp4'), None, 0.3, folder, leave)
    assert len(seen) == 3 and not folder.exists() and outside.is_dir()
    assert not list((tmp_path / 'files').iterdir())


def test_the_uploads_of_an_ended_session_are_deleted_unless_another_one_has_them(tmp_path):
    folder, outside = tmp_path / 'files', tmp_path / 'outside.png'
    folder.mkdir()
    own, shared = folder / 'own.png', folder / 'shared.png'
    for path in (own, shared, outside):
        path.write_bytes(b'image')
    sessions = Sessions(folder)
    with sessions.results('b', str(shared)) as results:
        pass
    sessions.end('a')
    for path in (own, shared, outside):
        with pytest.raises(ValueError, match='this page was closed'), sessions.results('a', str(path)):
            pytest.fail('an ended session goes on')
    assert set(folder.iterdir()) == {shared, results} and outside.is_file()
    sessions.end('b')
    assert not list(folder.iterdir())


@pytest.mark.parametrize('count', [1, 133])
def test_files_of_any_number_of_keypoints(tmp_path, count):
    poses = make_poses(1)
    poses.keypoints, poses.scores = np.zeros((1, count, 2), np.float32), np.ones((1, count), np.float32)
    info = replace(
        INFO,
        **dict(keypoint_names=['a'] * count, flip_indices=list(range(count)), keypoint_colors=[[0, 0, 0]] * count),
        **dict(skeleton=[], skeleton_colors=[]),
    )
    model = SimpleNamespace(metainfo=info.metainfo, num_keypoints=count)
    build_page(SimpleNamespace(model=model, detector=None), 'a', Sessions(tmp_path))
    page = Page(tmp_path / 'p.html', model.metainfo)
    page.write(make_frame(), poses, draw_poses(make_frame().image, poses, model.metainfo))
    page.close()
    assert (tmp_path / 'p.html').stat().st_size


@pytest.mark.parametrize(
    ('text', 'expected'),
    [
        ('', '4 5'),
        ('10.5 20', '4 5 10.5 20'),
        ('1, 2', '1 2 4 5'),
        ('1 2 3 4', '1 2 3 4\n4 5'),
        ('a b', 'a b\n4 5'),
        ('1 2 3 4\nnan 2', '1 2 3 4\nnan 2\n4 5'),
        ('1 2 3', '1 2 3\n4 5'),
    ],
)
def test_a_click_after_typed_boxes(text, expected):
    assert _click(text, SimpleNamespace(index=(4, 5))) == expected


@pytest.mark.parametrize(('name', 'message'), [('a.png', 'a.png: '), ('a.mp4', 'a.mp4: '), ('a.txt', 'expected an im')])
def test_foreign_files_are_refused_without_the_folder_of_the_upload(predict, tmp_path, name, message):
    (tmp_path / name).write_bytes(b'nothing of the kind')
    for refused in (lambda: write_first_image(str(tmp_path / name), tmp_path), lambda: predict(name)):
        with pytest.raises(ValueError, match=message) as caught:
            refused()
        assert str(tmp_path) not in str(caught.value)


def test_boxes_are_read_from_text():
    np.testing.assert_array_equal(parse_boxes(' 1 2 3.5 4\n\n5,6, 7,8 '), [(1, 2, 3.5, 4), (5, 6, 7, 8)])
    assert parse_boxes(' \n') is None
    for text in ('1 2 3', 'a b c d', '1 2 3 4 5'):
        with pytest.raises(ValueError, match='expected four numbers per line, x1 y1 x2 y2'):
            parse_boxes(text)
