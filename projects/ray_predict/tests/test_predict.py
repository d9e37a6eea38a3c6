"""projects/ray_predict at toy size: rows are those of `vitpose predict`; a killed worker loses and repeats nothing."""

import json
import os
import runpy
import signal
import sys
import time
from pathlib import Path

import cv2
import psutil
import pytest

from tests.unit.predict.tiny_files import dot, write_dots
from vitpose.cli.main import main

pa = pytest.importorskip('pyarrow')
pq = pytest.importorskip('pyarrow.parquet')
pytest.importorskip('ray')
pytestmark = pytest.mark.slow
IMAGES, ROWS, KILL_AFTER = 600, 10, 5


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Images, one of them damaged, with boxes in two formats, and an exported file."""
    folder = tmp_path_factory.mktemp('ray')
    (folder / 'images').mkdir()
    boxes = [[2, 2, 158, 118], [20, 10, 90, 100]]
    rows = [dict(file=f'images/{i:04}.png', boxes=boxes[: i % 3]) for i in range(IMAGES)]
    for i, row in enumerate(rows):
        cv2.imwrite(str(folder / row['file']), dot(5 + i % 150, 5 + i % 110))
    (folder / 'boxes.jsonl').write_text('\n'.join(map(json.dumps, rows)))
    pq.write_table(pa.Table.from_pylist(rows), folder / 'images.parquet')
    (folder / 'images/0007.png').write_bytes(b'broken')
    write_dots(folder / 'dots.onnx')
    return folder


@pytest.fixture(scope='module')
def script(root):
    return runpy.run_path(str(root / 'projects/ray_predict/predict.py'))


@pytest.fixture(scope='module')
def lines(folder):
    """The lines of `vitpose predict`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        arguments = ['--boxes', 'boxes.jsonl', '--model', 'dots.onnx', '--no-draw', '--out', 'same']
        assert main(['predict', 'images', *arguments]) == 1  # one is broken
    lines = list(map(json.loads, (folder / 'same/predictions.jsonl').read_text().splitlines()[1:]))
    assert {line.pop('track_ids') for line in lines} == {None} and len(lines) == IMAGES
    return lines


def test_rows_are_the_lines_of_vitpose_predict(script, folder, lines, monkeypatch):
    monkeypatch.chdir(folder)
    worker, listed = script['Worker']('dots.onnx', str(folder)), script['list_images'](['images.parquet'])
    assert [row for start in range(0, IMAGES, 64) for row in worker(listed.slice(start, 64)).to_pylist()] == lines


@pytest.mark.long
def test_nothing_is_lost_or_repeated_when_a_worker_is_killed(root, folder, lines):
    out = folder / 'out'
    command = [sys.executable, root / 'projects/ray_predict/predict.py', 'images.parquet']
    command += ['--model', 'dots.onnx', '--out', 'out', '--rows', str(ROWS)]
    with (folder / 'log').open('w') as log:
        run = psutil.Popen(command, cwd=folder, env={**os.environ, 'PYTHONPATH': str(root)}, stdout=log, stderr=log)
    killed = None
    while run.poll() is None:
        written = len(list(out.glob('*.parquet')))
        if killed is None and written >= KILL_AFTER:
            workers = [child for child in run.children(recursive=True) if 'MapWorker' in ' '.join(child.cmdline())]
            assert len(workers) == 2
            workers[0].send_signal(signal.SIGKILL)
            killed = written
        time.sleep(0.02)
    assert run.returncode == 1, (folder / 'log').read_text()
    assert '1 of them broken or without boxes:\n  images/0007.png: ' in (folder / 'log').read_text()
    shards = list(out.glob('*.parquet'))
    assert killed is not None and killed < len(shards) == IMAGES // ROWS
    rows = {row['file']: row for shard in shards for row in pq.read_table(shard).to_pylist()}
    assert len(rows) == sum(pq.read_metadata(shard).num_rows for shard in shards) == IMAGES
    assert rows == {line['file']: line for line in lines}


def test_workers_in_another_folder_find_relative_names(script, root, folder, monkeypatch):
    worker = script['Worker'](str(folder / 'dots.onnx'), str(folder))
    names = ['images/0007.png', 'images/0001.png', str(folder / 'images/0002.png'), 'none.png']
    batch = pa.Table.from_pylist([dict(file=name) for name in names], schema=script['LIST'])
    monkeypatch.chdir(root)
    rows = worker(batch).to_pylist()
    assert [row['file'] for row in rows] == names
    assert [row['error'] is None for row in rows] == [False, True, True, False]
    assert rows[3]['error'] == 'none.png: No such file or directory'


def test_a_folder_with_boxes_is_the_same_list(script, folder, monkeypatch):
    monkeypatch.chdir(folder)
    list_images = script['list_images']
    arguments = (['images.parquet'],), (['images'], Path('boxes.jsonl'))
    listed, in_folder = ({row['file']: row for row in list_images(*words).to_pylist()} for words in arguments)
    assert listed == in_folder and len(listed) == IMAGES


def test_bad_input_is_refused_before_ray_starts(script, folder, monkeypatch, capsys):
    pq.write_table(pa.table({'name': ['a.png']}), folder / 'list.parquet')
    monkeypatch.chdir(folder)
    for words, message in (
        ('images --out images', 'expected an empty or new folder'),
        ('none.parquet --out new', 'none.parquet: no such file'),
        ('list.parquet --out new', "expected a text in a column `file` in every row; columns: ['name']"),
        ('images --out new --rows 0', 'expected at least 1 each'),
    ):
        monkeypatch.setattr(sys, 'argv', ['predict.py', *words.split(), '--model', 'dots.onnx'])
        assert script['main']() == 2
        assert message in capsys.readouterr().err


def test_boxes_of_another_size_are_scaled_on_request(script, folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    Path('half.jsonl').write_text(json.dumps(dict(file='images/0001.png', boxes=[[1, 1, 79, 59]], size=[80, 60])))
    command = ['predict.py', 'images/0001.png', '--model', 'dots.onnx', '--out', 'scaled']
    for words, message in (
        (['--boxes', 'half.jsonl'], 'pass --scale-boxes'),
        (['--scale-boxes'], '--scale-boxes: only with --boxes FILE'),
    ):
        monkeypatch.setattr(sys, 'argv', [*command, *words])
        assert script['main']() == 2 and message in capsys.readouterr().err
    (row,) = script['list_images'](['images/0001.png'], Path('half.jsonl'), scale=True).to_pylist()
    assert row['boxes'] == [[2, 2, 158, 118]]
