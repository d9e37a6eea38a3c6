"""Paths that cannot be read are refused by every command, before anything slow is imported."""

import json
import os
import subprocess
import sys

import pytest

from vitpose.cli.main import COMMANDS
from vitpose.cli.paths import check_detector, check_readable
from vitpose.errors import InputError, MissingFileError, VitPoseError

# in each line, every file is missing once
READABLE = """
predict a.jpg --config c.py --checkpoint c.pth --out out --boxes c.json --images-json c.json
predict a.jpg --config c.py --checkpoint c.pth --out out --detector c.py c.pth
predict a.jpg --model c.onnx --out out --detector c.onnx
dataset c.json --images folder --from c.pth --out out
check c.py
train c.py
bench --config c.py --checkpoint c.pth
bench --train c.py --beside c.py
doctor c.py
cost c.py c.py
inspect c.pth
eval c.jsonl --ann c.json
inspect c.onnx
convert c.pth out.pth --to ours
split c.py c.pth --dataset coco --out out.pth
token extract c.pth --out out.npz
calibrate c.py c.pth --data c.json --images folder
teacher-cache c.py --out out
export c.py c.pth --to onnx --out out.onnx --images a.jpg --boxes c.json --images-json c.json
export base --to onnx --out out.onnx --images a.jpg
models verify base --data folder
app c.onnx --detector c.onnx
""".strip().splitlines()
REFUSED = ['dataset c.json --out folder', 'models fetch missing', 'synth --out c.py', 'demo --out c.py']
for words in map(str.split, READABLE):
    for i in range(1, len(words)):
        if words[i].startswith(('c.', 'a.', 'folder')):
            missing = words[i].replace('folder', 'missing').replace('c.', 'missing.').replace('a.', 'missing.')
            REFUSED.append(' '.join([*words[:i], missing, *words[i + 1 :]]))
RUN = """
import contextlib, io, json, sys
from vitpose.cli.main import main
done = []
for line in json.load(sys.stdin):
    with contextlib.redirect_stderr(io.StringIO()) as errors, contextlib.redirect_stdout(io.StringIO()) as printed:
        code = main(line.split())
    heavy = sorted({'torch', 'mmengine', 'gradio'} & set(sys.modules))
    done.append([line, code, errors.getvalue(), printed.getvalue(), heavy])
print(json.dumps(done))
"""


@pytest.mark.slow
def test_every_command_refuses_before_heavy_imports(root, tmp_path):
    for name in ('c.py', 'c.pth', 'c.json', 'c.onnx', 'c.jsonl', 'a.jpg', 'folder/x'):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert {line.split()[0] for line in REFUSED} == set(COMMANDS)
    options = dict(input=json.dumps(REFUSED), cwd=tmp_path, env=dict(os.environ, PYTHONPATH=str(root)))
    done = subprocess.run([sys.executable, '-c', RUN], capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stderr
    for line, code, error, printed, heavy in json.loads(done.stdout):
        assert code == 2 and error.startswith(f'vitpose {line.split()[0]}') and error.count('\n') == 1, (line, error)
        wanted = next((word for word in line.split() if word.startswith('missing')), '')
        assert wanted in error and (printed, heavy) == ('', []), (line, error, printed, heavy)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == 'a.jpg c.json c.jsonl c.onnx c.pth c.py folder'.split()


def test_what_is_refused_and_what_passes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number in range(6):
        (tmp_path / f'epoch_{number}.pth').touch()
    check_readable(None)
    check_readable('epoch_1.pth', 'checkpoint')
    check_readable(tmp_path, 'checkpoint', folder=True)
    near = r'epoch_0.pth, epoch_1.pth, epoch_2.pth, epoch_3.pth, epoch_4.pth, \.\.\.$'
    with pytest.raises(MissingFileError, match=rf'^--from epoch_9.pth: no such checkpoint; \. has {near}'):
        check_readable('epoch_9.pth', 'checkpoint', option='--from')
    with pytest.raises(InputError, match=r'^--from epoch_\*.pth matches 6 files: pass one, such as epoch_0.pth'):
        check_readable('epoch_*.pth', 'checkpoint', option='--from')
    with pytest.raises(IsADirectoryError, match='is a folder: expected a config file'):
        check_readable(tmp_path, 'config file')
    monkeypatch.setattr(os, 'access', lambda path, mode: mode == os.R_OK)  # root may read everything
    with pytest.raises(PermissionError, match='no permission to read this checkpoint'):
        check_readable(tmp_path, 'checkpoint', folder=True)


def test_words_of_a_detector(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check_detector(None, 'INPUT')
    check_detector(['rtmdet-m'], 'INPUT')
    for words, message in (
        ('a b c', '--detector a b c: expected one or two words; put INPUT before it'),
        *(
            (
                f'rtmdet-m {name}',
                f'{name} is not a checkpoint of a detector; put INPUT before it: {name} --detector rtmdet-m',
            )
            for name in ('m.onnx', 'm.xml', 'a.jpg', 'a.heic', 'walk.mp4', '.')
        ),
        ('d.py d.pth', '--detector d.py: no such detector'),
        ('rtmdet-m d.pth', '--detector d.pth: no such checkpoint of a detector'),
    ):
        with pytest.raises(VitPoseError, match=message):
            check_detector(words.split(), 'INPUT')
