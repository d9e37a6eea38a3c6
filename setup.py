"""Describe the package; the exact stack that it is tested with is requirements/tested.txt."""

import re
import shutil
import tempfile
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

TORCH = ['torch>=2.1', 'torchvision>=0.16']
ROOT = Path(__file__).resolve().parent
# what MIM, `vitpose` and users look for beside the code, as MMPose has it: vitpose_mm/.mim/...
MIM_FILES = ('configs', 'model-index.yml', *(f'requirements/{name}.txt' for name in ('tested', 'legacy')))


class BuildWithMim(build_py):
    """Put the configs into the package: copies in a wheel, links in an editable installation."""

    def run(self) -> None:
        """Build the modules, then `.mim`."""
        super().run()
        top = ROOT if self.editable_mode else Path(self.build_lib)
        mim = top / 'vitpose_mm' / '.mim'
        if mim.exists():
            shutil.rmtree(mim)
        for name in MIM_FILES:
            source, place = ROOT / name, mim / name
            if not source.exists():
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            if self.editable_mode:
                up = Path(*['..'] * len(place.parent.relative_to(ROOT).parts))
                place.symlink_to(up / name, target_is_directory=source.is_dir())
            elif source.is_dir():
                shutil.copytree(source, place, ignore=shutil.ignore_patterns('__pycache__'))
            else:
                shutil.copy2(source, place)


def version() -> str:
    """Read the version from the package without importing it."""
    text = (ROOT / 'vitpose_mm' / '__init__.py').read_text(encoding='utf-8')
    found = re.search(r"^__version__ = '([^']+)'", text, re.MULTILINE)
    assert found, 'vitpose_mm/__init__.py has no __version__'
    return found.group(1)


with tempfile.TemporaryDirectory() as scratch:
    setup(
        name='vitpose_mm',
        version=version(),
        description='ViTPose for MMPose 1.x',
        long_description=(ROOT / 'README.md').read_text(encoding='utf-8'),
        long_description_content_type='text/markdown',
        license='Apache-2.0',
        classifiers=[
            'Programming Language :: Python :: 3.10',
            'Programming Language :: Python :: 3.11',
            'Programming Language :: Python :: 3.12',
            'Programming Language :: Python :: 3.13',  # prediction; xtcocotools, for training, has no build for it
        ],
        python_requires='>=3.10',
        packages=find_packages(include=['vitpose*']),
        package_data={
            'vitpose.own_data': ['training_report.html'],
            'vitpose_mm': ['py.typed'],
            'vitpose.models': ['tiny.*'],
            'vitpose.demo': ['skier.jpg'],
            'vitpose.predict.models': ['datasets.json'],
            'vitpose.predict.outputs': ['page.html', 'predictions.schema.json'],
        },
        # OpenMMLab's packages are not required by name: mmcv, mmengine and mmdet come either under
        # these names or from the maintained forks onedl-mmcv, onedl-mmengine and onedl-mmdetection.
        # Both fill the same folders, so the one that pip fetched for us would overwrite the one
        # that is there. And mmpose requires chumpy, which it never imports and which does not
        # build any more. `vitpose doctor` checks all of them, by what is installed.
        # torch is an extra, because exported files are predicted without it.
        install_requires=['numpy>=1.23', 'pillow>=10', 'pyyaml>=5', 'rich>=12'],
        extras_require={
            'torch': [*TORCH, 'opencv-python', 'safetensors>=0.4'],
            'openmmlab': [*TORCH, 'mmpose>=1.3,<2', 'mmcv>=2.1,<2.2', 'mmengine>=0.10.5,<1', 'mmdet>=3.3,<4'],
            'onnx': ['onnxruntime>=1.20', 'opencv-python'],
            'openvino': ['openvino>=2025.0', 'opencv-python'],
            'export': [*TORCH, 'onnx>=1.17', 'onnxscript>=0.3', 'onnxruntime>=1.20', 'openvino>=2025.0', 'nncf>=2.15'],
            'predict': ['av>=14.2'],  # videos
            'app': ['gradio>=6.5', 'av>=14.2'],
            'track': ['trackers>=2.6'],  # needs numpy 2
            'eval': ['pycocotools>=2.0.8'],
            'labels': ['h5py>=3.8'],  # DeepLabCut's .h5 tables
            'sleap': ['sleap-io>=0.9', 'av>=14.2'],
            'safetensors': ['safetensors>=0.4'],
            'hub': ['huggingface_hub>=0.25', 'safetensors>=0.4'],  # owner/name
            'tests': 'pytest>=7 hypothesis pytest-xdist jsonschema ruff mypy import-linter tensorboard'.split(),
        },
        entry_points={'console_scripts': ['vitpose = vitpose.cli.main:main']},
        cmdclass={'build_py': BuildWithMim},
        # build outside the checkout: `pip install .` leaves nothing behind in it
        options={'build': {'build_base': scratch}, 'egg_info': {'egg_base': scratch}},
        zip_safe=False,
    )
