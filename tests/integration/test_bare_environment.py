"""Environments without torch and OpenMMLab: what `vitpose` does there, and which extra runs an exported file."""

import json
import os
import re
import shutil
import subprocess
import sys
import venv
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

from tests.integration.test_int8 import write_people
from tests.unit.bench.fitted_model import people, write_fitted
from tests.unit.predict.tiny_detectors import write_suppressed
from vitpose import PosePredictor
from vitpose.cli.main import COMMANDS, main

NEEDED = ('numpy', 'opencv-python', 'pillow', 'scipy', 'rich', 'Pygments', 'markdown-it-py', 'mdurl')
SLEAP_TESTS = ('own_data/reading/test_sleap_project.py', 'predict/outputs/test_pose_formats.py')
FILES = {'onnx': 'model.onnx', 'openvino': 'model.xml'}


@pytest.fixture
def run(tmp_path):
    """A function that runs Python in an empty folder and returns what it prints to stdout and stderr."""
    environment = {**os.environ, 'PYTHONPATH': '', 'COLUMNS': '200'}

    def run_python(python, *arguments, code=0):
        command = [python, *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path)
        assert done.returncode == code and (code == 1 or 'Traceback' not in done.stderr), done.stderr
        return done.stdout, done.stderr

    return run_python


@pytest.fixture(scope='module')
def python(root, tmp_path_factory):
    """The Python of a new environment with this checkout and links to the installed packages in NEEDED."""
    folder = tmp_path_factory.mktemp('without_torch')
    venv.create(folder, symlinks=True)
    site = next(folder.glob('lib/python*/site-packages'))
    (site / 'checkout.pth').write_text(f'{root}\n')
    for name in NEEDED:
        distribution = metadata.distribution(name)
        for entry in {Path(file).parts[0] for file in distribution.files or () if '..' not in Path(file).parts}:
            if not (site / entry).exists():
                (site / entry).symlink_to(Path(str(distribution.locate_file(entry))))
    return folder / 'bin' / 'python'


def test_torch_and_openmmlab_cannot_be_imported(run, python):
    for name in ('torch', 'mmengine', 'mmpose', 'mmcv'):
        assert f"No module named '{name}'" in run(python, '-c', f'import {name}', code=1)[1]


def test_synth_renders(run, python, tmp_path):
    few = ('--train', 2, '--val', 1, '--workers', 0, '--preview', 'few.png')
    run(python, '-m', 'vitpose', 'synth', '--out', 'few', *few)
    assert len(list((tmp_path / 'few/train').glob('*.jpg'))) == 2 and (tmp_path / 'few.png').is_file()


def test_doctor_reports_missing_packages(run, python):
    output, errors = run(python, '-m', 'vitpose', 'doctor', code=1)
    assert not errors and re.search(r'^torch is missing\n +pip install torch==', output, re.MULTILINE)


HELP = """
import sys
from vitpose.cli.main import main
for words in sys.argv[1:]:
    try:
        main([*words.split(), '--help'])
    except SystemExit as end:
        assert end.code == 0, words
"""


def test_help_works_for_every_subcommand(run, python):
    output, errors = run(python, '-c', HELP, '', *COMMANDS)
    assert not errors and re.findall(r'^usage: vitpose (\S+)', output, re.MULTILINE) == ['[-h]', *COMMANDS]


def test_help_takes_at_most_0_3_s_of_cpu_time(run):
    """In the full environment of the tests, where slow imports are possible; the minimum of five runs."""
    seconds = []
    for _ in range(5):
        before = os.times()
        run(sys.executable, '-m', 'vitpose', '--help')
        seconds.append(sum(os.times()[2:4]) - sum(before[2:4]))  # user and system time of child processes
    assert min(seconds) <= 0.3, seconds


