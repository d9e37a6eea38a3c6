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
def checkpoint(tmp_path, monkeypatch):
    """A checkpoint of a small ViTPose+ model, several.pth in the working directory."""
    monkeypatch.chdir(tmp_path)
    init_default_scope('mmpose')
    weights = MODELS.build(Config.fromfile(CONFIG).model).state_dict()
    torch.save(dict(meta={}, state_dict=weights), tmp_path / 'several.pth')
    return tmp_path / 'several.pth'


def test_written_files_and_output(checkpoint, root, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(root)
    out = tmp_path / 'models' / 'mpii.pth'
    assert main(['split', str(CONFIG), str(checkpoint), '--dataset', 'mpii', '--out', str(out)]) == 0
    output = capsys.readouterr().out
    assert f'{out}: plain ViT and head of mpii (16 keypoints), 0.1 M parameters' in output
    assert f'mim test mmpose {out.with_suffix(".py")} --checkpoint {out}' in output
    assert sorted(path.name for path in out.parent.iterdir()) == ['mpii.pth', 'mpii.py']
    model = init_model(str(out.with_suffix('.py')), str(out), device='cpu')
    assert model.dataset_meta['dataset_name'] == 'mpii' and model.dataset_meta['num_keypoints'] == 16
    assert model.cfg.test_dataloader.dataset.metainfo == dict(from_file='configs/_base_/datasets/mpii.py')
    stored = torch.load(out, weights_only=True)
    assert stored['meta']['cfg'] == out.with_suffix('.py').read_text()
    model.load_state_dict(stored['state_dict'], strict=True)


@pytest.mark.parametrize('existing', ['mpii.pth', 'mpii.py'])
def test_existing_files_are_not_overwritten(refuses, checkpoint, existing):
    Path(existing).write_text('mine')
    message = f'{existing} already exists: remove it or pass another --out'
    refuses('split', CONFIG, checkpoint, '--dataset', 'mpii', '--out', 'mpii.pth', message=message)
    assert Path(existing).read_text() == 'mine'


@pytest.mark.parametrize(
    ('file', 'dataset', 'out', 'message'),
    [
        ('several.pth', 'hand', 'hand.pth', "dataset 'hand' in this config: choose one of"),
        ('several.pth', 'mpii', 'mpii', 'expected a name that ends in .pth'),
        (CONFIG, 'mpii', 'mpii.pth', 'cannot be read as a checkpoint of torch'),
    ],
)
def test_bad_arguments(refuses, checkpoint, file, dataset, out, message):
    refuses('split', CONFIG, file, '--dataset', dataset, '--out', out, message=message)
    assert list(Path().iterdir()) == [Path('several.pth')]


def test_failed_write_leaves_no_files(refuses, checkpoint, root, tmp_path, monkeypatch):
    def fail(content, path):
        Path(path).write_bytes(b'half of it')
        raise OSError('no space left')

    monkeypatch.chdir(root)
    monkeypatch.setattr(torch, 'save', fail)
    out = tmp_path / 'out' / 'mpii.pth'
    refuses('split', CONFIG, checkpoint, '--dataset', 'mpii', '--out', out, message='no space left')
    assert not any(out.parent.iterdir())
