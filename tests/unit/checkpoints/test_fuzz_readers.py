"""Mutated checkpoints; `fuzz_readers.py` says how to read more of them."""

import importlib.util
from pathlib import Path

import pytest
import torch

pytest.importorskip('hypothesis', reason='it makes the files')
_spec = importlib.util.spec_from_file_location('fuzz_readers', Path(__file__).with_name('fuzz_readers.py'))
fuzzing = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(fuzzing)


@pytest.mark.parametrize('files', [400, pytest.param(5000, marks=pytest.mark.long)])
def test_mutated_files_are_read_or_refused(tmp_path, files):
    accepted, refused = fuzzing.fuzz(tmp_path, files)
    assert accepted > 2 and refused > 100  # about 15 are accepted


def test_whole_files_are_accepted_and_their_code_is_not_run(tmp_path):
    (tmp_path / 'files').mkdir()
    whole = fuzzing.originals(tmp_path / 'canary')
    found = [fuzzing.read(tmp_path / 'files', *original) for original in whole]
    assert found == [True, False, False, True, False, False, *[True] * (len(whole) - 6)]
    assert not (tmp_path / 'canary').exists()


def test_the_files_would_run_code_elsewhere(tmp_path):
    (tmp_path / 'a.pth').write_bytes(fuzzing.originals(tmp_path / 'canary')[1][1])
    torch.load(tmp_path / 'a.pth', weights_only=False)
    assert (tmp_path / 'canary').exists()
