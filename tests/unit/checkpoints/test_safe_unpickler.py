"""Files of torch.save are read as torch.load reads them; of hostile ones, nothing runs. Both readers are tested."""

import argparse
import os
import pickle
import re
import resource
import struct
import sys
import time
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer

from vitpose_mm.checkpoints import safe_unpickler
from vitpose_mm.checkpoints.safe_load import load_from_resume, load_weights
from vitpose_mm.checkpoints.safe_unpickler import read_torch_file

OLD_ONLY = pytest.mark.skipif(not safe_unpickler.SAFE_TORCH, reason='this torch is read by the unpickler alone')


@pytest.fixture(params=[pytest.param(True, marks=OLD_ONLY), False], ids=['torch', 'unpickler'], autouse=True)
def reader(request, monkeypatch):
    """Read by torch, and as with versions of torch that cannot."""
    monkeypatch.setattr(safe_unpickler, 'SAFE_TORCH', request.param)
    return 'torch' if request.param else 'unpickler'


DTYPES = [
    torch.float32,
    torch.float64,
    torch.float16,
    torch.bfloat16,
    torch.int64,
    torch.int32,
    torch.uint8,
    torch.bool,
]


def content():
    torch.manual_seed(0)
    shared = torch.randn(6, 4)
    weights = OrderedDict((str(dtype), (torch.randn(3, 5) * 3).to(dtype)) for dtype in DTYPES)
    weights |= dict(view=shared[1:4, ::2], transposed=shared.T, scalar=torch.tensor(2.5), empty=torch.empty(0, 3))
    weights['parameter'] = torch.nn.Parameter(torch.ones(2))
    return dict(state_dict=weights, meta=dict(epoch=3, names=['a', 'b'], text='x'), optimizer=[1.5, None, True])


@pytest.mark.parametrize('zipped', [True, False])
def test_the_result_is_that_of_torch(tmp_path, zipped):
    file = tmp_path / 'a.pth'
    torch.save(content(), file, _use_new_zipfile_serialization=zipped)
    found, expected = read_torch_file(file), torch.load(file, weights_only=False)
    assert found['meta'] == expected['meta'] and found['optimizer'] == expected['optimizer']
    assert list(found['state_dict']) == list(expected['state_dict'])
    for key, value in expected['state_dict'].items():
        own = found['state_dict'][key]
        assert own.dtype == value.dtype and own.stride() == value.stride() and torch.equal(own, value), key
    assert torch.equal(found['state_dict']['view'] + 1, expected['state_dict']['view'] + 1)


def test_the_file_is_never_changed(tmp_path):
    file = tmp_path / 'a.pth'
    torch.save({'x': torch.zeros(1000)}, file)
    before = file.read_bytes()
    load_weights(file)['x'] += 1
    assert file.read_bytes() == before


def archive(file, pickled, storages, compression=zipfile.ZIP_STORED):
    """An archive as torch.save lays it out, with any content."""
    with zipfile.ZipFile(file, 'w', compression) as out:
        out.writestr('archive/data.pkl', pickled)
        out.writestr('archive/byteorder', sys.byteorder)
        out.writestr('archive/version', '3\n')
        for key, part in storages.items():
            out.writestr(f'archive/data/{key}', part)


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

    import io

    out = io.BytesIO()
    Pickler(out, 2).dump({'x': Tensor()})
    return out.getvalue()


GB = 1 << 30


