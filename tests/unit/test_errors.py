"""What vitpose raises: each class is also the built-in one that fits."""

import pickle
from pathlib import Path

import numpy as np
import pytest

import vitpose
from vitpose import load_model
from vitpose.errors import FailedError, InputError, MissingFileError, VitPoseError, is_bug, one_line, started


@pytest.mark.parametrize(
    ('kind', 'builtin'), [(InputError, ValueError), (MissingFileError, FileNotFoundError), (FailedError, RuntimeError)]
)
def test_each_class_derives_from_a_builtin_one(kind, builtin):
    assert vitpose.VitPoseError is VitPoseError
    assert issubclass(kind, VitPoseError) and issubclass(kind, builtin)
    copy = pickle.loads(pickle.dumps(kind('a.pth: no such checkpoint')))  # from a worker process
    assert type(copy) is kind and str(copy) == 'a.pth: no such checkpoint'


@pytest.mark.parametrize('problem', [ValueError('a\n b'), KeyError('a b'), OSError('a b'), RuntimeError('a b')])
def test_what_fails_once_started(problem):
    with pytest.raises(FailedError, match='^a b$'), started():
        raise problem


@pytest.mark.parametrize('problem', [KeyError('key'), TypeError('a b'), BrokenPipeError(), KeyboardInterrupt()])
def test_bugs_and_signals_pass(problem):
    with pytest.raises(type(problem)) as raised, started():
        raise problem
    assert raised.value is problem


def test_bugs():
    assert is_bug(KeyError('head')) and is_bug(KeyError()) and not is_bug(KeyError('ViT is not in the registry'))
    assert is_bug(ImportError(name='vitpose_mm.gone')) and not is_bug(ImportError(name='gradio'))
    assert one_line(KeyError('ViT  is\nnot')) == 'ViT is not' and one_line(ValueError()) == 'ValueError'


def refusals(folder):
    from vitpose.own_data.reading.annotation_format import read_annotations
    from vitpose.predict.inputs.boxes import read_boxes
    from vitpose.predict.inputs.images import as_bgr
    from vitpose.predict.inputs.sources import find_sources

    bad = folder / 'bad.json'
    bad.write_text('{')
    for name in ('bad.onnx', 'bad.pth'):
        (folder / name).write_text('x')
    (folder / 'empty.py').touch()
    config = Path('configs/synthetic/vitpose-mini_synthetic-128x96.py')
    return [
        (FileNotFoundError, lambda: find_sources(['nothing.jpg'])),
        (ValueError, lambda: find_sources([str(bad)])),
        (ValueError, lambda: read_boxes(bad, [])),
        (ValueError, lambda: as_bgr(np.zeros((2, 2)))),
        (FileNotFoundError, lambda: read_annotations(folder / 'nothing.json')),
        (ValueError, lambda: read_annotations(bad)),
        (FileNotFoundError, lambda: load_model('nothing.onnx')),
        (ValueError, lambda: load_model(folder / 'bad.onnx')),
        (FileNotFoundError, lambda: load_model('nothing.py', 'a.pth')),
        (ValueError, lambda: load_model(folder / 'empty.py', 'a.pth')),
        (FileNotFoundError, lambda: load_model(config, folder / 'nothing.pth')),
        (ValueError, lambda: load_model(config, folder / 'bad.pth')),
    ]


def test_library_functions_refuse_input_with_our_classes(tmp_path):
    for builtin, call in refusals(tmp_path):
        with pytest.raises(builtin) as raised:
            call()
        assert isinstance(raised.value, VitPoseError), raised.value
