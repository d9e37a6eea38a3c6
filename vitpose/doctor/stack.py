"""Which parts of the stack are installed, and which versions were tested.

Only the metadata of packages is read: this has to work where none of them can be imported.
"""

import re
import sys
from typing import NamedTuple

from vitpose_base.installed import installed_versions

from ..shipped import shipped

Versions = dict[str, str]


class Part(NamedTuple):
    """A part of the stack: the module to import, the distributions that provide it, who needs it if not everybody."""

    module: str
    distributions: tuple[str, ...]
    optional_for: str = ''


PARTS = (
    Part('torch', ('torch',)),
    Part('torchvision', ('torchvision',)),
    Part('numpy', ('numpy',)),
    Part('cv2', ('opencv-python', 'opencv-python-headless')),
    Part('mmengine', ('onedl-mmengine', 'mmengine')),
    Part('mmcv.ops', ('onedl-mmcv', 'mmcv', 'mmcv-full', 'mmcv-lite')),
    Part('mmdet', ('onedl-mmdetection', 'mmdet')),
    Part('xtcocotools.coco', ('xtcocotools',)),
    Part('json_tricks', ('json-tricks',)),
    Part('munkres', ('munkres',)),
    Part('scipy', ('scipy',)),
    Part('matplotlib', ('matplotlib',)),
    Part('mmpose', ('mmpose',)),
    Part('mim', ('openmim', 'onedl-mim')),
    Part('rich', ('rich',)),
    Part('tensorboard', ('tensorboard',), 'curves in TensorBoard'),
    Part('transformers', ('transformers',), 'comparisons'),  # these two have no pin: any version but known_bad's
    Part('mmpretrain', ('onedl-mmpretrain', 'mmpretrain'), "MMPose's own ViTPose"),
)
OPENMMLAB = {'mmengine', 'mmcv', 'mmdet', 'mmcv-full'}
FLAGS = {
    # torch 2.14's headers need C++20, mmcv's setup.py says C++17, and the last -std wins
    'onedl-mmcv': 'printf \'#!/bin/sh\\nexec c++ "$@" -std=c++20\\n\' > cxx20; chmod +x cxx20; '
    'CXX="$PWD/cxx20" CFLAGS=-g0 MMCV_WITH_OPS=1 pip install --no-build-isolation',
    'mmcv': 'MMCV_WITH_OPS=1 pip install --no-build-isolation',
    'onedl-mmdetection': 'pip install --no-build-isolation',
    'mmpose': 'pip install --no-deps',
    'openmim': 'pip install --no-deps',
    'xtcocotools': 'pip install --no-build-isolation --no-binary xtcocotools',
}


def canonical(name: str) -> str:
    """Normalize the name of a distribution as package indexes do: ``Foo_Bar`` is ``foo-bar``."""
    return re.sub(r'[-_.]+', '-', name).lower()


def numbers(version: str) -> tuple[int, ...]:
    """Return the leading numbers of a version: ``'2.14.1+cu130'`` is (2, 14, 1)."""
    found = re.match(r'\d+(\.\d+)*', version)
    return tuple(int(part) for part in found.group().split('.')) if found else ()


def installed() -> Versions:
    """Return ``{distribution: version}`` of the parts that are installed."""
    names = {name for part in PARTS for name in part.distributions} | {'setuptools'}
    return installed_versions(sorted(names))


def read_pins(text: str, python: tuple[int, int]) -> Versions:
    """Read ``{distribution: version}`` from the text of a requirements file.

    Args:
        text: Lines ``name==version``, which may end in ``; python_version < '3.11'`` (or >=).
        python: The version of Python that decides the markers.
    """
    pins = {}
    for line in text.splitlines():
        found = re.match(r'([\w.-]+)==([\w.+]+)(?:; *python_version *(<|>=) *\'(.+)\')?', line)
        if found:
            name, version, sign, bound = found.groups()
            if sign is None or (python < numbers(bound)) == (sign == '<'):
                pins[canonical(name)] = version
    return pins


def tested(stack: str) -> Versions:
    """Return the tested versions: ``stack`` is ``'tested'`` or ``'legacy'``.

    Raises:
        FileNotFoundError: The package was installed without its data.
    """
    return read_pins(shipped(f'requirements/{stack}.txt').read_text(encoding='utf-8'), sys.version_info[:2])


def stack_of(versions: Versions) -> str:
    """Return the tested stack to compare with: 'legacy' where OpenMMLab's own packages are installed."""
    return 'legacy' if OPENMMLAB & versions.keys() else 'tested'


def fix(distribution: str, pins: Versions, again: bool = False) -> str:
    """Return the command that installs the tested version of a distribution.

    Args:
        distribution: Its name.
        pins: The tested versions.
        again: It is installed and broken: replace it, and not by the same wheel from pip's cache.
    """
    command = FLAGS.get(distribution, 'pip install') + again * ' --force-reinstall --no-cache-dir'
    if again and '--no-deps' not in command:
        command += ' --no-deps'
    version = pins.get(distribution)
    return f'{command} {distribution}' + (f'=={version}' if version else '')