@pytest.fixture
def files(tmp_path):
    folder = tmp_path / 'files'
    folder.mkdir()
    config, checkpoint = write_fitted(folder)
    write_people(folder, *people())
    for kind, name in FILES.items():
        assert main(['export', config, checkpoint, '--to', kind, '--out', str(folder / name)]) == 0
    return folder


def uv(*arguments):
    name = shutil.which('uv', path=os.pathsep.join([str(Path(sys.executable).parent), os.environ['PATH']]))
    assert name, 'uv is missing: requirements/venv.sh installs it'
    subprocess.run([name, *map(str, arguments)], check=True, capture_output=True, text=True)


@pytest.mark.install
def test_one_extra_is_enough_for_an_exported_file(run, root, files, tmp_path):
    for extra, other in (('onnx', 'openvino'), ('openvino', 'onnx')):
        one_extra_is_enough(run, extra, other, root, files, tmp_path)


def one_extra_is_enough(run, extra, other, root, files, tmp_path):
    python, model, poses = tmp_path / f'bare_{extra}' / 'bin/python', files / FILES[extra], f'{extra}_poses'
    uv('venv', '--python', sys.executable, tmp_path / f'bare_{extra}')
    uv('pip', 'install', '--python', python, f'vitpose_mm[{extra}] @ {root.as_uri()}')

    def vitpose(*arguments, code=0):
        output, errors = run(python, '-m', 'vitpose', *arguments, code=code)
        return errors if code else output

    def rows(folder):
        return [json.loads(line) for line in (tmp_path / folder / 'predictions.jsonl').read_text().splitlines()[1:]]

    for name in ('torch', 'mmengine', 'mmcv', 'mmpose', 'mmdet', 'onnx'):
        assert f"No module named '{name}'" in run(python, '-c', f'import {name}', code=1)[1]
    images = (files / '0.png', files / '1.png', '--boxes', files / 'boxes.jsonl')
    vitpose('predict', *images, '--model', model, '--html', '--out', poses)
    predictor = PosePredictor.load(files / 'model.py', files / 'model.pth', device='cpu')
    expected = np.concatenate([predicted.keypoints for predicted in predictor(*people())])
    np.testing.assert_allclose(np.concatenate([row['keypoints'] for row in rows(poses)]), expected, atol=0.05)
    assert (tmp_path / poses / 'drawn/0.jpg').is_file()

    if extra == 'onnx':  # a person detector from a file
        detector = write_suppressed(tmp_path / 'yolox.onnx')
        vitpose('predict', files / '0.png', '--model', model, '--detector', detector, '--out', 'found')
        (row,) = rows('found')
        assert len(row['boxes']) == len(row['keypoints']) == 1

    assert json.loads(vitpose('inspect', model, '--json'))['dataset'] == 'coco'
    assert f'vitpose_mm[{other}]' in vitpose('inspect', files / FILES[other], code=2)
    vitpose('predict', '.', '--config', 'a.py', '--checkpoint', 'a.pth', '--out', 'others', code=2)
    errors = vitpose('predict', '.', '--model', files / 'model.pth', '--out', 'others', code=2)
    assert 'a checkpoint needs the package torch' in errors and "pip install 'vitpose_mm[torch]'" in errors
    run(python, '-c', 'import vitpose_mm')  # which registers nothing


@pytest.mark.install
@pytest.mark.long
def test_sleap_projects_are_read_and_written_with_their_extra(run, root, tmp_path):
    python = tmp_path / 'sleap/bin/python'
    uv('venv', '--python', sys.executable, tmp_path / 'sleap')
    uv('pip', 'install', '--python', python, f'vitpose_mm[sleap] @ {root.as_uri()}', 'pytest', 'opencv-python-headless')
    tests = [root / 'tests/unit' / name for name in SLEAP_TESTS]
    options = ('--noconftest', '-c', os.devnull, '-o', f'pythonpath={root}', '-k', 'sleap')
    output, _ = run(python, '-m', 'pytest', '-q', *options, *tests)
    assert ' passed' in output and 'skipped' not in output, output