def bomb(file):
    archive(file, tensor_pickle(GB // 2), {'0': bytes(8_000_000)}, zipfile.ZIP_DEFLATED)


def short_storage(file):
    archive(file, tensor_pickle(GB // 2), {'0': bytes(64)})


def no_storage(file):
    archive(file, tensor_pickle(4, key='7'), {'0': bytes(64)})


def repeated(file):
    archive(file, tensor_pickle(4, (GB,), (0,)), {'0': bytes(64)})


def outside(file):
    archive(file, tensor_pickle(4, (2, 2), (3, 1)), {'0': bytes(16)})


def negative(file):
    archive(file, tensor_pickle(4, (2, 2), (-1, 1)), {'0': bytes(16)})


def old_claim(file):
    torch.save({'x': torch.zeros(4)}, file, _use_new_zipfile_serialization=False)
    data = file.read_bytes()
    at = data.rindex(struct.pack('<q', 4))
    file.write_bytes(data[:at] + struct.pack('<q', GB // 2) + data[at + 8 :])


def wide_memo(file):
    """A memo of 2**32 entries: the unpickler in C allocates it."""
    archive(file, b'\x80\x02]r' + struct.pack('<I', 2**32 - 1) + b'.', {})


def huge_text(file):
    archive(file, b'\x80\x04\x8d' + struct.pack('<Q', 2 * GB) + b'abc.', {})


def nested_shape(file):
    """Printing the shape would take 2**60 steps."""
    first, last = tensor_pickle(4, (8, 8)).split(b'K\x08K\x08\x86')
    archive(file, first + b')' + b'2\x86' * 60 + last, {'0': bytes(16)})


def endless_dicts(file):
    """Dicts of dicts, each of 50 references to the next: 50**8 in all."""
    inner = {}
    for _ in range(9):
        inner = {str(n): inner for n in range(50)}
    archive(file, pickle.dumps(inner, 2), {})


@pytest.mark.parametrize(
    ('make', 'message'),
    [
        (bomb, 'is compressed'),
        (short_storage, 'is it complete?'),
        (no_storage, 'is it complete?'),
        (repeated, "'x' of shape (1073741824,) repeats a smaller tensor"),
        (outside, 'is it complete?'),
        (negative, 'is it complete?'),
        (old_claim, 'is it complete?'),
        (wide_memo, 'found list'),
        (huge_text, 'is it complete?'),
        (nested_shape, 'is it complete?'),
        (endless_dicts, "expected a dense tensor for '0', found dict"),
        (lambda file: file.write_bytes(b''), 'is it complete?'),
        (lambda file: file.write_bytes(b'PK\x03\x04' + bytes(100)), 'is it complete?'),
        (lambda file: file.write_bytes(os.urandom(1000)), 'is it complete?'),
        (lambda file: file.write_text('<html>not found</html>'), 'is it complete?'),
    ],
)
def test_lies_give_one_line_at_once_and_allocate_nothing(tmp_path, make, message):
    file = tmp_path / 'bad.pth'
    make(file)
    assert file.stat().st_size < 20_000
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    with pytest.raises(ValueError) as caught:
        load_weights(file)
    assert time.process_time() - start < 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # KB
    assert message in str(caught.value) and str(file) in str(caught.value)
    assert '\n' not in str(caught.value) and len(str(caught.value)) < 600


def test_a_truncated_file_is_refused_wherever_it_ends(tmp_path):
    whole, short = tmp_path / 'whole.pth', tmp_path / 'short.pth'
    for zipped in (True, False):
        torch.save(content(), whole, _use_new_zipfile_serialization=zipped)
        data = whole.read_bytes()
        for size in range(0, len(data) - 1, len(data) // 40):
            short.write_bytes(data[:size])
            with pytest.raises(ValueError, match=r'short\.pth (cannot be read .* is it complete|holds torch\.)'):
                load_weights(short)


def test_attributes_of_an_ordered_dict_hide_nothing(tmp_path):
    """A file could replace its methods by anything that is allowed in it."""
    weights = OrderedDict(x=torch.ones(1), y=3)
    weights.get = weights.values = weights.keys = weights.__class__
    torch.save(weights, tmp_path / 'a.pth')
    with pytest.raises(ValueError, match='a.pth: its state dict is malformed'):
        load_weights(tmp_path / 'a.pth')
    del weights.get
    torch.save(weights, tmp_path / 'a.pth')
    with pytest.raises(ValueError, match="expected a dense tensor for 'y', found int"):
        load_weights(tmp_path / 'a.pth')


class Other:
    pass


class Call:
    """Calls a function when it is unpickled."""

    def __init__(self, function, *args):
        self.reduced = function, args

    def __reduce__(self):
        return self.reduced


def test_an_unknown_class_is_named_with_the_way_out(tmp_path):
    torch.save(dict(meta=Other(), state_dict={'x': torch.ones(1)}), tmp_path / 'a.pth')
    name = rf'{re.escape(Other.__module__)}\.Other'
    match = rf'a\.pth holds {name}, so reading it could run code.*torch\.serialization\.add_safe_globals\(\[{name}\]\)'
    with pytest.raises(ValueError, match=match):
        read_torch_file(tmp_path / 'a.pth')


@pytest.mark.skipif(not hasattr(torch.serialization, 'safe_globals'), reason='torch has no list of its own')
def test_a_class_that_the_user_allows_is_read(tmp_path):
    torch.save(dict(meta=Other()), tmp_path / 'a.pth')
    allowed = [Other, np.ndarray, np.dtype]
    with torch.serialization.safe_globals(allowed):
        before = set(torch.serialization.get_safe_globals())
        assert isinstance(read_torch_file(tmp_path / 'a.pth')['meta'], Other)
        assert set(torch.serialization.get_safe_globals()) == before


ARRAYS = [np.arange(6).reshape(2, 3).astype(dtype) for dtype in ('u1', 'i8', 'f2', 'f4', '>f8', 'c8', 'bool')]
ARRAYS += [np.array(['nose', 'ear']), np.array([b'x', b'yz']), np.asfortranarray(np.eye(2, 3)), np.ones(())]
ARRAYS += [np.ones((0, 2))]


@pytest.mark.parametrize('zipped', [True, False])
def test_the_data_of_a_run_is_read(tmp_path, zipped):
    """What MMEngine, our hooks and other projects store beside weights."""
    first, second = HistoryBuffer([1.0, 2.5], [1, 3]), HistoryBuffer()
    scalars = [np.float64(0.1), np.int64(3), np.float32(2), np.bool_(True)]
    options = argparse.Namespace(lr=0.1, betas=(0.9, 0.95), size=[224, 224])
    rest = dict(bytes=b'abc', names={'a', 'b'}, part=slice(1, 2), number=complex(1, 2), none=None)
    whole = dict(meta=dict(arrays=ARRAYS, scalars=scalars, **rest), args=options, message_hub=dict(a=first, b=second))
    torch.save(whole, tmp_path / 'a.pth', _use_new_zipfile_serialization=zipped)
    found = read_torch_file(tmp_path / 'a.pth')
    expected = pickle.loads(pickle.dumps(ARRAYS))  # NumPy changes the byte order
    for own, array in zip(found['meta'].pop('arrays'), expected, strict=True):
        assert own.dtype == array.dtype and np.array_equal(own, array) and pickle.dumps(own) == pickle.dumps(array)
    assert found['meta'] == dict(scalars=scalars, **rest) and found['args'] == options
    assert [type(value) for value in found['meta']['scalars']] == [type(value) for value in scalars]
    found['message_hub']['a'].update(4.5)
    assert found['message_hub']['a'].data[0].tolist() == [1.0, 2.5, 4.5]
    assert found['message_hub']['a'].mean() == (1 + 2.5 + 4.5) / 5  # counts 1, 3 and 1
    torch.save(found, tmp_path / 'b.pth')
    assert b'Array' not in (tmp_path / 'b.pth').read_bytes()  # of NumPy again


class Hostile(np.ndarray):
    """Pickled as an array whose dtype would make NumPy follow the pointers in its content."""

    def __reduce__(self):
        fields = (3, '<', None, ('a',), {'a': (np.dtype('O'), 0)}, 8, 8, 0)
        content = (0x4141414141414141).to_bytes(8, 'little')
        kind = Call(np.dtype, 'f8', False, True)
        kind.reduced += (fields,)
        return (*np.ones(1).__reduce__()[:2], (1, (1,), kind, False, content))


@pytest.mark.parametrize('content', [np.ones(1).view(Hostile), np.array([Other(), None]), np.array([None, 'a'])])
def test_arrays_of_objects_are_refused(tmp_path, content):
    torch.save(dict(meta=content), tmp_path / 'a.pth')
    with pytest.raises(ValueError, match=r'a\.pth'):
        read_torch_file(tmp_path / 'a.pth')


@pytest.mark.parametrize(('owner', 'name'), [(HistoryBuffer, '__init__'), (OrderedDict, 'items'), (list, 'append')])
def test_getattr_reaches_statistics_alone(tmp_path, owner, name):
    torch.save(dict(meta=Call(getattr, owner, name)), tmp_path / 'a.pth')
    with pytest.raises(ValueError, match=rf"is it complete\? \('{name}'\)|holds (builtins\.)?list"):
        read_torch_file(tmp_path / 'a.pth')


def test_a_run_continues_from_a_copy_of_the_optimizer(tmp_path):
    file = tmp_path / 'epoch_1.pth'
    state = dict(state={0: dict(exp_avg=torch.zeros(1000))}, param_groups=[dict(lr=0.1, params=[0])])
    torch.save(dict(state_dict={'x': torch.ones(1)}, optimizer=state, meta=dict(iter=3), message_hub={}), file)
    found = load_from_resume(f'vitpose-resume://{file}', 'cpu')
    file.write_bytes(b'')  # a mapped tensor would end the process
    assert found['optimizer']['state'][0]['exp_avg'].sum() == 0 and found['meta'] == dict(iter=3)
    assert found['optimizer']['param_groups'] == [dict(lr=0.1, params=[0])]
