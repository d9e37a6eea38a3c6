"""The contents of a wheel and of an editable installation; building leaves no files in the checkout."""

import pickle
import shutil
import subprocess
import sys
import zipfile
from pathlib import PurePath

import pytest
from mmengine.registry import init_default_scope

from tests.unit.datasets.tiny_files import PIPELINE, build, person, write

pytestmark = pytest.mark.install
PURE = set('.py .pyi .typed .json .html .jpg .md .onnx .safetensors .txt .yml'.split()) | {''}
PACKED = 'predict/outputs/page.html predict/outputs/predictions.schema.json predict/models/datasets.json'
PACKED += ' models/tiny.onnx models/tiny.safetensors demo/skier.jpg'


@pytest.fixture(scope='module')
def source(root, tmp_path_factory):
    folder = tmp_path_factory.mktemp('source')
    skip = shutil.ignore_patterns('__pycache__', '.mim')
    for name in ('vitpose', 'vitpose_base', 'vitpose_mm', 'configs', 'projects', 'requirements'):
        shutil.copytree(root / name, folder / name, ignore=skip)
    for name in ('setup.py', 'pyproject.toml', 'MANIFEST.in', 'README.md', 'LICENSE', 'model-index.yml'):
        shutil.copy2(root / name, folder / name)
    return folder


def tree(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob('*') if '__pycache__' not in path.parts}


@pytest.fixture(scope='module')
def wheel(source, tmp_path_factory):
    out, before = tmp_path_factory.mktemp('wheel'), tree(source)
    pip = [sys.executable, '-m', 'pip', 'wheel', '-q', '--no-deps', '--no-build-isolation', '--no-index']
    subprocess.run([*pip, '-w', out, source], check=True, capture_output=True)
    assert tree(source) == before, 'building left files in the checkout'
    (path,) = out.iterdir()
    return zipfile.ZipFile(path)


def test_wheel_contains_every_module_and_config_and_the_requirement_files(wheel, root):
    names = set(wheel.namelist())
    configs = {path for path in (root / 'configs').rglob('*') if path.is_file() and path.suffix != '.pyc'}
    modules = {path for path in root.glob('vitpose*/**/*.py') if '.mim' not in path.parts}
    assert len(configs) > 20 and {root / 'vitpose/cli/main.py', root / 'vitpose_mm/backbones/vit.py'} <= modules
    assert {f'vitpose_mm/.mim/{path.relative_to(root).as_posix()}' for path in configs} <= names  # where MIM looks
    assert {path.relative_to(root).as_posix() for path in modules} <= names
    packed = {f'vitpose/{name}' for name in PACKED.split()}
    assert packed | {'vitpose_mm/py.typed', 'vitpose_mm/.mim/model-index.yml'} <= names
    assert {PurePath(name).suffix for name in names} <= PURE  # no compiled part
    assert wheel.filename.endswith('-py3-none-any.whl')
    for name in ('requirements/tested.txt', 'requirements/legacy.txt'):
        assert wheel.read(f'vitpose_mm/.mim/{name}') == (root / name).read_bytes()
    assert not [name for name in names if name.startswith(('tests/', 'configs/', 'projects/', 'build/'))]


def test_wheel_installs_the_command_and_requires_neither_torch_nor_openmmlab(wheel):
    (info,) = {name.split('/')[0] for name in wheel.namelist() if '.dist-info/' in name}
    assert 'vitpose = vitpose.cli.main:main' in wheel.read(f'{info}/entry_points.txt').decode()
    lines = wheel.read(f'{info}/METADATA').decode().split('\n\n')[0].splitlines()
    needed = [line for line in lines if line.startswith('Requires-Dist:') and 'extra ==' not in line]
    assert any('numpy' in line for line in needed)
    assert not [line for line in needed if ' mm' in line or 'torch' in line]
    assert any('torch>=2.1' in line and "extra == 'torch'" in line.replace('"', "'") for line in lines)
    assert 'Requires-Python: >=3.10' in lines


INSTALLED = """
import pickle
import sys
from pathlib import Path

def hide(event, arguments):
    path = str(arguments[0]) if event == 'open' else ''
    if '/.mim/' in path and '/vitpose_mm/' not in path:
        raise FileNotFoundError(path)

sys.addaudithook(hide)
image = pickle.loads(Path("dataset.pickle").read_bytes())[0]["img"]
assert image.shape == (48, 64, 3)
import vitpose_mm
from vitpose.doctor.stack import read_stack
here = Path(vitpose_mm.__file__).parent
assert here.parent == Path.cwd(), here
assert read_stack("tested")["mmpose"] == "1.3.2"
from mmengine import Config
leaf = sorted((here / ".mim/configs/coco").glob("*.py"))[0]
assert Config.fromfile(leaf).model.backbone.type == "ViT"
"""


def test_installed_wheel_finds_its_configs_and_needs_none_of_mmpose(wheel, tmp_path):
    """Unpacked outside the checkout, beside a source checkout of MMPose, which has no `.mim` folder.

    A new process reads a pickled dataset, as a loader's worker does that is not forked.
    """
    wheel.extractall(tmp_path)
    init_default_scope('mmpose')
    dataset = build('CocoDataset', pipeline=PIPELINE, **write(tmp_path / 'data', [person(1)]))
    (tmp_path / 'dataset.pickle').write_bytes(pickle.dumps(dataset))
    done = subprocess.run([sys.executable, '-c', INSTALLED], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_editable_installation_links_the_configs(source, tmp_path):
    code = f'from setuptools import build_meta; build_meta.build_editable({str(tmp_path)!r})'
    before = tree(source)
    subprocess.run([sys.executable, '-c', code], cwd=source, check=True, capture_output=True)
    mim = source / 'vitpose_mm' / '.mim'
    assert {name.split('/')[1] for name in tree(source) - before} == {'.mim'}
    assert (mim / 'configs').resolve() == source / 'configs'
    assert (mim / 'requirements' / 'tested.txt').samefile(source / 'requirements' / 'tested.txt')
    shutil.rmtree(mim)
