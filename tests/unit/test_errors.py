"""What vitpose raises: each class is also the built-in one that fits."""

import pickle

import pytest

import vitpose
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
