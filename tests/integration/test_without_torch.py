"""`vitpose --help`, `doctor` and `synth` in an environment without torch and OpenMMLab."""

import os
import re
import subprocess
import sys
import venv
from importlib import metadata
from pathlib import Path

import pytest

from vitpose.cli.main import COMMANDS

NEEDED = ('numpy', 'opencv-python', 'scipy', 'rich', 'Pygments', 'markdown-it-py', 'mdurl')


@pytest.fixture(scope='module')
def python(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a new environment with this checkout and links to the installed packages in NEEDED."""
    folder = tmp_path_factory.mktemp('without_torch')
    venv.create(folder, symlinks=True)
    site = next(folder.glob('lib/python*/site-packages'))
    (site / 'checkout.pth').write_text(f'{root}\n')
    for name in NEEDED:
        distribution = metadata.distribution(name)
        for entry in {Path(file).parts[0] for file in distribution.files or () if '..' not in Path(file).parts}:
            if not (site / entry).exists():
                (site / entry).symlink_to(Path(str(distribution.locate_file(entry))))
    return folder / 'bin' / 'python'


def run(python: Path, *arguments: object, folder: Path | None = None) -> subprocess.CompletedProcess:
    environment = {**os.environ, 'PYTHONPATH': '', 'COLUMNS': '200'}
    return subprocess.run([python, *map(str, arguments)], capture_output=True, text=True, env=environment, cwd=folder)


def test_torch_and_openmmlab_cannot_be_imported(python: Path, tmp_path: Path) -> None:
    for name in ('torch', 'mmengine', 'mmpose', 'mmcv'):
        assert f"No module named '{name}'" in run(python, '-c', f'import {name}', folder=tmp_path).stderr


def test_synth_renders(python: Path, tmp_path: Path) -> None:
    arguments = ('synth', '--out', 'few', '--train', 2, '--val', 1, '--workers', 0, '--preview', 'few.png')
    done = run(python, '-m', 'vitpose', *arguments, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / 'few/train').glob('*.jpg'))) == 2 and (tmp_path / 'few.png').is_file()


def test_doctor_reports_missing_packages(python: Path, tmp_path: Path) -> None:
    done = run(python, '-m', 'vitpose', 'doctor', folder=tmp_path)
    assert (done.returncode, done.stderr) == (1, '')
    assert re.search(r'^torch is missing\n +pip install torch==', done.stdout, re.MULTILINE)


@pytest.mark.parametrize('name', ['', *COMMANDS])
def test_help_works_for_every_subcommand(python: Path, tmp_path: Path, name: str) -> None:
    done = run(python, '-m', 'vitpose', *name.split(), '--help', folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, '') and 'usage: vitpose' in done.stdout


def test_importing_vitpose_loads_only_the_standard_library(python: Path, tmp_path: Path) -> None:
    code = (
        'import sys; before = set(sys.modules); import vitpose, vitpose.cli.main\n'
        'names = {name.split(".")[0] for name in set(sys.modules) - before}\n'
        'print(*sorted(names - sys.stdlib_module_names))'
    )
    assert run(python, '-c', code, folder=tmp_path).stdout.split() == ['vitpose']


def test_help_takes_at_most_0_3_s_of_cpu_time(tmp_path: Path) -> None:
    """In the full environment of the tests, where slow imports are possible; the minimum of five runs."""
    code = (
        'import resource, subprocess, sys\n'
        'subprocess.run([sys.executable, "-m", "vitpose", "--help"], stdout=subprocess.DEVNULL, check=True)\n'
        'used = resource.getrusage(resource.RUSAGE_CHILDREN)\n'
        'print(used.ru_utime + used.ru_stime)'
    )
    seconds = [float(run(Path(sys.executable), '-c', code, folder=tmp_path).stdout) for _ in range(5)]
    assert min(seconds) <= 0.3, seconds
