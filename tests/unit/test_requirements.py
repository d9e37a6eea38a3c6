"""The pinned requirement files, and the script that installs them (with a fake uv)."""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PEERS = 'projects/peers/requirements.txt'
STACKS = {'tested': ('requirements/tested.txt', PEERS), 'legacy': ('requirements/legacy.txt',)}
# Required by mmpose (chumpy) and openmim, but never imported; opencv-python has the same files as the last two.
LEFT_OUT = {'chumpy', 'opendatalab', 'openxlab', 'opencv-python-headless', 'opencv-contrib-python'}
FAKE_UV = f"""#!{sys.executable}
import os, sys
from pathlib import Path
if sys.argv[1:] == ['--version']:
    sys.exit()
print(os.environ.get('FORCE_CUDA'), os.environ.get('CXX'), *sys.argv[1:], file=open(os.environ['LOG'], 'a'))
if '-e' in sys.argv and 'UV_FAILS' in os.environ:
    sys.exit(2)
site = next(Path(sys.argv[sys.argv.index('--python') + 1]).parents[1].glob('lib/*/site-packages'))
gpu = 'class cuda: is_available = lambda: True\\nclass version: cuda = "13.0"\\n__version__ = "2"'
for name, text in dict.fromkeys(('torchvision', 'mmengine', 'mmcv.ops', 'xtcocotools.coco', 'mmdet', 'mmpose', 'mim'),
                                '').items() | {{('torch', gpu), ('numpy', '__version__ = "2"')}}:
    file = site / (name.replace('.', '/') + '.py')
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
"""


def pins(root, stack, python):
    names = []
    for file in STACKS[stack]:
        for line in (root / file).read_text().splitlines():
            if line and not line.startswith('#'):
                # the only form that `vitpose doctor` reads
                assert re.fullmatch(r"[\w.-]+==[\w.]+(; python_version (<|>=) '3\.11')?", line), line
                pin = Requirement(line)
                if pin.marker is None or pin.marker.evaluate({'python_version': python}):
                    assert canonicalize_name(pin.name) not in names, f'{line}: pinned twice for Python {python}'
                    names.append(canonicalize_name(pin.name))
    return set(names)


@pytest.mark.parametrize('python', ['3.10', '3.11', '3.12'])
def test_each_package_is_pinned_once_per_python_version(root, python):
    assert len(pins(root, 'tested', python)) > 100


def test_dependencies_of_the_installed_packages_are_pinned(root):
    installed = {canonicalize_name(d.name): d for d in importlib.metadata.distributions()}
    pinned = pins(root, ('tested' if 'onedl-mmcv' in installed else 'legacy'), '.'.join(map(str, sys.version_info[:2])))
    todo = [(name, '') for name in pinned & installed.keys()]
    assert len(todo) > 80
    seen, missing = set(todo), set()
    while todo:
        name, extra = todo.pop()
        for needed in map(Requirement, installed[name].requires or []):
            other = canonicalize_name(needed.name)
            if needed.marker and not needed.marker.evaluate({'extra': extra}):
                continue
            if other not in pinned | LEFT_OUT:
                missing.add(f'{other} (required by {name})')
            new = {(other, extra) for extra in ('', *needed.extras)} - seen if other in installed else set()
            seen |= new
            todo += new
    assert not missing


@pytest.fixture
def venv_sh(root, tmp_path):
    """A function that runs venv.sh in a copy of the files it reads, and returns the process and the calls to uv."""
    checkout, tools, log = tmp_path / 'checkout', tmp_path / 'tools', tmp_path / 'log'
    shutil.copytree(root / 'requirements', checkout / 'requirements')
    for name in ('setup.py', PEERS):
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / name, checkout / name)
    tools.mkdir()

    def run(programs=None, **variables):
        for name, text in {'uv': FAKE_UV, **(programs or {})}.items():
            (tools / name).write_text(text)
            (tools / name).chmod(0o755)
        log.write_text('')
        path = os.pathsep.join([str(tools), os.path.dirname(sys.executable), '/usr/bin', '/bin'])
        kept = {name: os.environ[name] for name in ('HOME', 'LANG') if name in os.environ}
        environment = {**kept, 'PATH': path, 'LOG': str(log), **variables}
        command = [checkout / 'requirements/venv.sh', 'tested']
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        return done, log.read_text().splitlines()

    return run


def test_interrupted_setup_continues_and_finished_setup_does_nothing(venv_sh):
    done, calls = venv_sh(UV_FAILS='1')
    assert done.returncode == 2 and '-m vitpose doctor' in done.stderr
    done, calls = venv_sh()
    assert done.returncode == 0, done.stderr
    assert 'Creating' not in done.stdout and len(calls) >= 2
    done, calls = venv_sh()
    assert (done.returncode, done.stdout, calls) == (0, '', [])


@pytest.mark.parametrize(('release', 'forced', 'wanted'), [('13.1', '', '1'), ('12.8', '', '0'), ('13.1', '0', '0')])
def test_cuda_ops_are_built_if_nvcc_matches_torch(venv_sh, release, forced, wanted):
    nvcc = f'#!/bin/sh\necho "Cuda compilation tools, release {release}, V{release}.1"\n'
    done, calls = venv_sh({'nvcc': nvcc}, FORCE_CUDA=forced)
    assert done.returncode == 0, done.stderr
    (last,) = (line.split() for line in calls if '-e' in line.split())
    assert last[0] == wanted and last[1].endswith('/requirements/cxx20')
    assert any(word.startswith('onedl-mmcv:for=torch2-') and word.endswith(f'cuda{wanted}') for word in last)


def test_unsupported_python_is_skipped_or_is_an_error(venv_sh, tmp_path):
    other = {'python3': '#!/bin/sh\necho 3.13\n'}
    done, calls = venv_sh(other, PYTHON=str(tmp_path / 'tools' / 'python3'))
    assert done.returncode == 1 and 'is not a working Python 3.10 or 3.11 or 3.12' in done.stderr
    assert not calls
    done, calls = venv_sh(other)
    assert done.returncode == 0, done.stderr
    assert f'{os.sep}tools{os.sep}' not in done.stdout
