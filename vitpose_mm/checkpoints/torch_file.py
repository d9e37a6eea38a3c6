"""Read files of torch.save without torch.load: no code runs, and nothing is allocated that the file does not hold.

torch.load believes the sizes that a file claims, unpacks compressed archives, and runs code in TorchScript and
in pickles. Here tensors are views of the mapped file.
"""

import io
import math
import mmap
import struct
import sys
import tarfile
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .unpickler import Skipped, Unpickler, Weights

_OLD_MAGIC = 0x1950A86A20F9469CFC6C
_MAX_PICKLE = 1 << 28  # bytes; a pickle holds names and training logs, not weights


class _Reader:
    """Checks what a pickle claims about tensors against the mapped file."""

    def __init__(self, data: Any):
        self.data = data
        self.places: dict[str, tuple[int, int]] = {}  # of a storage, by key: first byte, bytes
        self.claims: dict[str, tuple[torch.dtype, int]] = {}  # of old files, whose storages follow the pickle
        self._cache: dict[str, Tensor] = {}
        self._filled: dict[int, OrderedDict] = {}

    def storage(self, pid: Any) -> Any:
        """A storage from its persistent id: ('storage', dtype, key, device, elements[, view])."""
        if not isinstance(pid, tuple) or len(pid) not in (5, 6) or pid[0] != 'storage':
            raise ValueError(f'an unknown persistent id of type {type(pid).__name__}')
        dtype, key, count = pid[1], pid[2], pid[4]
        if not isinstance(dtype, torch.dtype):
            return Skipped()
        if type(key) not in (str, int) or type(count) is not int or count < 0:
            raise ValueError('a storage without a name or a size')
        key = str(key)
        if len(pid) == 6 and pid[5] is not None:
            raise ValueError('a storage that is a part of another, which torch no longer writes')
        self.claims[key] = (dtype, count)
        return (key, dtype, count)

    def tensor(self, storage: Any, offset: Any, size: Any, stride: Any, *_: object) -> Any:
        """A tensor of a storage; checked now, filled in by `fill`."""
        if isinstance(storage, Skipped):
            return storage
        key, dtype, count = storage
        size, stride = tuple(size), tuple(stride)
        numbers = (offset, *size, *stride)
        # before they are printed: the text of nested tuples could be endless
        if len(size) != len(stride) or len(size) > 16 or any(type(n) is not int or not 0 <= n < 2**48 for n in numbers):
            raise ValueError('a tensor with an impossible shape or stride')
        last = offset + sum((side - 1) * step for side, step in zip(size, stride, strict=True))
        if math.prod(size) > count or (math.prod(size) and last >= count):
            raise ValueError(f'a tensor of shape {size} in a storage of {count} elements')
        return _Pending(key, offset, size, stride)

    def elements(self, key: str) -> Tensor:
        """All elements of a storage (count,), as a view of the file."""
        if key not in self._cache:
            dtype, count = self.claims[key]
            if key not in self.places:
                raise ValueError(f'storage {key!r} is not in the file')
            start, size = self.places[key]
            if count * dtype.itemsize > size:
                raise ValueError(f'storage {key!r} claims {count * dtype.itemsize} bytes, the file has {size} of it')
            if not count:
                self._cache[key] = torch.empty(0, dtype=dtype)
            elif start % dtype.itemsize or dtype is torch.bool:  # old files do not align; a byte 2 is no bool
                part = torch.frombuffer(self.data, dtype=torch.uint8, count=count * dtype.itemsize, offset=start)
                self._cache[key] = part != 0 if dtype is torch.bool else part.clone().view(dtype)
            else:
                self._cache[key] = torch.frombuffer(self.data, dtype=dtype, count=count, offset=start)
        return self._cache[key]

    def fill(self, content: Any, depth: int = 0) -> Any:
        """Replace what stands for tensors and OrderedDicts in nested dicts; other containers stay as they are."""
        if isinstance(content, _Pending):
            return self.elements(content.key).as_strided(content.size, content.stride, content.offset)
        if not isinstance(content, dict) or depth > 8:
            return content
        if id(content) in self._filled:  # a dict may be in several places, or in itself
            return self._filled[id(content)]
        filled: OrderedDict = OrderedDict()
        self._filled[id(content)] = filled
        filled.update((key, self.fill(value, depth + 1)) for key, value in content.items())
        versions = _versions(content.metadata) if isinstance(content, Weights) else None
        if versions is not None:
            filled._metadata = versions  # type: ignore[attr-defined]
        return filled


