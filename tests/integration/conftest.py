import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine import Config

from tests.coco_files import noise_image, random_person, write_coco
from tests.integration.checkpoints import load
from tests.integration.commands import kill, read, wait_for

CONFIGS = Path(__file__).parent / 'configs'
NO_VALIDATION = dict(val_cfg=None, val_dataloader=None, val_evaluator=None)
DISTRIBUTED = dict(type='MMDistributedDataParallel', device_ids=None, broadcast_buffers=False)


def write_people(images: Path, annotations: Path, keypoints: int, count: int = 4, people_per_image: int = 1) -> None:
    rng = np.random.default_rng(0)
    for folder in (images, annotations.parent):
        folder.mkdir(parents=True, exist_ok=True)
    names = [f'{image_id:03}.jpg' for image_id in range(1, count + 1)]
    people: list[dict] = []
    for image_id, name in enumerate(names, 1):
        noise_image(images / name, rng, 96, 128)
        for _ in range(people_per_image):
            box = rng.integers((0, 0, 30, 40), (60, 40, 60, 56))
            people.append(random_person(rng, len(people) + 1, box, keypoints, image_id))
    write_coco(annotations, names, 96, 128, people)


@pytest.fixture(scope='session')
def tiny_coco(tmp_path_factory) -> Path:
    """A folder with 8 noise images and `people.json`, which holds 24 random people in COCO format."""
    folder = tmp_path_factory.mktemp('tiny_coco')
    write_people(folder, folder / 'people.json', 17, 8, 3)
    return folder


@pytest.fixture
def data(tiny_coco, tmp_path) -> Path:
    """A copy of the tiny data that a test may corrupt."""
    return shutil.copytree(tiny_coco, tmp_path / 'data')


def dump_changed(cfg: Config, path: Path, changes: dict) -> Path:
    """Write a config with changes, whose keys are dotted paths with `__` instead of dots."""
    cfg.merge_from_dict({key.replace('__', '.'): value for key, value in changes.items()})
    cfg.dump(path)
    return path


@pytest.fixture
def write_config(tmp_path) -> Callable[..., Path]:
    """A function that writes a config from `configs/` with the paths of the data and other changes."""

    def write(images: Path, annotations: str, name: str = 'tiny.py', out: str = 'config.py', **changes) -> Path:
        cfg = Config.fromfile(CONFIGS / name)
        ann_file = str(images / annotations)
        for split in ('train', 'val', 'test'):
            cfg[f'{split}_dataloader'].dataset.update(ann_file=ann_file, data_prefix=dict(img=str(images)))
            if split != 'train':
                cfg[f'{split}_evaluator'].ann_file = ann_file
        return dump_changed(cfg, tmp_path / out, changes)

    return write


@pytest.fixture(scope='session')
def two_datasets(tiny_coco, tmp_path_factory) -> Path:
    """The tiny data plus `athletes.json`: the last eight people with AIC's 14 keypoints."""
    folder = shutil.copytree(tiny_coco, tmp_path_factory.mktemp('two') / 'data')
    content = json.loads((folder / 'people.json').read_text())
    content['annotations'] = content['annotations'][-8:]
    for person in content['annotations']:
        person.update(keypoints=person['keypoints'][: 14 * 3], num_keypoints=14)
    (folder / 'athletes.json').write_text(json.dumps(content))
    return folder


@pytest.fixture
def write_two(two_datasets, tmp_path) -> Callable[..., Path]:
    def write_config(out='config.py', **changes) -> Path:
        cfg = Config.fromfile(CONFIGS / 'two_datasets.py')
        for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
            for member in loader.dataset.datasets:
                member.data_root = str(two_datasets)
        return dump_changed(cfg, tmp_path / out, changes)

    return write_config


@pytest.fixture
def write_module(environment, tmp_path, monkeypatch) -> Callable[[str, str], None]:
    monkeypatch.setitem(environment, 'PYTHONPATH', f'{environment["PYTHONPATH"]}{os.pathsep}{tmp_path}')
    return lambda name, text: (tmp_path / f'{name}.py').write_text(text)


@pytest.fixture
def run(start) -> Callable[..., str]:
    def run_command(*command, timeout: float = 900, fails: bool = False, gloo: int = 0) -> str:
        code, output = read(start(*command, gloo=gloo), timeout)
        assert (code != 0) == fails, f'exit code {code}:\n{output[-6000:]}'
        return output

    return run_command


@pytest.fixture
def run_until(start) -> Callable[..., None]:
    """A function that starts a command and sends SIGKILL once a line of the output matches a pattern."""

    def run_and_kill(*command, pattern: str) -> None:
        process = start(*command)
        wait_for(process, pattern)
        kill(process)

    return run_and_kill


@pytest.fixture
def continue_from() -> Callable[[Path, Path], None]:
    """A function that makes a work_dir look as if its run had been killed right after writing a checkpoint."""

    def copy_checkpoint(checkpoint: Path, work_dir: Path) -> None:
        work_dir.mkdir()
        (work_dir / 'last_checkpoint').write_text(str(shutil.copy(checkpoint, work_dir)))

    return copy_checkpoint


@pytest.fixture(scope='session')
def mim() -> str:
    path = Path(sys.executable).with_name('mim')
    assert path.is_file(), f'{path} is missing: install requirements/tested.txt'
    return str(path)


@pytest.fixture
def compare_one_and_two_processes(run, tmp_path) -> Callable[..., tuple[list[dict], str]]:
    """A function that trains with one process and with two gloo processes, and compares weights and gradients.

    AdamW normalizes the gradients, so the weights alone do not show a wrong gradient scale. Its first moment is linear
    in the gradients of all steps and does show it. Gradient clipping is off because it would hide the scale as well.
    """

    def compare(config: Callable[..., Path], sync_bn: bool = False) -> tuple[list[dict], str]:
        """Return both checkpoints and the output of the two processes; `config` takes a batch size and changes."""
        settings = dict(optim_wrapper__clip_grad=None, model__backbone__drop_path_rate=0.0, param_scheduler=[])
        settings.update(train_dataloader__num_workers=0, train_dataloader__persistent_workers=False)
        settings.update(train_cfg__max_epochs=1, train_cfg__val_begin=9)
        run('train', config(8, out='one.py', **settings), '--work-dir', tmp_path / 'one')
        settings.update(model_wrapper_cfg=DISTRIBUTED, sync_bn='torch' if sync_bn else None)
        output = run('train', config(4, out='two.py', **settings), '--work-dir', tmp_path / 'two', gloo=2)
        assert 'GPU number: 2' in output
        checkpoints = [load(tmp_path / name / 'epoch_1.pth') for name in ('one', 'two')]
        skipped = () if sync_bn else ('running_mean', 'running_var', 'tracked')  # each process has its own
        weights = (checkpoint['state_dict'].items() for checkpoint in checkpoints)
        one, two = ({name: value for name, value in items if not name.endswith(skipped)} for items in weights)
        assert (one['backbone.last_norm.weight'] - 1).abs().max() > 1e-4, 'training barely changed the weights'
        torch.testing.assert_close(two, one, rtol=0, atol=1e-4)
        one, two = (checkpoint['optimizer']['state'] for checkpoint in checkpoints)
        assert one.keys() == two.keys()
        # float32 sums in a different order: differences of 1e-6 were observed; a wrong scale gives much larger ones
        for index in one:
            moment, other = one[index]['exp_avg'], two[index]['exp_avg']
            assert (other - moment).norm() <= 1e-4 * moment.norm(), f'gradient of parameter {index}'
        return checkpoints, output

    return compare
