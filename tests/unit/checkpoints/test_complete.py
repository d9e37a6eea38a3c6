"""Complete checkpoints: written, checked and found; tests/unit/hooks/test_checkpoint.py kills their writing."""

import io
import os
import re

import pytest
import torch

from vitpose_mm.checkpoints import complete
from vitpose_mm.checkpoints.complete import fault, newest_complete, remove_parts, write_checkpoint, write_pointer

TEMPLATES = ['epoch_{}.pth', 'iter_{}.pth']


def data(iteration, values=1000):
    content = io.BytesIO()
    torch.save(dict(state_dict=dict(weight=torch.arange(values)), meta=dict(iter=iteration)), content)
    return content.getvalue()


def write(path, iteration, cut=None):
    path.write_bytes(data(iteration)[:cut])


def test_a_written_file_is_complete(tmp_path, monkeypatch):
    monkeypatch.setattr(complete, 'CHUNK', 100)  # many calls of os.write
    path = tmp_path / 'epoch_1.pth'
    path.write_bytes(b'the old one')
    write_checkpoint(path, data(5))
    assert path.read_bytes() == data(5) and fault(path) is None
    write_pointer(tmp_path, str(path))
    assert (tmp_path / 'last_checkpoint').read_text() == str(path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ['epoch_1.pth', 'last_checkpoint']


def test_short_writes_are_continued(tmp_path, monkeypatch):
    real = os.write
    monkeypatch.setattr(os, 'write', lambda file, part: real(file, part[:7]))
    write_checkpoint(tmp_path / 'epoch_1.pth', data(5, 10))
    assert (tmp_path / 'epoch_1.pth').read_bytes() == data(5, 10)


def test_a_file_that_does_not_read_back_does_not_replace_the_old_one(tmp_path):
    path = tmp_path / 'epoch_1.pth'
    path.write_bytes(b'the old one')
    with pytest.raises(
        OSError, match=f'{re.escape(str(path))} was not written: the file read back is incomplete: 90 b'
    ):
        write_checkpoint(path, data(5)[:90])
    assert path.read_bytes() == b'the old one' and list(tmp_path.iterdir()) == [path]


def test_faults(tmp_path):
    path = tmp_path / 'a.pth'
    assert fault(path).startswith('is incomplete: 0 bytes')
    for content in (b'', b'text', data(1)[:-1], data(1)[:500]):
        path.write_bytes(content)
        assert fault(path).startswith(f'is incomplete: {len(content)} bytes, ')
    changed = bytearray(data(1))
    changed[changed.index(torch.arange(1000).numpy().tobytes()) + 16] ^= 1
    path.write_bytes(changed)
    assert re.fullmatch(r'is damaged: the checksum of \S*data/0 differs', fault(path))


def test_the_newest_complete_one_by_iteration(tmp_path):
    first, second = tmp_path / 'a', tmp_path / 'b'
    first.mkdir()
    second.mkdir()
    write(first / 'epoch_1.pth', 10)
    write(second / 'iter_30.pth', 30)
    write(first / 'epoch_2.pth', 20)
    for name in ('best_coco_AP_epoch_2.pth', 'epoch_x.pth', 'epoch_9.pth.part', 'epoch_8_pth', 'xepoch_9.pth'):
        write(first / name, 99)
    (first / 'epoch_7.pth').mkdir()
    assert newest_complete([first], TEMPLATES) == (first / 'epoch_2.pth', [])
    folders = [first, second, tmp_path / 'missing', first]
    assert newest_complete(folders, TEMPLATES) == (second / 'iter_30.pth', [])
    assert newest_complete([tmp_path], TEMPLATES) == (None, [])
    write(second / 'iter_40.pth', 40, cut=-9)
    found = newest_complete(folders, TEMPLATES)
    assert found.path == second / 'iter_30.pth'
    assert len(found.skipped) == 1 and found.skipped[0].startswith(f'{second / "iter_40.pth"} is incomplete')


def test_equal_or_unknown_iterations_are_ordered_by_time(tmp_path):
    for number, name in enumerate(('epoch_3.pth', 'epoch_1.pth', 'epoch_2.pth')):
        write(tmp_path / name, 10 if number < 2 else True)  # True is no iteration
        os.utime(tmp_path / name, (1e9 + number, 1e9 + number))
    assert newest_complete([tmp_path], TEMPLATES).path.name == 'epoch_2.pth'
    (tmp_path / 'epoch_2.pth').unlink()
    assert newest_complete([tmp_path], TEMPLATES).path.name == 'epoch_1.pth'


def test_only_parts_of_checkpoints_are_removed(tmp_path):
    for name in ('epoch_1.pth.part', 'epoch_1.pth', 'log.part'):
        (tmp_path / name).touch()
    remove_parts(tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ['epoch_1.pth', 'log.part']
