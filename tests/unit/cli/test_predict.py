"""`vitpose predict` with a made-up predictor: inputs, outputs, summary, exit codes."""

import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from tests.unit.predict.frames import METAINFO, numbered_images, write_video
from tests.unit.predict.http_server import Camera, serve
from vitpose.cli.input_options import _seconds
from vitpose.cli.main import main
from vitpose.predict.drawing import DrawStyle
from vitpose.predict.inputs.images import read_frame
from vitpose.predict.inputs.video import read_video
from vitpose.predict.poses import Frame, Poses
from vitpose.predict.smoothing import smooth


class FakePredictor:
    """Three keypoints per box, at its corners; records how it was made; raises `error` after `stop` frames."""

    model = SimpleNamespace(metainfo=METAINFO)
    stop, error, made, given = None, KeyboardInterrupt, (), ()

    @classmethod
    def load(cls, config, checkpoint, *, detector, **options):
        if config != 'tiny' and config.name == 'bad.py':
            raise ValueError(f'{config}: not\n a config')
        is_name = isinstance(detector, str)
        options |= {'detector': detector} if is_name and detector != 'auto' else {}
        cls.made, cls.given = (config, checkpoint, options), detector
        cls.detector = None if is_name else detector
        return cls()

    def stream(self, frames, live=False):
        for number, frame in enumerate(frames):
            if number == self.stop:
                raise self.error
            frame = read_frame(frame, number)
            boxes = self.detector.boxes if self.detector else frame.boxes
            if frame.image is None or boxes is None:
                boxes = np.float32([] if frame.image is None else [(0, 0, *frame.image.shape[1::-1])]).reshape(-1, 4)
            good = (boxes[:, 2:] > boxes[:, :2]).all(1)
            dropped = [f'box {i}: no area' for i in np.flatnonzero(~good)]
            boxes = boxes[good]
            keypoints = np.stack((boxes[:, :2], boxes[:, 2:], boxes[:, [0, 3]]), 1)
            scores = np.full(keypoints.shape[:2], 0.5, np.float32)
            box_scores = np.ones(len(boxes), np.float32) if frame.box_scores is None else frame.box_scores[good]
            yield frame, Poses(keypoints, scores, boxes, box_scores, np.flatnonzero(good), None, dropped)


@pytest.fixture
def predict(tmp_path, monkeypatch):
    """A function that runs `vitpose predict` in a folder with 3 images, with its predictor as an attribute."""
    monkeypatch.chdir(tmp_path)
    predictor = type('Predictor', (FakePredictor,), {})
    monkeypatch.setattr('vitpose.predict.predictor.PosePredictor', predictor)
    (tmp_path / 'photos').mkdir()
    for name in ('c.py', 'c.pth', 'bad.py'):
        (tmp_path / name).touch()
    for number, image in enumerate(numbered_images(3)):
        cv2.imwrite(f'photos/{number}.png', image)

    def run(*words):
        return main(['predict', *'--config c.py --checkpoint c.pth --out out'.split(), *words])

    run.predictor = predictor
    return run


def lines():
    return [json.loads(line) for line in Path('out/predictions.jsonl').read_text().splitlines()[1:]]


def results():
    return json.loads(Path('out/keypoints.json').read_text())


def test_options_override_keys_of_the_config(predict, refuses, capsys):
    words = '--cfg-options model.test_cfg.flip_test=False a.b=[3,1] --no-draw --cfg-options c=x'.split()
    assert predict('photos', *words) == 0
    assert predict.predictor.made[2]['cfg_options'] == {'model.test_cfg.flip_test': False, 'a.b': [3, 1], 'c': 'x'}
    capsys.readouterr()
    words = ['predict', 'photos', *'--config c.py --checkpoint c.pth --out out --cfg-options'.split()]
    for wrong in ('model.a', '=1', 'photos'):
        refuses(*words, 'a=1', wrong, message=f'--cfg-options {wrong}: expected KEY=VALUE')
    refuses(*words, 'a=[(1]', message='--cfg-options a=[(1]: ')
    words = 'predict photos --model c.py --out out --cfg-options a=1'.split()
    refuses(*words, message='--cfg-options a=1: only with --config, or a name of published weights')


