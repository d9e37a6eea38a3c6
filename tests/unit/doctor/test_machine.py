"""Requirements for installing the stack: disk space, compilers, headers and memory."""

import os
import shutil
import sysconfig
from pathlib import Path
from types import SimpleNamespace

import pytest

from vitpose.doctor import machine
from vitpose.doctor.machine import find_machine_problems


def problems() -> str:
    return '\n'.join(' '.join(bad) for bad in find_machine_problems())


@pytest.fixture(autouse=True)
def enough_disk_space(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, 'disk_usage', lambda path: SimpleNamespace(free=50 * 2**30))
    for name in ('CC', 'CXX'):
        monkeypatch.delenv(name, raising=False)


def test_this_machine_has_no_problems() -> None:
    assert problems() == ''


def test_full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, 'disk_usage', lambda path: SimpleNamespace(free=2**30))
    assert '1.0 GB are free' in problems()


def test_no_compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv('PATH', str(tmp_path))
    assert 'no C compiler (cc)' in problems() and 'no C++ compiler (c++)' in problems()


def test_old_compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / 'old').write_text('#!/bin/sh\necho "unrecognized command line option -std=c++20" >&2; exit 1\n')
    (tmp_path / 'old').chmod(0o755)
    monkeypatch.setenv('CXX', str(tmp_path / 'old'))
    assert 'does not support C++20' in problems()


def test_no_headers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sysconfig, 'get_paths', lambda: {'include': str(tmp_path)})
    assert f'headers are missing ({tmp_path}/Python.h)' in problems()


def test_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    page = os.sysconf('SC_PAGE_SIZE')
    monkeypatch.setattr(machine.os, 'sysconf', lambda name: page if name == 'SC_PAGE_SIZE' else 2**30 // page)
    assert '1.0 GB of memory' in problems()
