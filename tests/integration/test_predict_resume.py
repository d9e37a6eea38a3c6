"""Signals during `vitpose predict`, SIGKILL too, then `--resume`: all files are those of an uninterrupted run."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import pytest

from tests.unit.predict.frames import numbered_images, write_video

tiny_files = pytest.importorskip('tests.unit.predict.tiny_files')
pytest.importorskip('av')
pytest.importorskip('onnxruntime')
IMAGES, FRAMES = 60, 24  # of the folder, and of each of its two videos


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """A folder with images and videos, a model, and what a run without interruption writes."""
    folder = tmp_path_factory.mktemp('resume')
    (folder / 'in').mkdir()
    images = numbered_images(IMAGES, 240, 320)
    for number, image in enumerate(images):
        cv2.imwrite(str(folder / 'in' / f'{number:03}.png'), image)
    for name in ('020_clip.mp4', 'walk.mp4'):
        write_video(folder / 'in' / name, images[:FRAMES])
    tiny_files.write_dots(folder / 'dots.onnx')
    assert finish(start(folder, 'whole'))[0] == 0
    return folder


def default_signals():
    """A child of nohup, or of a job in the background, ignores these signals."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def start(folder, out, *words, command=('-m', 'vitpose')):
    command = [sys.executable, *command, 'predict', 'in', '--model', 'dots.onnx', '--html', '--batch-size', '1']
    pipes = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    environment = {**os.environ, 'PYTHONPATH': str(Path(__file__).parents[2])}
    pipes['preexec_fn'] = default_signals
    return subprocess.Popen([*command, '--out', out, *words], cwd=folder, env=environment, **pipes)


def finish(process):
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def stop(folder, out, number, lines):
    """Start or continue a run, and send it a signal when it has written some lines."""
    process, path = start(folder, out, '--resume'), folder / out / 'predictions.jsonl'
    while process.poll() is None and (not path.exists() or path.read_bytes().count(b'\n') < lines):
        time.sleep(0.001)
    process.send_signal(number)
    return finish(process)


def content(out):
    """All files, the page without its pictures, which it has of frames of its run alone."""
    files = {str(path.relative_to(out)): path.read_bytes() for path in out.rglob('*') if path.is_file()}
    files['index.html'] = re.sub(rb'"picture": ("data:image/jpeg;base64,[^"]+"|null)', b'', files['index.html'])
    return files


def check_same(folder, out):
    expected, written = content(folder / 'whole'), content(folder / out)
    assert sorted(written) == sorted(expected)
    assert [name for name in expected if written[name] != expected[name]] == []


def check_kills(folder, out, kills):
    total = IMAGES + 2 * FRAMES
    moments = [(kill + 1) * total // (kills + 1) for kill in range(kills)]
    codes = [stop(folder, out, signal.SIGKILL, lines)[0] for lines in moments]
    assert codes.count(-signal.SIGKILL) > kills / 2, codes  # the others were done before the signal arrived
    code, printed, err = finish(start(folder, out, '--resume'))
    assert code == 0 and printed.startswith(f'{total} frames, {total} people\n'), err
    check_same(folder, out)


@pytest.mark.slow
def test_three_kills_lose_nothing_and_repeat_nothing(folder):
    check_kills(folder, 'three', 3)


@pytest.mark.long
@pytest.mark.slow
def test_twenty_kills_lose_nothing_and_repeat_nothing(folder):
    check_kills(folder, 'twenty', 20)


@pytest.mark.slow
@pytest.mark.parametrize(('number', 'code'), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)])
def test_signals_finish_the_files(folder, number, code):
    out = folder / number.name
    returned, _, err = stop(folder, number.name, number, 30)  # in the first video
    assert returned == code and 'vitpose predict: interrupted; finished frames are kept\n' in err, err
    lines = [json.loads(line) for line in (out / 'predictions.jsonl').read_text().splitlines()[1:]]
    assert len(json.loads((out / 'keypoints.json').read_text())) == len(lines) < IMAGES + 2 * FRAMES
    assert not list(out.rglob('*.part')) and '</html>' in (out / 'index.html').read_text()
    count = sum(line['file'] == 'in/020_clip.mp4' for line in lines)
    assert cv2.VideoCapture(str(out / 'drawn/020_clip.mp4')).get(cv2.CAP_PROP_FRAME_COUNT) == count > 0
    assert finish(start(folder, number.name, '--resume'))[0] == 0
    check_same(folder, number.name)


SLOW_LOADING = """
import sys, time
import onnxruntime

def load(*arguments, **options):
    print('loading', flush=True)
    time.sleep(60)

onnxruntime.InferenceSession = load
from vitpose.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow
def test_signals_while_the_model_is_loaded_are_one_line(folder):
    process = start(folder, 'loading', command=['-c', SLOW_LOADING])
    assert process.stdout.readline() == 'loading\n'
    process.send_signal(signal.SIGTERM)
    assert finish(process) == (143, '', 'vitpose predict: interrupted\n')
    assert not (folder / 'loading/predictions.jsonl').exists()