@pytest.mark.parametrize('threshold', [0.2, 0.6])
def test_tracks_follow_the_threshold_of_the_detector(predict, threshold, monkeypatch):
    pytest.importorskip('trackers')
    detector = SimpleNamespace(boxes=np.float32([(4, 4, 40, 40)]), score_threshold=threshold)
    monkeypatch.setattr('vitpose.predict.detection.onnx_detector.open_detector', lambda *words, **options: detector)
    made = []
    monkeypatch.setattr('vitpose.predict.tracking.Tracker.update', lambda self, *_: made.append(self.score_threshold))
    assert predict('photos', '--detector', 'some', 'c.pth', '--track', '--no-draw') == 0
    assert made == [threshold] * 3


def test_images_as_whole(predict, capsys):
    words = ('--device', 'cpu', '--precision', 'bf16', '--flip-test', '--dataset', 'mpii')
    assert predict('photos', *words) == 0
    options = dict(device='cpu', precision='bf16', flip_test=True, dataset='mpii', batch_size=None)
    options |= dict(cfg_options=None, det_every=None, uncertainty=False, detector_options={})
    assert predict.predictor.made == (Path('c.py'), Path('c.pth'), options)
    out, err = capsys.readouterr()
    assert out == '3 frames, 3 people\nout: predictions.jsonl, keypoints.json, images.json, drawn\n'
    assert 'no --boxes and no --detector: each image is one person' in err and '3/3' in err
    expected = [(f'photos/{i}.png', [[0, 0, 64, 48]]) for i in range(3)]
    assert [(line['file'], line['boxes']) for line in lines()] == expected and len(results()) == 3
    assert predict('photos', '--whole-image', '--no-draw', '--html') == 0
    out, err = capsys.readouterr()
    assert 'one person' not in err and 'out: predictions.jsonl, keypoints.json, images.json, index.html\n' in out
    assert not Path('out/drawn').exists()


def test_coco_boxes_and_their_image_ids(predict, capsys):
    images = [{'id': 10 + i, 'file_name': f'{i}.png'} for i in range(3)]
    annotations = [{'image_id': 10, 'bbox': [1, 2, 3, 4]}, {'image_id': 12, 'bbox': [5, 5, 0, 2]}]
    Path('b.json').write_text(json.dumps({'images': images, 'annotations': annotations}))
    assert predict('photos', '--boxes', 'b.json') == 0
    out = capsys.readouterr().out
    assert '3 frames, 1 person\n' in out and '1 box not predicted, with the reason in predictions.jsonl' in out
    assert [person['image_id'] for person in results()] == [10]
    assert lines()[2]['dropped'] == ['box 0: no area'] and not Path('out/images.json').exists()
    assert predict.predictor.given is None  # a video with boxes is not followed, but predicted in batches
    Path('d.json').write_text(json.dumps([{'image_id': 11, 'bbox': [1, 2, 3, 4], 'score': 0.5}]))
    assert predict('photos', '--boxes', 'd.json', '--images-json', 'b.json') == 0
    assert [line['scores'] for line in lines()] == [[], [0.5], []]
    Path('b.jsonl').write_text('{"file": "0.png", "boxes": []}\n{"file": "1.png", "boxes": [[1, 1, 2, 2]]}\n')
    assert predict('photos', '--boxes', 'b.jsonl') == 1
    named = '1 input broken or without boxes:\n  photos/2.png: no boxes: b.jsonl lists no file with the name of'
    assert named in capsys.readouterr().out and [bool(line['error']) for line in lines()] == [False, False, True]


