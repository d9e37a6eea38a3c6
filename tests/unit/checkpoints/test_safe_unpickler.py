"""Files of torch.save are read as torch.load reads them; of hostile ones, nothing runs. Both readers are tested."""

import argparse
import io
import os
import pickle
import re
import resource
import struct
import sys
import time
import zipfile
from collections import Counter, OrderedDict

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer

from vitpose_mm.checkpoints import safe_unpickler
from vitpose_mm.checkpoints.mmengine_loading import load_from_resume
from vitpose_mm.checkpoints.safe_load import load_weights
from vitpose_mm.checkpoints.safe_unpickler import read_torch_file

OLD_ONLY = pytest.mark.skipif(not safe_unpickler.SAFE_TORCH, reason='this torch is read by the unpickler alone')


@pytest.fixture(params=[pytest.param(True, marks=OLD_ONLY), False], ids=['torch', 'unpickler'], autouse=True)
def reader(request, monkeypatch):
    """Read by torch, and as with versions of torch that cannot."""
    monkeypatch.setattr(safe_unpickler, 'SAFE_TORCH', request.param)
    return 'torch' if request.param else 'unpickler'


def content():
    torch.manual_seed(0)
    shared = torch.randn(6, 4)
    names = 'float32 float64 float16 bfloat16 int64 int32 uint8 bool'.split()
    weights = OrderedDict((name, (torch.randn(3, 5) * 3).to(getattr(torch, name))) for name in names)
    weights |= dict(view=shared[1:4, ::2], transposed=shared.T, scalar=torch.tensor(2.5), empty=torch.empty(0, 3))
    weights['parameter'] = torch.nn.Parameter(torch.ones(2))
    schedule = dict(milestones=Counter({170: 1, 200: 1}), device=torch.device('cpu'))  # as of MMEngine's MultiStepLR
    meta = dict(epoch=3, names=['a', 'b'], text='x')
    return dict(state_dict=weights, meta=meta, optimizer=[1.5, None, True], param_schedulers=[schedule])


@pytest.fixture
def file(tmp_path):
    return tmp_path / 'a.pth'


@pytest.mark.parametrize('zipped', [True, False])
def test_the_result_is_that_of_torch(file, zipped):
    torch.save(content(), file, _use_new_zipfile_serialization=zipped)
    read, expected = read_torch_file(file), torch.load(file, weights_only=False)
    weights = read.pop('state_dict')
    assert list(weights) == list(expected['state_dict'])
    for key, value in expected.pop('state_dict').items():
        weight = weights[key]
        assert weight.dtype == value.dtype and weight.stride() == value.stride() and torch.equal(weight, value), key
    assert read == expected


def test_the_file_is_never_changed(file):
    torch.save({'x': torch.zeros(1000)}, file)
    before = file.read_bytes()
    load_weights(file)['x'] += 1
    assert file.read_bytes() == before


