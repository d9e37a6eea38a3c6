"""Find what keeps the stack from being installed on this machine: disk space, compilers, headers, memory."""

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from .known_bad import Problem

DISK_GB = 10  # for the stack, and for uv's cache while it installs
JOB_GB = 1.5  # memory of one compiler process of mmcv's build


def find_machine_problems() -> Iterator[Problem]:
    """Find what keeps the stack from being installed here, or its compiled parts from being built."""
    free = shutil.disk_usage(sys.prefix).free / 2**30
    if free < DISK_GB:
        yield f'{free:.1f} GB are free at {sys.prefix}, the stack needs about {DISK_GB}', 'free some disk space'
    for language, compiler in (('C', os.environ.get('CC', 'cc')), ('C++', os.environ.get('CXX', 'c++'))):
        if not shutil.which(compiler.split()[0]):
            what = f'no {language} compiler ({compiler}): mmcv and xtcocotools are built with one'
            yield what, 'apt install g++ (Debian, Ubuntu) or dnf install gcc-c++ (Fedora)'
        elif language == 'C++':
            command = [*compiler.split(), '-std=c++20', '-x', 'c++', '-fsyntax-only', os.devnull]
            if subprocess.run(command, capture_output=True).returncode:
                what = f"{compiler} does not support C++20, which torch's headers need"
                yield what, 'install g++ 10 or newer, and select it with CXX=g++-12'
    header = Path(sysconfig.get_paths()['include'], 'Python.h')
    if not header.exists():
        package = f'python{sys.version_info.major}.{sys.version_info.minor}-dev'
        yield f"Python's headers are missing ({header})", f'apt install {package} (Debian, Ubuntu)'
    memory = os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30
    if memory < JOB_GB:
        what = f'{memory:.1f} GB of memory: the compiler takes up to {JOB_GB} GB and may be killed'
        yield what, "build on a larger machine, or set UV_FIND_LINKS to a folder with a wheel of mmcv's ops"
