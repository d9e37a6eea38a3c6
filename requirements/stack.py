"""A stack of pinned packages in its virtual environment: what is installed, and how."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import mmcv_wheel
from interpreter import pick
from pins import Stack, read_sections
from steps import Step, StepFailedError, run_logged

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
IMPORTS = 'import torch, torchvision, mmengine, mmcv.ops, xtcocotools.coco, mmdet, mmpose, mim'
PEER_IMPORTS = 'from transformers import VitPoseForPoseEstimation\nfrom mmpretrain.models import VisionTransformer'
# mmpose and openmim ask for chumpy and openxlab, which do not build; the rest is pinned above
FROM_SOURCE = ('--no-deps', '--no-build-isolation', '--no-binary', 'xtcocotools')


class Installer:
    """The steps of one stack in one virtual environment."""

    def __init__(self, stack: Stack, lock: int, chosen: str | None = None) -> None:
        """Read the pins of ``stack``.

        Args:
            stack: What to install and where.
            lock: File descriptor that stays open in every command that is started.
            chosen: The Python that the user asked for.
        """
        self.stack, self.lock, self.chosen = stack, lock, chosen
        self.venv = ROOT / stack.venv
        self.setup = self.venv / 'setup'
        self.python = str(self.venv / 'bin' / 'python')
        self.files = [HERE / name for name in stack.files]
        self.pins = read_sections(self.files)

    def steps(self, version: str, peers: bool, package: bool) -> list[Step]:
        """List the steps for a Python ``version``, each with all that it depends on."""
        pins = {name: tuple(lines) for name, lines in self.pins.items()}
        held = pins['pinned']
        torch, mmcv = (pins[name][0].replace('==', ' ') for name in ('torch', 'mmcv'))
        steps = [
            Step(
                'venv',
                f'{self.stack.venv} with Python {version}',
                '5 s',
                (str(self.venv), version),
                lambda log: self.make_venv(log, version),
            ),
            Step(
                'tools',
                'pip, numpy and what builds the rest',
                '20 s',
                pins['tools'],
                lambda log: self.pip_install(log, 'tools'),
            ),
            Step(
                'torch',
                f'{torch}, about 2 GB to download',
                '1 to 5 min',
                pins['torch'] + held,
                lambda log: self.pip_install(log, 'torch'),
            ),
            Step(
                'libraries',
                'the other libraries, as wheels',
                '1 to 2 min',
                pins['libraries'] + held,
                lambda log: self.pip_install(log, 'libraries'),
            ),
            Step(
                'mmcv',
                f'{mmcv} with its compiled ops',
                '10 s with a wheel, 6 to 12 min on two cores when one has to be built',
                pins['mmcv'] + pins['torch'],
                self.install_mmcv,
            ),
            Step(
                'openmmlab',
                'mmdet, mmpose, openmim; xtcocotools from source',
                '1 min',
                pins['openmmlab'],
                lambda log: self.pip_install(log, 'openmmlab', *FROM_SOURCE),
            ),
            Step(
                'check',
                'does all of it import?',
                '20 s',
                (IMPORTS, *(line for name in pins if name != 'peers' for line in pins[name])),
                lambda log: self.call(log, [self.python, '-c', IMPORTS]),
            ),
            Step('peers', 'the peers that the tests compare with', '30 s', pins['peers'] + held, self.install_peers),
            Step(
                'package',
                'this package, editable',
                '5 s',
                (str(ROOT), (ROOT / 'setup.py').read_text()),
                self.install_package,
            ),
        ]
        wanted = {'peers': peers, 'package': package}
        return [step for step in steps if wanted.get(step.name, True)]

    def call(self, log: Path, command: Sequence[str], env: dict[str, str] | None = None) -> None:
        """Run a command without the settings that would lead pip out of the environment."""
        clean = dict(
            os.environ if env is None else env, PIP_USER='0', PIP_NO_INPUT='1', PIP_DISABLE_PIP_VERSION_CHECK='1'
        )
        for name in ('PYTHONPATH', 'PYTHONHOME', 'PIP_TARGET', 'PIP_PREFIX'):
            clean.pop(name, None)
        run_logged(command, log, env=clean, cwd=self.setup, keep_open=(self.lock,))

    def make_venv(self, log: Path, version: str) -> None:
        """Make the environment; one that was made by hand and works is taken over as it is."""
        moved = (self.setup / 'tools.stamp').exists()  # ours, but the stamp names another folder
        if not moved and os.access(self.python, os.X_OK):
            pip = subprocess.run([self.python, '-m', 'pip', '--version'], capture_output=True)
            if pip.returncode == 0:
                return
        base = pick((version,), self.chosen, without=self.venv)
        for path in self.venv.iterdir():
            if path == self.setup:
                for stamp in path.glob('*.stamp'):
                    stamp.unlink()
            elif path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        self.call(log, [base.path, '-m', 'venv', str(self.venv)])

    def pip_install(self, log: Path, section: str, *flags: str) -> None:
        """Install a section, with all pins of the stack as constraints."""
        self.drop_halves()
        wanted = self.setup / f'{section}.txt'
        wanted.write_text('\n'.join(self.pins[section]) + '\n')
        held = [part for path in self.files for part in ('-c', str(path))]
        self.call(log, [self.python, '-m', 'pip', 'install', '--progress-bar', 'off', *flags, *held, '-r', str(wanted)])

    def drop_halves(self) -> None:
        """Forget packages in whose middle pip was killed: it would take them for installed."""
        for folder in self.venv.glob('lib/python*/site-packages/*.dist-info'):
            if not (folder / 'INSTALLER').exists():
                shutil.rmtree(folder)

    def install_mmcv(self, log: Path) -> None:
        """Install mmcv from the first wheel that imports; build one if there is none."""
        if self.ops_error() is None:
            return
        pin = self.pins['mmcv'][0]
        target = mmcv_wheel.target_of(self.python)
        kept = mmcv_wheel.cache_folder() / mmcv_wheel.cache_name(pin.split('==')[1], target)
        with tempfile.TemporaryDirectory() as scratch:
            for origin, wheel in (
                ("pip's find-links", mmcv_wheel.find(pin, self.python, Path(scratch))),
                ('the cache', mmcv_wheel.wheel_in(kept)),
            ):
                if wheel is not None:
                    error = self.install_wheel(log, wheel)
                    if error is None:
                        print(f'      took {wheel.name} from {origin}')
                        return
                    print(f'      passed over {wheel.name} from {origin}: {error}')
        device = 'the CPU'
        if target.cuda:
            device = f'CUDA {target.cuda} (the kernels take half an hour more; FORCE_CUDA=0 leaves them out)'
        print(f'      no wheel: building the ops for {device}, to be kept in {kept}', flush=True)
        wheel = mmcv_wheel.build(
            pin, self.python, target, self.setup / 'mmcv', lambda command, env: self.call(log, command, env)
        )
        error = self.install_wheel(log, wheel)
        if error is not None:
            wheel.unlink()
            raise StepFailedError(f'mmcv was built, but `import mmcv.ops` says: {error}')

    def install_wheel(self, log: Path, wheel: Path) -> str | None:
        """Install a wheel of mmcv over whatever there is, and return ``ops_error()``."""
        self.call(log, [self.python, '-m', 'pip', 'install', '--no-deps', '--force-reinstall', str(wheel)])
        return self.ops_error()

    def ops_error(self) -> str | None:
        """Say why the installed mmcv will not do; None if it is the pinned one and imports."""
        name, version = self.pins['mmcv'][0].split('==')
        code = (
            'import importlib.metadata as m\n'
            f'found = m.version({name!r})\n'
            f'assert found == {version!r}, "version " + found\n'
            'import mmcv.ops'
        )
        result = subprocess.run([self.python, '-c', code], capture_output=True, text=True, cwd=self.setup)
        return result.stderr.strip().splitlines()[-1] if result.returncode else None

    def install_peers(self, log: Path) -> None:
        """Install the peers and see that they import."""
        self.pip_install(log, 'peers')
        self.call(log, [self.python, '-c', PEER_IMPORTS])

    def install_package(self, log: Path) -> None:
        """Install this checkout in place."""
        self.call(log, [self.python, '-m', 'pip', 'install', '--no-deps', '--no-build-isolation', '-e', str(ROOT)])
