"""The wheel of mmcv's ops: its name in the cache, what counts as one, how it is found and built."""

import subprocess
import sys
import zipfile
from pathlib import Path

import mmcv_wheel
import pytest
from mmcv_wheel import Target, build, build_environment, cache_folder, cache_name, find, has_ops

NEW = Target('2.14.1+cu130', None, 'cp311', 'linux-x86_64')
OLD = Target('2.1.2', None, 'cp310', 'linux-x86_64')
INFO = 'onedl_mmcv-2.3.6.dist-info'
TAG = f'cp{sys.version_info[0]}{sys.version_info[1]}'


def make_wheel(folder, ops=True, tag=f'{TAG}-{TAG}-linux_x86_64'):
    """Write a wheel as small as pip takes one."""
    path = folder / f'onedl_mmcv-2.3.6-{tag}.whl'
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr('mmcv/__init__.py', '')
        archive.writestr(f'{INFO}/METADATA', 'Metadata-Version: 2.1\nName: onedl-mmcv\nVersion: 2.3.6\n')
        archive.writestr(f'{INFO}/WHEEL', f'Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: {tag}\n')
        archive.writestr(f'{INFO}/RECORD', '')
        if ops:
            archive.writestr(f'mmcv/_ext.{tag}.so', 'ops')
    return path


def test_the_cache_name_holds_all_that_the_wheel_depends_on():
    name = cache_name('2.3.6', NEW)
    for part in ('2.3.6', '2.14.1+cu130', 'cp311', 'linux_x86_64', 'cpu'):
        assert part in name
    others = [
        NEW._replace(torch='2.14.0'),
        NEW._replace(cuda='13.0'),
        NEW._replace(python='cp312'),
        NEW._replace(platform='linux-aarch64'),
    ]
    names = {name, cache_name('2.3.5', NEW), *(cache_name('2.3.6', other) for other in others)}
    assert len(names) == 6


def test_the_cache_is_where_the_user_keeps_caches(monkeypatch, tmp_path):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'x'))
    assert cache_folder() == tmp_path / 'x' / 'vitpose_mm' / 'wheels'
    monkeypatch.delenv('XDG_CACHE_HOME')
    monkeypatch.setenv('HOME', str(tmp_path))
    assert cache_folder() == tmp_path / '.cache' / 'vitpose_mm' / 'wheels'


def test_a_wheel_without_ops_does_not_count(tmp_path):
    assert has_ops(make_wheel(tmp_path))
    assert not has_ops(make_wheel(tmp_path, ops=False, tag='py2.py3-none-any'))
    (tmp_path / 'broken.whl').write_bytes(b'half a download')
    assert not has_ops(tmp_path / 'broken.whl')


@pytest.mark.parametrize('ops', [True, False])
def test_pips_own_find_links_are_asked(tmp_path, monkeypatch, ops):
    links, taken = tmp_path / 'links', tmp_path / 'taken'
    links.mkdir()
    wheel = make_wheel(links, ops, f'{TAG}-{TAG}-linux_x86_64' if ops else 'py2.py3-none-any')
    monkeypatch.setenv('PIP_FIND_LINKS', str(links))
    assert find('onedl-mmcv==2.3.6', sys.executable, taken) == (taken / wheel.name if ops else None)


def test_the_compiler_is_told_c20_last(tmp_path, monkeypatch):
    monkeypatch.setenv('CXX', 'echo')
    env = build_environment(NEW, tmp_path)
    said = subprocess.run([env['CXX'], '-std=c++17', 'a b.cpp'], capture_output=True, text=True, check=True)
    assert said.stdout.split() == ['-std=c++17', 'a', 'b.cpp', '-std=c++20']
    assert build_environment(OLD, tmp_path)['CXX'] == 'echo'


def test_without_a_gpu_no_cuda_is_built(tmp_path, monkeypatch):
    monkeypatch.delenv('FORCE_CUDA', raising=False)
    env = build_environment(NEW, tmp_path)
    assert (env['MMCV_WITH_OPS'], env['FORCE_CUDA'], env['CUDA_VISIBLE_DEVICES']) == ('1', '0', '')
    assert env['CFLAGS'].startswith('-g0 -O2') and int(env['MAX_JOBS']) >= 1
    assert 'FORCE_CUDA' not in build_environment(NEW._replace(cuda='13.0'), tmp_path)


@pytest.mark.parametrize(('release', 'cuda'), [('release 13.0, V13.0.88', '13.0'), ('release 12.4', None)])
def test_cuda_counts_with_a_compiler_of_the_same_major(tmp_path, monkeypatch, release, cuda):
    fake = tmp_path / 'python'
    fake.write_text('#!/bin/sh\necho \'["2.14.1", "13.0", "cp311", "linux-x86_64"]\'\n')
    nvcc = tmp_path / 'bin' / 'nvcc'
    nvcc.parent.mkdir()
    nvcc.write_text(f'#!/bin/sh\necho "Cuda compilation tools, {release}"\n')
    for path in (fake, nvcc):
        path.chmod(0o755)
    monkeypatch.setenv('CUDA_HOME', str(tmp_path))
    monkeypatch.delenv('FORCE_CUDA', raising=False)
    assert mmcv_wheel.target_of(str(fake)).cuda == cuda
    monkeypatch.setenv('FORCE_CUDA', '0')
    assert mmcv_wheel.target_of(str(fake)).cuda is None


class FakePip:
    """Plays `pip download` and `pip wheel`; the latter fails as often as told."""

    def __init__(self, failures):
        self.failures, self.calls = failures, []

    def __call__(self, command, env):
        self.calls.append(command[3])
        if command[3] == 'download':
            folder = Path(command[command.index('-d') + 1])
            command = ['tar', 'czf', folder / 'mmcv.tar.gz', '-C', folder.parents[2], 'onedl-mmcv-2.3.6']
            subprocess.run(command, check=True)
            return
        out = Path(command[command.index('-w') + 1])
        (out / 'half.whl').write_bytes(b'half')
        if self.failures:
            self.failures -= 1
            raise RuntimeError('killed')
        make_wheel(out)


def test_a_build_reaches_the_cache_whole_and_goes_on_where_it_stopped(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    (tmp_path / 'onedl-mmcv-2.3.6').mkdir()
    work, pip = tmp_path / 'setup' / 'mmcv', FakePip(failures=1)
    place = cache_folder() / cache_name('2.3.6', NEW)
    with pytest.raises(RuntimeError):
        build('onedl-mmcv==2.3.6', sys.executable, NEW, work, pip)
    assert list(place.rglob('*')) == []  # nothing half done where a later run would take it
    assert (work / place.name).is_dir()  # but the objects stay
    wheel = build('onedl-mmcv==2.3.6', sys.executable, NEW, work, pip)
    assert wheel.parent == place and has_ops(wheel)
    assert [path.name for path in place.iterdir()] == [wheel.name]
    assert pip.calls == ['download', 'wheel', 'wheel']
    assert not (work / place.name).exists()
