import os
import shutil
import sysconfig
from types import SimpleNamespace

import pytest

from vitpose.doctor import known_bad


@pytest.fixture
def problems(monkeypatch):
    monkeypatch.setattr(shutil, 'disk_usage', lambda path: SimpleNamespace(free=50 * 2**30))
    for name in ('CC', 'CXX'):
        monkeypatch.delenv(name, raising=False)
    return lambda: '\n'.join(map(' '.join, known_bad.find_machine_problems()))


def test_full_disk_and_little_memory(problems, monkeypatch):
    assert problems() == ''  # of this machine
    monkeypatch.setattr(shutil, 'disk_usage', lambda path: SimpleNamespace(free=2**30))
    page = os.sysconf('SC_PAGE_SIZE')
    monkeypatch.setattr(known_bad.os, 'sysconf', lambda name: page if name == 'SC_PAGE_SIZE' else 2**30 // page)
    assert '1.0 GB are free' in problems() and '1.0 GB of memory' in problems()


def test_windows_has_no_sysconf(problems, monkeypatch):
    monkeypatch.delattr(os, 'sysconf')
    assert problems() == ''


def test_no_compiler(problems, monkeypatch, tmp_path):
    monkeypatch.setenv('PATH', str(tmp_path))
    assert 'no C compiler (cc)' in problems() and 'no C++ compiler (c++)' in problems()


def test_an_empty_variable_names_no_compiler(problems, monkeypatch):
    before = problems()
    for name in ('CC', 'CXX'):
        monkeypatch.setenv(name, '')
    assert problems() == before


def test_old_compiler_and_no_headers(problems, monkeypatch, tmp_path):
    (tmp_path / 'old').write_text('#!/bin/sh\necho "unrecognized command line option -std=c++20" >&2; exit 1\n')
    (tmp_path / 'old').chmod(0o755)
    monkeypatch.setenv('CXX', str(tmp_path / 'old'))
    monkeypatch.setattr(sysconfig, 'get_paths', lambda: {'include': str(tmp_path)})
    assert 'does not support C++20' in problems() and f'headers are missing ({tmp_path}/Python.h)' in problems()