def test_categories_other_sizes_and_what_is_unused_stand_in_the_summary(predict, capsys):
    images = [{'id': i, 'file_name': f'{i}.png', 'width': 32, 'height': 24} for i in range(5)]
    annotations = [{'image_id': 0, 'bbox': [1, 2, 3, 4], 'category_id': kind} for kind in (1, 2, 2)]
    categories = [{'id': 1, 'name': 'person'}, {'id': 2, 'name': 'dog'}]
    Path('b.json').write_text(json.dumps({'images': images, 'annotations': annotations, 'categories': categories}))
    assert predict('photos', '--boxes', 'b.json') == 2 and '; pass --scale-boxes' in capsys.readouterr().err
    assert predict('photos', '--boxes', 'b.json', '--scale-boxes') == 0
    out = capsys.readouterr().out
    assert '3 frames, 1 person\n' in out and 'b.json: boxes of other categories left out: 2 dog\n' in out
    assert 'b.json: 2 of 5 files, with 0 boxes, are not among the inputs: 3.png, 4.png\n' in out
    assert 'boxes scaled for 3 of 3 inputs: photos/0.png has 64x48 pixels, b.json says 32x24\n' in out
    assert lines()[0]['boxes'] == [[2, 4, 8, 12]]
    assert predict('photos', '--boxes', 'b.json', '--scale-boxes', '--category', 'dog') == 0
    assert '3 frames, 2 people\n' in capsys.readouterr().out
    for words in (['--category', 'dog'], ['--scale-boxes']):
        assert predict('photos', *words) == 2
        assert f'{words[0]}: only with --boxes FILE' in capsys.readouterr().err


@pytest.fixture
def opened(monkeypatch):
    """The words and options with which detectors are opened; each finds two people."""
    calls, boxes = [], np.float32([(1, 1, 5, 5), (6, 6, 9, 9)])

    def open_detector(*words, **options):
        calls.append((words, options))
        return SimpleNamespace(boxes=boxes, score_threshold=0.3)

    monkeypatch.setattr('vitpose.predict.detection.onnx_detector.open_detector', open_detector)
    return calls


def test_detector(predict, opened):
    assert predict('photos', '--detector', 'rtmdet-m', 'c.pth') == 0
    assert opened == [(('rtmdet-m', 'c.pth'), dict(device='auto'))]
    assert [len(line['boxes']) for line in lines()] == [2] * 3


def test_options_of_the_detector(predict, refuses, capsys):
    assert predict('photos', *'--det-score 0.5 --det-nms 0.6 --det-class dog,17 --det-every 3 --no-draw'.split()) == 0
    options = dict(score_threshold=0.5, nms_threshold=0.6, categories=['dog', 17])
    made = predict.predictor.made[2]
    assert made['detector_options'] == options and made['det_every'] == 3
    assert predict('photos', '--detector', 'nanodet', '--det-score', '0.5', '--no-draw') == 0
    made = predict.predictor.made[2]
    assert (made['detector'], made['detector_options']) == ('nanodet', dict(score_threshold=0.5))
    assert predict('photos', '--det-class=', '--no-draw') == 0  # an empty variable of a shell; the detector refuses it
    assert predict.predictor.made[2]['detector_options'] == dict(categories=[''])
    capsys.readouterr()
    for words, message in (
        ('--det-score 2', '--det-score 2.0: expected a number from 0 to 1'),
        ('--det-every 0', '--det-every 0: expected at least 1'),
        ('--det-nms 0.5 --whole-image', '--det-nms, --det-class, --det-every: only without --boxes and --whole-image'),
        ('--det-every 5 --whole-image', '--det-nms, --det-class, --det-every: only without --boxes and --whole-image'),
        ('--reconnect nan', '--reconnect nan: expected at least 0'),
    ):
        refuses('predict', 'photos', *f'--config c.py --checkpoint c.pth --out out {words}'.split(), message=message)
    write_video('v.mp4', numbered_images(2))
    refuses('predict', *'v.mp4 --out out --save coco,dlc'.split(), message='dlc and cvat label images, but none')


