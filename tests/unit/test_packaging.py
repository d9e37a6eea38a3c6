"""The contents of a wheel and of an editable installation; building leaves no files in the checkout."""

import shutil
import subprocess
import sys
import zipfile

import pytest

pytestmark = pytest.mark.install


@pytest.fixture(scope='module')
def source(root, tmp_path_factory):
    """A copy of the files that are needed to build."""
    folder = tmp_path_factory.mktemp('source')
    skip = shutil.ignore_patterns('__pycache__', '.mim')
    for name in ('vitpose', 'vitpose_base', 'vitpose_mm', 'configs', 'projects', 'requirements'):
        shutil.copytree(root / name, folder / name, ignore=skip)
    for name in ('setup.py', 'pyproject.toml', 'MANIFEST.in', 'README.md', 'LICENSE', 'model-index.yml'):
        if (root / name).exists():
            shutil.copy2(root / name, folder / name)
    return folder


def tree(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob('*') if '__pycache__' not in path.parts}


@pytest.fixture(scope='module')
def wheel(source, tmp_path_factory):
    """The wheel that `pip install .` builds."""
    out, before = tmp_path_factory.mktemp('wheel'), tree(source)
    pip = [sys.executable, '-m', 'pip', 'wheel', '-q', '--no-deps', '--no-build-isolation', '--no-index']
    subprocess.run([*pip, '-w', out, source], check=True, capture_output=True)
    assert tree(source) == before, 'building left files in the checkout'
    (path,) = out.iterdir()
    return path


def test_wheel_contains_every_config_where_mim_looks(wheel, root):
    names = set(zipfile.ZipFile(wheel).namelist())
    files = [path for path in (root / 'configs').rglob('*') if path.is_file() and path.suffix != '.pyc']
    configs = {path.relative_to(root).as_posix() for path in files}
    assert len(configs) > 20
    assert {f'vitpose_mm/.mim/{name}' for name in configs} <= names
    assert 'vitpose_mm/.mim/model-index.yml' in names


def test_wheel_contains_every_module_and_the_requirement_files(wheel, root):
    archive = zipfile.ZipFile(wheel)
    names = set(archive.namelist())
    modules = {path.relative_to(root).as_posix() for path in root.glob('vitpose*/**/*.py')}
    modules = {name for name in modules if '.mim' not in name}
    assert {'vitpose/cli/main.py', 'vitpose_mm/backbones/vit.py'} <= modules
    assert modules <= names
    assert {'vitpose_mm/py.typed', 'vitpose/predict/outputs/page.html'} <= names
    for name in ('tested', 'legacy'):
        text = (root / 'requirements' / f'{name}.txt').read_text()
        assert archive.read(f'vitpose_mm/.mim/requirements/{name}.txt').decode() == text
    assert not [name for name in names if name.startswith(('tests/', 'configs/', 'projects/', 'build/'))]


def test_wheel_installs_the_command_and_requires_neither_torch_nor_openmmlab(wheel):
    archive = zipfile.ZipFile(wheel)
    (info,) = {name.split('/')[0] for name in archive.namelist() if '.dist-info/' in name}
    assert 'vitpose = vitpose.cli.main:main' in archive.read(f'{info}/entry_points.txt').decode()
    lines = archive.read(f'{info}/METADATA').decode().split('\n\n')[0].splitlines()
    needed = [line for line in lines if line.startswith('Requires-Dist:') and 'extra ==' not in line]
    assert any('numpy' in line for line in needed)
    assert not [line for line in needed if ' mm' in line or 'torch' in line]
    assert any('torch>=2.1' in line and "extra == 'torch'" in line.replace('"', "'") for line in lines)
    assert 'Requires-Python: >=3.10' in lines


def test_installed_wheel_finds_its_configs(wheel, tmp_path):
    """When unpacked outside the checkout, the configs load and doctor reads its pins."""
    zipfile.ZipFile(wheel).extractall(tmp_path)
    code = (
        'import sys\n'
        'from pathlib import Path\n'
        'import vitpose_mm\n'
        'from vitpose.doctor.stack import read_stack\n'
        'here = Path(vitpose_mm.__file__).parent\n'
        'assert here.parent == Path.cwd(), here\n'
        'assert read_stack("tested")["mmpose"] == "1.3.2"\n'
        'from mmengine import Config\n'
        'leaf = sorted((here / ".mim/configs/coco").glob("*.py"))[0]\n'
        'assert Config.fromfile(leaf).model.backbone.type == "ViT"'
    )
    done = subprocess.run([sys.executable, '-c', code], cwd=tmp_path, capture_output=True, text=True)
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
