"""What vitpose raises: each class is also the built-in one that fits."""

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import vitpose
from vitpose import load_model
from vitpose.errors import (
    ExistingFileError,
    FailedError,
    InputError,
    MissingFileError,
    VitPoseError,
    is_bug,
    one_line,
    started,
)
from vitpose.own_data.reading.annotation_format import read_annotations
from vitpose.predict.inputs.boxes import read_boxes
from vitpose.predict.inputs.images import as_bgr
from vitpose.predict.inputs.sources import find_sources


def test_each_class_derives_from_a_builtin_one():
    assert vitpose.VitPoseError is VitPoseError
    bases = {InputError: ValueError, MissingFileError: FileNotFoundError, FailedError: RuntimeError}
    bases[ExistingFileError] = FileExistsError
    for kind, builtin in bases.items():
        assert issubclass(kind, VitPoseError) and issubclass(kind, builtin)
        copy = pickle.loads(pickle.dumps(kind('a.pth: no such checkpoint')))  # from a worker process
        assert type(copy) is kind and str(copy) == 'a.pth: no such checkpoint'


def test_what_fails_once_started_but_bugs_and_signals_pass():
    for problem in (ValueError('a\n b'), KeyError('a b'), OSError('a b'), RuntimeError('a b')):
        with pytest.raises(FailedError, match='^a b$'), started():
            raise problem
    for problem in (KeyError('key'), TypeError('a b'), BrokenPipeError(), KeyboardInterrupt()):
        with pytest.raises(type(problem)) as raised, started():
            raise problem
        assert raised.value is problem


def test_a_warning_is_a_bare_line_on_stderr_by_default(root):
    code = "from vitpose.errors import warn; warn('100% of them')"
    done = subprocess.run([sys.executable, '-c', code], cwd=root, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, '', '100% of them\n')


def test_bugs():
    assert is_bug(KeyError('head')) and is_bug(KeyError()) and not is_bug(KeyError('ViT is not in the registry'))
    assert is_bug(ImportError(name='vitpose_mm.gone')) and not is_bug(ImportError(name='gradio'))
    assert is_bug(AssertionError('a')) and not is_bug(AssertionError('MMCV==2.2.0 is used but incompatible. Please'))
    assert one_line(KeyError('ViT  is\nnot')) == 'ViT is not' and one_line(ValueError()) == 'ValueError'


CONFIG = Path('configs/synthetic/vitpose-mini_synthetic-128x96.py').resolve()


def test_library_functions_refuse_input_with_our_classes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, text in (('bad.json', '{'), ('bad.onnx', 'x'), ('bad.pth', 'x'), ('empty.py', '')):
        Path(name).write_text(text)
    missing, bad = FileNotFoundError, ValueError
    for builtin, call, *arguments in (
        *((missing, find_sources, ['nothing.jpg']), (bad, find_sources, ['bad.json'])),
        *((bad, read_boxes, Path('bad.json'), []), (bad, as_bgr, np.zeros((2, 2)))),
        *((missing, read_annotations, Path('nothing.json')), (bad, read_annotations, Path('bad.json'))),
        *((missing, load_model, 'nothing.onnx'), (bad, load_model, 'bad.onnx')),
        *((missing, load_model, 'nothing.py', 'a.pth'), (bad, load_model, 'empty.py', 'a.pth')),
        *((missing, load_model, CONFIG, 'nothing.pth'), (bad, load_model, CONFIG, 'bad.pth')),
    ):
        with pytest.raises(builtin) as raised:
            call(*arguments)
        assert isinstance(raised.value, VitPoseError), arguments
