"""What installing the stack needs of the machine: disk space, compilers, headers, memory."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from .known_bad import Bad

DISK_GB = 10  # of the stack, and of uv's cache while it installs
JOB_GB = 1.5  # memory of one compiler process of mmcv's build


def machine_problems() -> list[Bad]:
    """Name what keeps the stack from being installed here, or its compiled parts from being built."""
    found = []
    free = shutil.disk_usage(sys.prefix).free / 2**30
    if free < DISK_GB:
        found.append(Bad(f'{free:.1f} GB are free at {sys.prefix}, the stack needs about {DISK_GB}', 'make room'))
    for language, compiler in (('C', os.environ.get('CC', 'cc')), ('C++', os.environ.get('CXX', 'c++'))):
        if not shutil.which(compiler.split()[0]):
            found.append(
                Bad(
                    f'no {language} compiler ({compiler}): mmcv and xtcocotools are built with one',
                    'apt install g++ (Debian, Ubuntu) or dnf install gcc-c++ (Fedora)',
                )
            )
        elif language == 'C++' and not _compiles_cxx20(compiler):
            found.append(
                Bad(
                    f"{compiler} knows no C++20, which torch's headers need",
                    'install g++ 10 or newer; CXX=g++-12 names it',
                )
            )
    header = Path(sysconfig.get_paths()['include'], 'Python.h')
    if not header.exists():
        version = '.'.join(map(str, sys.version_info[:2]))
        found.append(
            Bad(f"Python's headers are missing ({header})", f'apt install python{version}-dev (Debian, Ubuntu)')
        )
    memory = os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30
    if memory < JOB_GB:
        what = f'{memory:.1f} GB of memory: the compiler takes up to {JOB_GB} GB and may be killed'
        found.append(
            Bad(what, "build on a larger machine, or name a folder with a wheel of mmcv's ops in UV_FIND_LINKS")
        )
    return found


def _compiles_cxx20(compiler: str) -> bool:
    command = [*compiler.split(), '-std=c++20', '-x', 'c++', '-fsyntax-only', '-']
    return subprocess.run(command, input=b'', capture_output=True).returncode == 0
