"""`vitpose split`: the files it writes, its output, and its errors."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpose.apis import init_model
from mmpose.registry import MODELS

from vitpose.cli.main import main

CONFIG = Path(__file__).parents[1] / 'checkpoints' / 'three_datasets.py'


@pytest.fixture
def checkpoint(tmp_path):
    """A checkpoint of a small ViTPose+ model."""
    cfg = Config.fromfile(CONFIG)
    init_default_scope('mmpose')
    torch.save(dict(meta={}, state_dict=MODELS.build(cfg.model).state_dict()), tmp_path / 'several.pth')
    return tmp_path / 'several.pth'


def split(*arguments):
    return main(['split', *map(str, arguments)])


def test_written_files_and_output(checkpoint, tmp_path, capsys):
    out = tmp_path / 'models' / 'mpii.pth'
    assert split(CONFIG, checkpoint, '--dataset', 'mpii', '--out', out) == 0
    output = capsys.readouterr().out
    assert f'{out}: plain ViT and head of mpii (16 keypoints), 0.1 M parameters' in output
    assert f'mim test mmpose {out.with_suffix(".py")} --checkpoint {out}' in output
    assert sorted(path.name for path in out.parent.iterdir()) == ['mpii.pth', 'mpii.py']
    model = init_model(str(out.with_suffix('.py')), str(out), device='cpu')
    assert model.dataset_meta['dataset_name'] == 'mpii'
    assert model.dataset_meta['num_keypoints'] == 16
    assert model.cfg.test_dataloader.dataset.metainfo == dict(from_file='configs/_base_/datasets/mpii.py')
    stored = torch.load(out, weights_only=True)
    assert stored['meta']['cfg'] == out.with_suffix('.py').read_text()
    model.load_state_dict(stored['state_dict'], strict=True)


@pytest.mark.parametrize('existing', ['mpii.pth', 'mpii.py'])
def test_existing_files_are_not_overwritten(checkpoint, tmp_path, capsys, existing):
    (tmp_path / existing).write_text('mine')
    assert split(CONFIG, checkpoint, '--dataset', 'mpii', '--out', tmp_path / 'mpii.pth') == 2
    assert f'{tmp_path / existing} already exists: remove it or pass another --out' in capsys.readouterr().err
    assert (tmp_path / existing).read_text() == 'mine'


@pytest.mark.parametrize(
    'arguments, message',
    [
        (
            [CONFIG, 'several.pth', '--dataset', 'hand', '--out', 'hand.pth'],
            "dataset 'hand' in this config: choose one of",
        ),
        ([CONFIG, 'several.pth', '--dataset', 'mpii', '--out', 'mpii'], 'expected a name that ends in .pth'),
        ([CONFIG, 'nothing.pth', '--dataset', 'mpii', '--out', 'mpii.pth'], 'nothing.pth: no such checkpoint'),
        (['nothing.py', 'several.pth', '--dataset', 'mpii', '--out', 'mpii.pth'], 'nothing.py: no such config'),
        ([CONFIG, CONFIG, '--dataset', 'mpii', '--out', 'mpii.pth'], 'cannot be read as a checkpoint of torch'),
    ],
)
def test_bad_arguments_are_reported_and_nothing_is_written(checkpoint, capsys, monkeypatch, arguments, message):
    monkeypatch.chdir(checkpoint.parent)
    assert split(*arguments) == 2
    assert message in capsys.readouterr().err
    assert [path.name for path in checkpoint.parent.iterdir()] == ['several.pth']


def test_failed_write_leaves_no_files(checkpoint, tmp_path, monkeypatch):
    def fail(content, path):
        Path(path).write_bytes(b'half of it')
        raise OSError('no space left')

    monkeypatch.setattr(torch, 'save', fail)
    assert split(CONFIG, checkpoint, '--dataset', 'mpii', '--out', tmp_path / 'out' / 'mpii.pth') == 2
    assert not any((tmp_path / 'out').iterdir())