def test_video_is_tracked_and_drawn(predict, capsys):
    pytest.importorskip('trackers', reason='tracking needs trackers, which needs numpy 2')
    write_video('v.mp4', numbered_images(12))
    assert predict('v.mp4', '--track', '--html') == 0
    assert ', drawn\n' in capsys.readouterr().out
    assert [(line['frame'], line['track_ids']) for line in lines()] == [(i, [0]) for i in range(12)]
    assert cv2.VideoCapture('out/drawn/v.mp4').get(cv2.CAP_PROP_FRAME_COUNT) == 12


@pytest.mark.parametrize(
    ('error', 'code', 'message'),
    [
        (KeyboardInterrupt, 130, 'interrupted; finished frames are kept'),
        (RuntimeError('out of\n memory'), 1, 'out of memory'),
    ],
)
def test_finished_frames_are_kept(predict, tmp_path, capsys, error, code, message):
    write_video('v.mp4', numbered_images(12))
    predict.predictor.stop, predict.predictor.error = 8, error
    assert predict('v.mp4', 'photos', '--html') == code
    out, err = capsys.readouterr()
    assert f'vitpose predict: {message}\n' in err and out.startswith('8 frames, 8 people\n')
    assert [line['frame'] for line in lines()] == list(range(8)) and len(results()) == 8
    assert cv2.VideoCapture('out/drawn/v.mp4').get(cv2.CAP_PROP_FRAME_COUNT) == 8
    assert '</html>' in Path('out/index.html').read_text()
    assert not list(tmp_path.rglob('*.part'))


def stop_after(predict, frames, *words):
    """Run until Ctrl-C after some frames."""
    predict.predictor.stop = frames
    assert predict(*words) == 130
    predict.predictor.stop = None


def test_resume_continues_and_all_files_are_made_again(predict, capsys):
    write_video('photos/1.mp4', numbered_images(5))
    stop_after(predict, 4, 'photos', '--html')  # the third one is in the video
    assert [line['file'] for line in lines()] == ['photos/0.png'] + ['photos/1.mp4'] * 3
    with Path('out/predictions.jsonl').open('a') as file:
        file.write('{"file": "photos/1.m')
    for name in ('keypoints.json', 'images.json', 'index.html'):
        Path('out', name).unlink()
    capsys.readouterr()
    assert predict('photos', '--html', '--resume', '--device', 'cpu') == 0
    out, err = capsys.readouterr()
    assert '1 of 4 inputs were predicted before\n' in err and out.startswith('8 frames, 8 people\n')
    drawn = sorted(path.name for path in Path('out/drawn').iterdir())
    assert ', drawn\n' in out and drawn == ['0.jpg', '1.jpg', '1.mp4', '2.jpg']
    files = ['photos/0.png'] + ['photos/1.mp4'] * 5 + ['photos/1.png', 'photos/2.png']
    assert [line['file'] for line in lines()] == files
    assert [person['image_id'] for person in results()] == list(range(1, 9))
    page = Path('out/index.html').read_text()
    assert page.count('data:image/jpeg;base64') == 3 and page.count('"file": ') == 4  # no picture of the earlier frame
    assert Path('out/predictions.jsonl').read_text().count('"units"') == 1
    cv2.imwrite('photos/3.png', np.zeros((48, 64, 3), np.uint8))
    assert predict('photos', '--html', '--resume') == 0
    assert '4 of 5 inputs were predicted before\n' in capsys.readouterr().err and len(results()) == 9


def test_resume_without_an_earlier_run_begins_one_and_without_resume_it_is_replaced(predict, capsys):
    assert predict('photos', '--resume') == 0 and len(lines()) == 3
    assert predict('photos/1.png') == 0 and len(lines()) == 1 == len(results())
    assert [path.name for path in Path('out/drawn').iterdir()] == ['1.jpg']
    before = Path('out/predictions.jsonl').read_bytes()
    stop_after(predict, 0, 'photos')
    assert Path('out/predictions.jsonl').read_bytes() == before and len(results()) == 1
    Path('bad').mkdir()
    Path('bad/0.png').write_bytes(b'')
    assert predict('bad', '--resume', '--out', 'broken') == 1
    assert predict('bad', '--resume', '--out', 'broken') == 1  # it is still one
    assert '1 input broken or without boxes:\n  bad/0.png: ' in capsys.readouterr().out


