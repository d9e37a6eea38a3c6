"""Find versions that are known to fail together, what keeps the stack from being installed, and how to fix each."""

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import suppress
from importlib import metadata
from pathlib import Path

from .stack import FLAGS, PARTS, Versions, fix_command, parse_version

# modules that two distributions provide: OpenMMLab's own and the maintained fork
FORKED = {'mmengine', 'mmcv.ops', 'mmdet', 'mmpretrain'}
DISK_GB = 10  # for the stack, and for uv's cache while it installs
JOB_GB = 1.5  # memory of one compiler process of mmcv's build
Problem = tuple[str, str]  # what fails and why, and how to fix it


def is_published_wheel(distribution: str) -> bool:
    """Answer whether a distribution was installed from a manylinux wheel, not built on this machine."""
    with suppress(metadata.PackageNotFoundError):
        return 'manylinux' in (metadata.distribution(distribution).read_text('WHEEL') or '')
    return False


def lacks_ops() -> bool:
    """Answer whether mmcv is installed without its compiled ops, as from a wheel built without MMCV_WITH_OPS."""
    for name in ('onedl-mmcv', 'mmcv'):
        with suppress(metadata.PackageNotFoundError):
            return not any(file.name.startswith('_ext') for file in metadata.files(name) or ())
    return False


def find_known_bad(versions: Versions, pins: Versions, coco_wheel: bool, no_ops: bool) -> Iterator[Problem]:
    """Find the combinations of installed versions that are known to fail; commands install the tested versions `pins`.

    `coco_wheel` says that xtcocotools is the published wheel, built against numpy 1, and `no_ops` that mmcv has no
    compiled ops.
    """

    def at(name: str) -> tuple[int, ...]:
        return parse_version(versions.get(name, ''))

    def both(first: str, second: str) -> str:
        return f'{first} {versions[first]} with {second} {versions[second]}'

    torch, numpy = at('torch'), at('numpy')
    mmcv = 'onedl-mmcv' if 'onedl-mmcv' in versions else 'mmcv'
    pretrain = 'onedl-mmpretrain' if 'onedl-mmpretrain' in versions else 'mmpretrain'
    if at('mmengine') and at('mmengine') <= (0, 10, 7) and torch >= (2, 6):
        what = f'{both("mmengine", "torch")}: training cannot be resumed (torch.load is weights_only since torch 2.6)'
        yield what, 'pip uninstall -y mmengine; pip install onedl-mmengine==0.10.12'
    if coco_wheel and numpy >= (2,):
        what = f'{both("xtcocotools", "numpy")}: the published wheel is built against numpy 1 and does not import'
        yield what, fix_command('xtcocotools', pins, again=True)
    if torch and torch < (2, 3) and numpy >= (2,):
        yield f'{both("torch", "numpy")}: this torch is built against numpy 1', "pip install 'numpy<2'"
    if no_ops and at(mmcv):
        what = f'{mmcv} {versions[mmcv]}: it has no compiled ops, and mmpose imports them'
        yield what, fix_command(mmcv, pins, again=True)
    if at('mmdet') and at('mmdet') <= (3, 3, 0) and at(mmcv) >= (2, 2):
        command = f'pip uninstall -y mmdet; {FLAGS["onedl-mmdetection"]} onedl-mmdetection==3.5.1'
        yield f'{both("mmdet", mmcv)}: it refuses mmcv 2.2 and newer', command
    if at(pretrain) and at('transformers') >= (5,):
        what = "its VisionTransformer, which MMPose's own ViTPose needs, does not import"
        yield f'{both(pretrain, "transformers")}: {what}', 'pip install transformers==4.53.3'
    if at('openmim') and at('setuptools') >= (81,):
        what = f'{both("openmim", "setuptools")}: it needs pkg_resources, which setuptools dropped'
        yield what, "pip install 'setuptools<81'"
    for wrong, why, right in (
        ('onedl-mim', 'it cannot run `mim train mmpose`', 'openmim'),
        ('mmcv-lite', 'it has no compiled ops, and mmpose imports them', 'onedl-mmcv'),
    ):
        if at(wrong):
            yield f'{wrong}: {why}', f'pip uninstall -y {wrong}; {fix_command(right, pins)}'
    for part in PARTS:
        names = [name for name in part.distributions if name in versions]
        if part.module in FORKED and len(names) > 1:
            what = f'{" and ".join(names)}: both install into the same folder and overwrite each other'
            yield what, f'pip uninstall -y {" ".join(names)}; {fix_command(names[0], pins)}'


def find_machine_problems() -> Iterator[Problem]:
    """Find what keeps the stack from being installed here, or its compiled parts from being built."""
    free = shutil.disk_usage(sys.prefix).free / 2**30
    if free < DISK_GB:
        yield f'{free:.1f} GB are free at {sys.prefix}, the stack needs about {DISK_GB}', 'free some disk space'
    for language, compiler in (('C', os.environ.get('CC') or 'cc'), ('C++', os.environ.get('CXX') or 'c++')):
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
    # Windows has no sysconf, and nothing is built there
    memory = os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30 if hasattr(os, 'sysconf') else JOB_GB
    if memory < JOB_GB:
        what = f'{memory:.1f} GB of memory: the compiler takes up to {JOB_GB} GB and may be killed'
        yield what, "build on a larger machine, or set UV_FIND_LINKS to a folder with a wheel of mmcv's ops"