def archive(pickled, storages, compression=zipfile.ZIP_STORED):
    """An archive as torch.save lays it out, with any content."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, 'w', compression) as out:
        out.writestr('archive/data.pkl', pickled)
        out.writestr('archive/byteorder', sys.byteorder)
        out.writestr('archive/version', '3\n')
        for key, part in storages.items():
            out.writestr(f'archive/data/{key}', part)
    return buffer.getvalue()


def tensor_pickle(count, size=None, stride=(1,), key='0'):
    """A pickle of {'x': tensor} that claims a storage of `count` elements."""

    class Tensor:
        def __reduce__(self):
            return torch._utils._rebuild_tensor_v2, (Storage(), 0, size or (count,), stride, False, OrderedDict())

    class Storage:
        pass

    class Pickler(pickle.Pickler):
        def persistent_id(self, item):
            return ('storage', torch.FloatStorage, key, 'cpu', count) if isinstance(item, Storage) else None

    out = io.BytesIO()
    Pickler(out, 2).dump({'x': Tensor()})
    return out.getvalue()


GB = 1 << 30


def claim(*args, storage=16, **kwargs):
    return archive(tensor_pickle(*args, **kwargs), {'0': bytes(storage)})


def old_claim():
    buffer = io.BytesIO()
    torch.save({'x': torch.zeros(4)}, buffer, _use_new_zipfile_serialization=False)
    before, _, after = buffer.getvalue().rpartition(struct.pack('<q', 4))
    return before + struct.pack('<q', GB // 2) + after


def nested_shape():
    """Printing the shape would take 2**60 steps."""
    first, last = tensor_pickle(4, (8, 8)).split(b'K\x08K\x08\x86')
    return archive(first + b')' + b'2\x86' * 60 + last, {'0': bytes(16)})


def endless_dicts():
    """Dicts of dicts, each of 50 references to the next: 50**8 in all."""
    inner = {}
    for _ in range(9):
        inner = {str(n): inner for n in range(50)}
    return archive(pickle.dumps(inner, 2), {})


INCOMPLETE = 'is it complete?'
LIES = {
    'bomb': (archive(tensor_pickle(GB // 2), {'0': bytes(8_000_000)}, zipfile.ZIP_DEFLATED), 'is compressed'),
    'short storage': (claim(GB // 2, storage=64), INCOMPLETE),
    'no storage': (claim(4, key='7'), INCOMPLETE),
    'repeated': (claim(4, (GB,), (0,)), "'x' of shape (1073741824,) repeats a smaller tensor"),
    'outside': (claim(4, (2, 2), (3, 1)), INCOMPLETE),
    'negative': (claim(4, (2, 2), (-1, 1)), INCOMPLETE),
    'old claim': (old_claim(), INCOMPLETE),
    # a memo of 2**32 entries, which the unpickler in C allocates
    'wide memo': (archive(b'\x80\x02]r' + struct.pack('<I', 2**32 - 1) + b'.', {}), 'found list'),
    'huge text': (archive(b'\x80\x04\x8d' + struct.pack('<Q', 2 * GB) + b'abc.', {}), INCOMPLETE),
    'nested shape': (nested_shape(), INCOMPLETE),
    'endless dicts': (endless_dicts(), "expected a dense tensor for '0', found dict"),
    'empty': (b'', INCOMPLETE),
    'zip': (b'PK\x03\x04' + bytes(100), INCOMPLETE),
    'random': (os.urandom(1000), INCOMPLETE),
    'page': (b'<html>not found</html>', INCOMPLETE),
}


@pytest.mark.parametrize('lie', LIES)
def test_lies_give_one_line_at_once_and_allocate_nothing(file, lie):
    data, message = LIES[lie]
    assert file.write_bytes(data) < 20_000
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    with pytest.raises(ValueError) as caught:
        load_weights(file)
    assert time.process_time() - start < 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # KB
    assert message in str(caught.value) and str(file) in str(caught.value)
    assert '\n' not in str(caught.value) and len(str(caught.value)) < 600


@pytest.mark.parametrize('zipped', [True, False])
def test_a_truncated_file_is_refused_wherever_it_ends(file, zipped):
    torch.save(content(), file, _use_new_zipfile_serialization=zipped)
    data = file.read_bytes()
    for size in range(0, len(data) - 1, len(data) // 40):
        file.write_bytes(data[:size])
        with pytest.raises(ValueError, match=r'a\.pth (cannot be read .* is it complete|holds [\w.]+, so)'):
            load_weights(file)


def test_attributes_of_an_ordered_dict_hide_nothing(file):
    """A file could replace its methods by anything that is allowed in it."""
    weights = OrderedDict(x=torch.ones(1), y=3)
    weights.get = weights.values = weights.keys = weights.__class__
    torch.save(weights, file)
    with pytest.raises(ValueError, match='a.pth: its state dict is malformed'):
        load_weights(file)
    del weights.get
    torch.save(weights, file)
    with pytest.raises(ValueError, match="expected a dense tensor for 'y', found int"):
        load_weights(file)


class Other:
    pass


class Call:
    """Calls a function when it is unpickled."""

    def __init__(self, function, *args):
        self.reduced = function, args

    def __reduce__(self):
        return self.reduced


@pytest.mark.skipif(not hasattr(torch.serialization, 'safe_globals'), reason='torch has no list of its own')
def test_a_class_that_the_user_allows_is_read(file):
    torch.save(dict(meta=Other()), file)
    allowed = [Other, np.ndarray, np.dtype]
    with torch.serialization.safe_globals(allowed):
        before = set(torch.serialization.get_safe_globals())
        assert isinstance(read_torch_file(file)['meta'], Other)
        assert set(torch.serialization.get_safe_globals()) == before


ARRAYS = [np.arange(6).reshape(2, 3).astype(dtype) for dtype in ('u1', 'i8', 'f2', 'f4', '>f8', 'c8', 'bool')]
ARRAYS += [np.array(['nose', 'ear']), np.array([b'x', b'yz']), np.asfortranarray(np.eye(2, 3))]
ARRAYS += [np.ones(()), np.ones((0, 2))]


@pytest.mark.parametrize('zipped', [True, False])
def test_the_data_of_a_run_is_read(file, zipped):
    """What MMEngine, our hooks and other projects store beside weights."""
    first, second = HistoryBuffer([1.0, 2.5], [1, 3]), HistoryBuffer()
    scalars = [np.float64(0.1), np.int64(3), np.float32(2), np.bool_(True)]
    options = argparse.Namespace(lr=0.1, betas=(0.9, 0.95), size=[224, 224])
    rest = dict(bytes=b'abc', names={'a', 'b'}, part=slice(1, 2), number=complex(1, 2), none=None)
    whole = dict(meta=dict(arrays=ARRAYS, scalars=scalars, **rest), args=options, message_hub=dict(a=first, b=second))
    torch.save(whole, file, _use_new_zipfile_serialization=zipped)
    read = read_torch_file(file)
    expected = pickle.loads(pickle.dumps(ARRAYS))  # NumPy changes the byte order
    for array, theirs in zip(read['meta'].pop('arrays'), expected, strict=True):
        assert array.dtype == theirs.dtype and pickle.dumps(array) == pickle.dumps(theirs)
    assert read['meta'] == dict(scalars=scalars, **rest) and read['args'] == options
    assert [type(value) for value in read['meta']['scalars']] == [type(value) for value in scalars]
    history = read['message_hub']['a']
    history.update(4.5)
    assert history.data[0].tolist() == [1.0, 2.5, 4.5] and history.mean() == (1 + 2.5 + 4.5) / 5  # counts 1, 3 and 1
    torch.save(read, file)
    assert b'Array' not in file.read_bytes()  # of NumPy again


class Hostile(np.ndarray):
    """Pickled as an array whose dtype would make NumPy follow the pointers in its content."""

    def __reduce__(self):
        fields = (3, '<', None, ('a',), {'a': (np.dtype('O'), 0)}, 8, 8, 0)
        content = (0x4141414141414141).to_bytes(8, 'little')
        kind = Call(np.dtype, 'f8', False, True)
        kind.reduced += (fields,)
        return (*np.ones(1).__reduce__()[:2], (1, (1,), kind, False, content))


OTHER = rf'{re.escape(Other.__module__)}\.Other'


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (
            Other(),
            rf'holds {OTHER}, so reading it could run code.*torch\.serialization\.add_safe_globals\(\[{OTHER}\]\)',
        ),
        # arrays of objects
        (np.ones(1).view(Hostile), ''),
        (np.array([Other(), None]), ''),
        (np.array([None, 'a']), ''),
        # getattr reaches a history's statistics alone
        (Call(getattr, HistoryBuffer, '__init__'), r"is it complete\? \('__init__'\)"),
        (Call(getattr, OrderedDict, 'items'), r"is it complete\? \('items'\)"),
        (Call(getattr, list, 'append'), r'holds (builtins\.)?list'),
    ],
)
def test_what_is_no_data_is_refused(file, content, message):
    torch.save(dict(meta=content, state_dict={'x': torch.ones(1)}), file)
    with pytest.raises(ValueError, match=rf'a\.pth .*{message}'):
        read_torch_file(file)


def test_a_run_continues_from_a_copy_of_the_optimizer(file):
    state = dict(state={0: dict(exp_avg=torch.zeros(1000))}, param_groups=[dict(lr=0.1, params=[0])])
    torch.save(dict(state_dict={'x': torch.ones(1)}, optimizer=state, meta=dict(iter=3), message_hub={}), file)
    content = load_from_resume(f'vitpose-resume://{file}', 'cpu')
    file.write_bytes(b'')  # a mapped tensor would end the process
    assert content['optimizer']['state'][0]['exp_avg'].sum() == 0 and content['meta'] == dict(iter=3)
    assert content['optimizer']['param_groups'] == [dict(lr=0.1, params=[0])]