def test_other_formats_of_a_finished_run(predict, capsys):
    assert predict('photos', '--no-draw', '--save', 'jsonl') == 0
    assert 'out: predictions.jsonl\n' in capsys.readouterr().out
    predict.predictor.stop = 0  # nothing is predicted again
    assert predict('photos', '--no-draw', '--resume', '--save', 'npz,csv') == 0
    assert 'out: predictions.jsonl, deeplabcut_csv, predictions.npz\n' in capsys.readouterr().out
    assert np.load('out/predictions.npz')['keypoints'].shape == (3, 3, 2)
    assert predict('photos', '--no-draw', '--resume', '--save', 'coco') == 0
    expected = 'out: predictions.jsonl, keypoints.json, images.json, deeplabcut_csv, predictions.npz\n'
    assert expected in capsys.readouterr().out  # the earlier ones are kept
    assert predict('photos', '--no-draw', '--resume', '--uncertain', '1') == 0
    out = capsys.readouterr().out
    assert 'lowest mean scores of keypoints:\n  0.500  photos/0.png\n' in out and ', uncertain.csv, ' in out
    predict.predictor.stop = None
    cv2.imwrite('photos/3.png', np.zeros((48, 64, 3), np.uint8))
    assert predict('photos', '--no-draw', '--resume', '--save', 'csv') == 0  # the others lack the new image
    assert 'out: predictions.jsonl, deeplabcut_csv\n' in capsys.readouterr().out


def test_drawing_options(predict, monkeypatch):
    styles = []
    monkeypatch.setattr(
        'vitpose.predict.outputs.output_files.draw_poses', lambda image, *rest: styles.append(rest[-1]) or image
    )
    words = '--kpt-score 0.5 --names --thickness 3 --radius 4.5 --no-boxes --blank'.split()
    assert predict('photos/0.png', *words) == 0 and predict('photos/0.png') == 0
    assert styles == [DrawStyle(0.5, True, 3, 4.5, False, True), DrawStyle()]
    assert predict('photos/0.png', '--resume', '--no-boxes') == 2


def test_drawn_videos_keep_their_sound(predict, monkeypatch):
    pytest.importorskip('av')
    write_video('v.mp4', numbered_images(3))
    opened = []
    monkeypatch.setattr('vitpose.predict.inputs.video.VideoWriter._open_sound', lambda w: opened.append(w._sound))
    assert predict('v.mp4') == 0 and opened == ['v.mp4']


def test_part_of_a_video(predict):
    write_video('v.mp4', numbered_images(25))
    words = 'v.mp4 --start 0:00.2 --end 0.6 --stride 2'.split()
    assert predict(*words) == 0
    assert [line['frame'] for line in lines()] == [5, 7, 9, 11, 13]
    assert [frame.time for frame in read_video('out/drawn/v.mp4')] == pytest.approx([0, 0.08, 0.16, 0.24, 0.32])
    whole = Path('out/predictions.jsonl').read_bytes()
    stop_after(predict, 3, *words, '--out', 'again')
    assert predict(*words, '--out', 'again', '--resume') == 0
    assert Path('again/predictions.jsonl').read_bytes() == whole


def test_hours_minutes_and_seconds():
    assert [_seconds('--end', text) for text in ('1.5', '2:03', '1:02:03.5')] == [1.5, 123, 3723.5]