class _Pending(NamedTuple):
    """A tensor of a storage that is read later."""

    key: str
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


def _versions(metadata: Any) -> dict | None:
    """The `_metadata` of a state dict, if it is plain: {module: {name: integer, or tuple of integers and text}}."""
    if not isinstance(metadata, dict):
        return None

    def plain(value: object) -> bool:
        return type(value) in (int, bool) or (type(value) is tuple and all(type(part) in (int, str) for part in value))

    return {
        module: {name: value for name, value in own.items() if isinstance(name, str) and plain(value)}
        for module, own in metadata.items()
        if isinstance(module, str) and isinstance(own, dict)
    }


def read_torch_file(path: Path) -> Any:
    """Read what torch.save wrote, on the CPU: dicts, lists, numbers and text as they are, tensors as views of the file.

    Args:
        path: the file; it must not be changed in place while its tensors are in use.

    Raises:
        ValueError: it is damaged, claims more than it holds, or torch.load would do more than unpickle it.
    """
    with path.open('rb') as file:
        size = file.seek(0, 2)
        if size == 0:
            raise ValueError('the file is empty')
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        file.seek(0)
        reader = _Reader(data)
        if data[:4] == b'PK\x03\x04':
            pickled = _open_archive(file, reader)
            return reader.fill(Unpickler(pickled, reader).load())
        if _is_tar(file):
            raise ValueError('it is a tar archive, the oldest format of torch.save')
        return _read_old(reader)


def _is_tar(file: Any) -> bool:
    file.seek(257)
    tar = file.read(5) == b'ustar'
    file.seek(0)
    if not tar:
        try:
            tarfile.open(fileobj=file, mode='r:').close()
            tar = True
        except Exception:  # a damaged archive can make tarfile raise anything
            pass
    file.seek(0)
    return tar


def _open_archive(file: Any, reader: _Reader) -> Any:
    """The pickle of a zip archive; notes where its storages are."""
    size = len(reader.data)
    with zipfile.ZipFile(file) as archive:
        infos = archive.infolist()
    names = {info.filename.partition('/')[2] for info in infos}
    if 'constants.pkl' in names:
        raise ValueError('it is a TorchScript archive, and loading it runs code')
    pickles = []
    for info in infos:
        if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
            raise ValueError(
                f'{info.filename!r} is compressed and claims {info.file_size} bytes; torch.save does not compress'
            )
        head = reader.data[info.header_offset : info.header_offset + 30]
        if len(head) < 30 or head[:4] != b'PK\x03\x04':
            raise ValueError(f'{info.filename!r} is not where the archive says')
        name, extra = struct.unpack('<HH', head[26:30])
        start = info.header_offset + 30 + name + extra
        if start + info.file_size > size:
            raise ValueError(f'{info.filename!r} claims {info.file_size} bytes, the file ends before')
        _, _, member = info.filename.partition('/')
        if member == 'data.pkl':
            pickles.append((start, info.file_size))
        elif member == 'byteorder' and reader.data[start : start + info.file_size] != sys.byteorder.encode():
            raise ValueError('it was written on a processor of the other byte order')
        elif member.startswith('data/'):
            reader.places[member.removeprefix('data/')] = (start, info.file_size)
    if len(pickles) != 1:
        raise ValueError('it is a zip archive without data.pkl')
    start, length = pickles[0]
    if length > _MAX_PICKLE:
        raise ValueError(f'its pickle has {length} bytes, more than weights need')
    return io.BytesIO(reader.data[start : start + length])


def _read_old(reader: _Reader) -> Any:
    """Torch's format before 1.6: pickles, and the storages one after the other."""
    data = reader.data
    magic = Unpickler(data, reader).load()
    if type(magic) is not int or magic != _OLD_MAGIC:
        raise ValueError('it does not begin as files of torch.save do')
    for _ in ('protocol version', 'machine'):
        Unpickler(data, reader).load()
    content = Unpickler(data, reader).load()
    keys = Unpickler(data, reader).load()
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise ValueError('it has no list of storages')
    at = data.tell()
    for key in keys:
        if key not in reader.claims or at + 8 > len(data):
            raise ValueError(f'storage {key!r} is not in the file')
        width = reader.claims[key][0].itemsize
        (count,) = struct.unpack('<q', data[at : at + 8])
        if count < 0 or at + 8 + count * width > len(data):
            raise ValueError(f'storage {key!r} claims {count} elements, the file ends before')
        reader.places[key] = (at + 8, count * width)
        at += 8 + count * width
    return reader.fill(content)
