"""List the installed parts of the stack and the tested versions.

Only package metadata is read, because this must work where no package can be imported.
"""

import re
import sys
from typing import NamedTuple

from vitpose_base.installed import installed_versions

from ..shipped import shipped

Versions = dict[str, str]


class Part(NamedTuple):
    """A part of the stack."""

    module: str  # to import
    distributions: tuple[str, ...]  # that provide it
    optional_for: str = ''  # what needs it, if not everything does


PARTS = (
    *(Part(name, (name,)) for name in ('torch', 'torchvision', 'numpy')),
    Part('cv2', ('opencv-python', 'opencv-python-headless')),
    Part('mmengine', ('onedl-mmengine', 'mmengine')),
    Part('mmcv.ops', ('onedl-mmcv', 'mmcv', 'mmcv-full', 'mmcv-lite')),
    Part('mmdet', ('onedl-mmdetection', 'mmdet')),
    Part('xtcocotools.coco', ('xtcocotools',)),
    Part('json_tricks', ('json-tricks',)),
    *(Part(name, (name,)) for name in ('munkres', 'scipy', 'matplotlib', 'mmpose')),
    Part('mim', ('openmim', 'onedl-mim')),
    Part('rich', ('rich',)),
    Part('tensorboard', ('tensorboard',), 'curves in TensorBoard'),
    # not pinned: any version except known_bad's
    Part('transformers', ('transformers',), 'comparisons'),
    Part('mmpretrain', ('onedl-mmpretrain', 'mmpretrain'), "MMPose's own ViTPose"),
)
OPENMMLAB = {'mmengine', 'mmcv', 'mmdet', 'mmcv-full'}
FLAGS = {
    # torch 2.14's headers need C++20, mmcv's setup.py says C++17, and the last -std wins
    'onedl-mmcv': 'printf \'#!/bin/sh\\nexec c++ "$@" -std=c++20\\n\' > cxx20; chmod +x cxx20; '
    'CXX="$PWD/cxx20" CFLAGS=-g0 MMCV_WITH_OPS=1 pip install --no-build-isolation',
    'mmcv': 'MMCV_WITH_OPS=1 pip install --no-build-isolation',
    'onedl-mmdetection': 'pip install --no-build-isolation',
    **dict.fromkeys(('mmpose', 'openmim'), 'pip install --no-deps'),
    'xtcocotools': 'pip install --no-build-isolation --no-binary xtcocotools',
}


def parse_version(version: str) -> tuple[int, ...]:
    """Return the leading numbers of a version: '2.14.1+cu130' is (2, 14, 1)."""
    match = re.match(r'\d+(\.\d+)*', version)
    return tuple(map(int, match.group().split('.'))) if match else ()


def find_installed() -> Versions:
    """Return the version of each installed distribution."""
    return installed_versions([*sorted(name for part in PARTS for name in part.distributions), 'setuptools'])


def read_pins(text: str, python: tuple[int, int]) -> Versions:
    """Read the pinned versions for a version of Python: lines `name==version`, or with `; python_version < '3.11'`."""
    pins = {}
    for line in text.splitlines():
        if match := re.match(r'([\w.-]+)==([\w.+]+)(?:; *python_version *(<|>=) *\'(.+)\')?', line):
            name, version, sign, bound = match.groups()
            if sign is None or (python < parse_version(bound)) == (sign == '<'):
                pins[re.sub(r'[-_.]+', '-', name).lower()] = version  # as package indexes normalize names
    return pins


def read_stack(name: str) -> Versions:
    """Read the tested versions of the stack 'tested' or 'legacy'. OSError if the package lacks its data."""
    return read_pins(shipped(f'requirements/{name}.txt').read_text(encoding='utf-8'), sys.version_info[:2])


def choose_stack(versions: Versions) -> str:
    """Return the stack to compare with: 'legacy' if OpenMMLab's original packages are installed, otherwise 'tested'."""
    return 'legacy' if OPENMMLAB & versions.keys() else 'tested'


def fix_command(distribution: str, pins: Versions, again: bool = False) -> str:
    """Return the command that installs the tested version of a distribution; `again` replaces a broken installation."""
    # pip's cache may hold the wheel that is broken
    command = FLAGS.get(distribution, 'pip install') + again * ' --force-reinstall --no-cache-dir'
    if again and '--no-deps' not in command:
        command += ' --no-deps'
    return f'{command} {distribution}' + (f'=={pins[distribution]}' if distribution in pins else '')