def test_a_stream_that_ends_keeps_its_frames_and_is_a_broken_input(predict, capsys, monkeypatch):
    pytest.importorskip('trackers')
    shown, gaps = [], []
    viewer = SimpleNamespace(put=lambda image: shown.append(image.shape), refresh=lambda: shown.append('refresh'))
    monkeypatch.setattr('vitpose.predict.outputs.viewer.Viewer', lambda: viewer)
    monkeypatch.setattr('vitpose.predict.smoothing.smooth', lambda *words: gaps.append(words[1]) or smooth(*words))
    with serve(live=Camera(12, connections=2)) as url:  # the first one tells the kind
        words = f'{url}/live photos --every-frame --reconnect 0 --track --smooth --show'.split()
        assert predict(*words) == 1
    out, err = capsys.readouterr()
    assert out.startswith('15 frames, 15 people\n') and 'reconnecting for up to 0 s' in err
    assert '1 input broken or without boxes:\n  http://127' in out and 'dropped' not in out
    assert [line.get('frame') for line in lines()] == [*range(13), None, None, None]
    assert lines()[12]['error'].startswith('cannot be read: ')
    assert len(list(Path('out/drawn').glob('127_0_0_1_*_live.mp4'))) == 1
    assert gaps == [5] and sorted(map(str, shown)) == ['(48, 64, 3)'] * 15 + ['refresh'] * 16


def test_dropped_frames_are_counted(predict, capsys, monkeypatch):
    frames = [Frame('camera 0', numbered_images(1)[0], index=i, time=i / 9) for i in (0, 3, 4, 9)]
    monkeypatch.setattr(cv2, 'VideoCapture', lambda index: SimpleNamespace(isOpened=lambda: True))
    monkeypatch.setattr('vitpose.predict.inputs.sources.read_live', lambda *_, **__: iter(frames))
    assert predict('0', '--no-draw') == 0
    assert 'camera 0: 6 frames dropped to predict the newest; --every-frame keeps all\n' in capsys.readouterr().out


def changed_option(predict):
    return ('--flip-test',), '--resume: --flip-test was False and is True; expected the settings of the earlier run'


def changed_model(predict):
    Path('c.pth').write_bytes(b'other')
    return (), 'c.pth (0 bytes, '


def other_inputs(predict):
    Path('photos/0.png').unlink()
    return (), 'predictions.jsonl has lines of photos/0.png: expected it among the inputs, as before'


def no_settings(predict):
    Path('out/settings.json').unlink()
    return (), 'settings.json, which says how out/predictions.jsonl was predicted, cannot be read'


def foreign_line(predict):
    Path('out/predictions.jsonl').write_text('{}\n')
    return (), 'predictions.jsonl, line 1: expected a line of `vitpose predict`'


@pytest.mark.parametrize('change', [changed_option, changed_model, other_inputs, no_settings, foreign_line])
def test_resume_refuses_what_it_cannot_continue(predict, refuses, capsys, change):
    stop_after(predict, 2, 'photos')
    words, message = change(predict)
    before = Path('out/predictions.jsonl').read_bytes()
    capsys.readouterr()
    command = ('predict', 'photos', *'--config c.py --checkpoint c.pth --out out --resume'.split(), *words)
    refuses(*command, message=message)
    assert Path('out/predictions.jsonl').read_bytes() == before


def test_tracks_go_on_after_resume(predict):
    pytest.importorskip('trackers', reason='tracking needs trackers, which needs numpy 2')
    for name in 'ab':
        write_video(f'photos/{name}.mp4', numbered_images(5))
    assert predict('photos', '--track', '--out', 'whole') == 0
    stop_after(predict, 10, 'photos', '--track')
    assert predict('photos', '--track', '--resume') == 0
    assert Path('whole/predictions.jsonl').read_bytes() == Path('out/predictions.jsonl').read_bytes()


def test_an_error_of_the_tracker_is_that_of_the_frame(predict, monkeypatch, capsys):
    pytest.importorskip('trackers', reason='tracking needs trackers, which needs numpy 2')

    def fail(self, sequence, frame, *_):
        if frame.name.endswith('1.png'):
            raise IndexError('no track')

    monkeypatch.setattr('vitpose.predict.tracking.Tracker._update', fail)
    assert predict('photos', '--track') == 1
    assert '  photos/1.png: people cannot be tracked: no track\n' in capsys.readouterr().out and len(results()) == 3


