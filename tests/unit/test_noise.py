"""Known lines of other packages are not printed, and everything else is."""

import logging
import os
import subprocess
import sys

import pytest

from tests.unit.own_data import makers
from vitpose.cli.main import main
from vitpose_mm.noise import quiet


def test_exactly_the_known_lines_are_dropped(capsys):
    with quiet():
        print('loading annotations into memory...\nDone (t=0.01s)\ncreating index...\nindex created!')
        print('Could not import OneDL. Skipping OneDL datasets.')
        print('creating index... failed')
        handler = logging.StreamHandler(sys.stdout)  # as MMEngine's logger keeps it
        print('50', end='%')
    handler.emit(logging.makeLogRecord(dict(msg='later')))
    assert capsys.readouterr().out == 'creating index... failed\n50%later\n'


def test_what_was_printed_before_an_error_is_kept(capsys):
    with pytest.raises(ZeroDivisionError), quiet():
        print('half', end='')
        raise ZeroDivisionError
    assert capsys.readouterr().out == 'half'


@pytest.mark.slow
def test_a_command_prints_its_own_lines_alone(root, tmp_path):
    path, out = makers.write_coco(tmp_path / 'data', makers.coco(12)), tmp_path / 'out'
    assert main(['dataset', str(path), '--out', str(out), '--from', 'scratch']) == 0
    command = [sys.executable, '-m', 'vitpose', 'check', out / 'config.py']
    environment = {**os.environ, 'PYTHONPATH': str(root)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, '')
    assert done.stdout == ('out, train: 11 images, 11 instances\nout, val: 1 images, 1 instances\n- nothing found\n')
