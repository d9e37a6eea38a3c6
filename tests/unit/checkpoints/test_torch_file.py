"""Files of torch.save are read as torch.load reads them, but nothing in them is believed."""

import os
import pickle
import resource
import struct
import time
import zipfile
from collections import OrderedDict

import pytest
import torch

from vitpose_mm.checkpoints.safe_load import load_weights
from vitpose_mm.checkpoints.torch_file import read_torch_file

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


def nested_key(file):
    """Hashing the key would take 2**60 steps."""
    archive(file, b'\x80\x02}' + b')' + b'2\x86' * 60 + b'K\x01s.', {})


def nested_shape(file):
    """Printing the shape would, too."""
    first, last = tensor_pickle(4, (8, 8)).split(b'K\x08K\x08\x86')
    archive(file, first + b')' + b'2\x86' * 60 + last, {'0': bytes(16)})


def endless_dicts(file):
    """Dicts of dicts, each of 50 references to the next: 50**8 in all."""
    inner = {}
    for _ in range(9):
        inner = {str(n): inner for n in range(50)}
    archive(file, pickle.dumps(inner, 2), {})


def nested_json(file):
    file.with_name('model.safetensors.index.json').write_text('[' * 100_000)
    file.write_bytes(b'x')


@pytest.mark.parametrize(
    ('make', 'message'),
    [
        (bomb, 'is compressed and claims'),
        (short_storage, 'claims 2147483648 bytes, the file has 64'),
        (no_storage, "storage '7' is not in the file"),
        (repeated, 'in a storage of 4 elements'),
        (outside, 'in a storage of 4 elements'),
        (negative, 'impossible shape or stride'),
        (old_claim, 'claims 536870912 elements, the file ends before'),
        (wide_memo, 'found list'),
        (huge_text, 'is it complete?'),
        (nested_key, 'a dict with a key of type tuple'),
        (nested_shape, 'impossible shape or stride'),
        (endless_dicts, "expected a tensor for '0', found OrderedDict"),
        (lambda file: file.write_bytes(b''), 'the file is empty'),
        (lambda file: file.write_bytes(b'PK\x03\x04' + bytes(100)), 'is it complete?'),
        (lambda file: file.write_bytes(os.urandom(1000)), 'is it complete?'),
        (lambda file: file.write_text('<html>not found</html>'), 'is it complete?'),
    ],
)
def test_lies_give_one_line_at_once_and_allocate_nothing(tmp_path, make, message):
    file = tmp_path / 'bad.pth'
    make(file)
    assert file.stat().st_size < 20_000
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    with pytest.raises(ValueError) as caught:
        load_weights(file)
    assert time.perf_counter() - start < 1
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
            with pytest.raises(ValueError, match='is it complete'):
                load_weights(short)


def test_attributes_of_an_ordered_dict_are_ignored(tmp_path):
    """A file could replace its methods by anything."""
    weights = OrderedDict(x=torch.ones(1))
    weights.get = weights.values = weights.__class__
    torch.save(weights, tmp_path / 'a.pth')
    assert list(load_weights(tmp_path / 'a.pth').values()) == [torch.ones(1)]