@pytest.mark.parametrize('name', [b'\xff\xe9.png', b'a\x1b[31m\n.png', 'é.png'.encode()])
def test_any_file_name(predict, capfd, monkeypatch, name):
    """It is printed without an error by a strict terminal, and read from the JSON files as it is."""
    name = os.fsdecode(name)
    Path('odd').mkdir()
    Path('odd', name).write_bytes(Path('photos/0.png').read_bytes())
    Path('odd', 'bad' + name).write_bytes(b'')
    with monkeypatch.context() as patch, open(1, 'w', encoding='ascii', closefd=False) as stdout:
        patch.setattr(sys, 'stdout', stdout)
        assert predict('odd', '--html') == 1
    out = capfd.readouterr().out
    assert out.isascii() and out.count('\n') == 4 and '\x1b' not in out and '\n  odd/bad' in out
    assert {line['file'] for line in lines()} == {f'odd/{name}', f'odd/bad{name}'} == {*map(str, Path('odd').iterdir())}
    assert json.loads(Path('out/images.json').read_bytes().decode())['images'][0]['file_name'] == f'odd/{name}'
    assert len(list(Path('out/drawn').iterdir())) == 1 and Path('out/index.html').read_bytes().decode()
    assert predict('odd', '--html', '--resume') == 1 and len(lines()) == 2
    assert predict('odd', '--boxes', 'out/predictions.jsonl', '--out', 'again') == 1 and 'no boxes' not in out


def test_a_video_with_any_name_is_drawn(predict):
    pytest.importorskip('av')
    write_video('v.mp4', numbered_images(3))
    os.rename('v.mp4', name := os.fsdecode(b'\xff.mp4'))
    assert predict(name) in (0, 1)
    if lines()[0]['error'] is None:  # PyAV opened it
        assert Path('out/drawn', name).stat().st_size > 500


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        ('--batch-size 0', '--batch-size 0: expected at least 1'),
        ('--images-json c.py', '--images-json c.py: only with --boxes'),
        ('--boxes c.py', 'c.py: not a JSON file'),
        ('--config bad.py', 'bad.py: not a config'),
        ('--save coco,cvs', "--save coco,cvs: 'cvs': expected some of jsonl,coco,csv,openpose,yolo,npz,dlc,cvat,slp"),
        ('--thickness 0', 'thickness=0.0: expected pixels, more than 0 and at most 1000'),
        ('--model c.py', 'expected --config with --checkpoint, or --model with a name or a file'),
        ('--start 1', '--start, --end, --stride: only for videos, not for cameras and streams'),
        ('--start 2 --end 1', '--start 2 --end 1: expected a start before the end'),
        ('--start 1m', '--start 1m: expected seconds, m:ss or h:mm:ss'),
        ('--stride 0', '--stride 0: expected at least 1'),
        ('--every-frame', '--every-frame: only for cameras and streams'),
        ('--smooth', '--smooth: only with --track, which tells who is who'),
        ('--reconnect -1', '--reconnect -1.0: expected at least 0'),
        ('--out photos', 'photos'),
        ('--out c.py', 'c.py: cannot write into this folder: File exists'),
        ('--out c.py/out', 'c.py/out: cannot write into this folder'),
    ],
)
def test_error_before_any_work_is_one_line(predict, refuses, words, message):
    defaults = '--config c.py --checkpoint c.pth --out out'
    refuses('predict', 'photos', *f'{defaults} {words}'.split(), message=message)
    assert not Path('out/predictions.jsonl').exists()


def test_boxes_or_whole_images(predict):
    with pytest.raises(SystemExit, match='2'):
        predict('photos', '--boxes', 'b.json', '--whole-image')


def test_missing_package_is_named_before_any_work(predict, monkeypatch, capsys):
    write_video('v.mp4', numbered_images(2))
    monkeypatch.setitem(sys.modules, 'av', None)
    assert predict('v.mp4') == 2
    assert 'reading videos needs the package av' in capsys.readouterr().err
    assert not Path('out').exists()
