"""The wheel of mmcv with its compiled ops: found through pip, kept in the cache, or built."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

# torch's headers need C++20 from here on, while mmcv's setup.py says C++17; the last -std wins
CXX20_SINCE = (2, 14)
QUESTIONS = """
import json, sysconfig, sys, torch
print(json.dumps([torch.__version__, torch.version.cuda if torch.cuda.is_available() else None,
                  'cp%d%d' % sys.version_info[:2], sysconfig.get_platform()]))
"""


class Target(NamedTuple):
    """What a wheel is built for; ``cuda`` is torch's version of it, or None for CPU ops alone."""

    torch: str
    cuda: str | None
    python: str
    platform: str


def target_of(python: str) -> Target:
    """Ask a Python what its torch is.

    CUDA counts with a GPU and an nvcc of the same major version, unless the user says FORCE_CUDA=0.
    """
    answer = subprocess.run([python, '-c', QUESTIONS], capture_output=True, text=True, check=True)
    torch, cuda, tag, platform = json.loads(answer.stdout)
    if cuda and (os.environ.get('FORCE_CUDA') == '0' or nvcc_major() != cuda.split('.')[0]):
        cuda = None
    return Target(torch, cuda, tag, platform)


def nvcc_major() -> str | None:
    """Return the major version of the CUDA compiler, such as ``'13'``, or None without one."""
    home = os.environ.get('CUDA_HOME')
    nvcc = f'{home}/bin/nvcc' if home else shutil.which('nvcc')
    if not nvcc or not os.access(nvcc, os.X_OK):
        return None
    said = subprocess.run([nvcc, '--version'], capture_output=True, text=True)
    found = re.search(r'release (\d+)\.', said.stdout)
    return found.group(1) if found else None


def cache_folder() -> Path:
    """Return the user's folder of wheels: ``$XDG_CACHE_HOME/vitpose_mm/wheels``."""
    base = os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache'
    return Path(base) / 'vitpose_mm' / 'wheels'


def cache_name(version: str, target: Target) -> str:
    """Name a wheel's place in the cache by all that it depends on."""
    device = 'cu' + target.cuda.replace('.', '') if target.cuda else 'cpu'
    platform = re.sub(r'[^\w]', '_', target.platform)
    return f'mmcv-{version}-torch-{target.torch}-{target.python}-{platform}-{device}'


def has_ops(wheel: Path) -> bool:
    """Whether a wheel carries the compiled ops; one without installs, and mmpose then fails."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            names = archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return False
    return any(re.fullmatch(r'mmcv/_ext[^/]*\.(so|pyd)', name) for name in names)


def wheel_in(folder: Path) -> Path | None:
    """Return a wheel with ops in ``folder``, if there is one."""
    return next((path for path in sorted(folder.glob('*.whl')) if has_ops(path)), None)


def build_environment(target: Target, tools: Path) -> dict[str, str]:
    """Return the environment to build in; a compiler wrapper in ``tools`` asks for C++20."""
    env = dict(os.environ, MMCV_WITH_OPS='1')
    # no debug info: twice as fast, and a wheel of 1.4 MB instead of 32
    env['CFLAGS'] = '-g0 -O2 ' + env.get('CFLAGS', '')
    if target.cuda is None:
        env.update(FORCE_CUDA='0', CUDA_VISIBLE_DEVICES='')
    memory = os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30
    env.setdefault('MAX_JOBS', str(max(1, min(len(os.sched_getaffinity(0)), int(memory / 1.5)))))
    if tuple(int(part) for part in target.torch.split('.')[:2]) >= CXX20_SINCE:
        wrapper = tools / 'cxx'
        wrapper.write_text(f'#!/bin/sh\nexec {env.get("CXX", "c++")} "$@" -std=c++20\n')
        wrapper.chmod(0o755)
        env['CXX'] = str(wrapper)
        env['NVCC_APPEND_FLAGS'] = '-std=c++20 ' + env.get('NVCC_APPEND_FLAGS', '')
    return env


def find(pin: str, python: str, folder: Path) -> Path | None:
    """Look for a wheel with ops in pip's own find-links (``PIP_FIND_LINKS``, pip.conf)."""
    command = [
        python,
        '-m',
        'pip',
        'download',
        '--no-index',
        '--no-deps',
        '--only-binary',
        ':all:',
        '-d',
        str(folder),
        pin,
    ]
    found = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL)
    return wheel_in(folder) if found.returncode == 0 else None


def build(pin: str, python: str, target: Target, work: Path, call: Callable[..., None]) -> Path:
    """Build the wheel from the sdist and put it into the cache in one move.

    Args:
        pin: Such as ``'onedl-mmcv==2.3.6'``.
        python: The venv's Python, with torch in it.
        target: What that Python builds for.
        work: Folder to keep sources and objects in: an interrupted build goes on where it was.
        call: ``call(command, env=None)`` runs a command with its output in the log.
    """
    version = pin.split('==')[1]
    work.mkdir(parents=True, exist_ok=True)
    source = work / cache_name(version, target)
    if not source.is_dir():
        with tempfile.TemporaryDirectory(dir=work) as scratch:
            call(
                [
                    python,
                    '-m',
                    'pip',
                    'download',
                    '--no-deps',
                    '--no-binary',
                    ':all:',
                    '--no-build-isolation',
                    '-d',
                    scratch,
                    pin,
                ],
                env=dict(os.environ, MMCV_WITH_OPS='1', FORCE_CUDA='0'),
            )
            archive = next(Path(scratch).glob('*.tar.gz'))
            shutil.unpack_archive(archive, scratch)
            next(path for path in Path(scratch).iterdir() if path.is_dir()).rename(source)
    place = cache_folder() / cache_name(version, target)
    place.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place) as scratch:
        call(
            [python, '-m', 'pip', 'wheel', '-v', '--no-deps', '--no-build-isolation', '-w', scratch, str(source)],
            env=build_environment(target, work),
        )
        wheel = wheel_in(Path(scratch))
        if wheel is None:
            raise FileNotFoundError(f'the build of {pin} left no wheel with mmcv/_ext in {scratch}')
        os.replace(wheel, place / wheel.name)
    shutil.rmtree(source)
    return place / wheel.name
