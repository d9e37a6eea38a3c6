from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpose.apis import init_model
from mmpose.registry import MODELS

from vitpose.cli.main import main

CONFIG = Path(__file__).parents[1] / 'checkpoints' / 'three_datasets.py'


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    file = tmp_path_factory.mktemp('split') / 'several.pth'
    init_default_scope('mmpose')
    torch.save(dict(meta={}, state_dict=MODELS.build(Config.fromfile(CONFIG).model).state_dict()), file)
    return file


def test_written_files_and_output(checkpoint, tmp_path, capsys):
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


def test_existing_files_are_not_overwritten(refuses, checkpoint, tmp_path):
    for file in (tmp_path / 'mpii.pth', tmp_path / 'mpii.py'):
        file.write_text('mine')
        words = (CONFIG, checkpoint, '--dataset', 'mpii', '--out', tmp_path / 'mpii.pth')
        refuses('split', *words, message=f'{file} already exists: remove it or pass another --out')
        assert file.read_text() == 'mine'
        file.unlink()


def test_errors_leave_no_files(refuses, checkpoint, tmp_path, monkeypatch):
    def fail(content, path):
        Path(path).write_bytes(b'half of it')
        raise OSError('no space left')

    monkeypatch.setattr(torch, 'save', fail)
    for dataset, out, message in (
        ('hand', 'hand.pth', "dataset 'hand' in this config: choose one of"),
        ('mpii', 'mpii', 'expected a name that ends in .pth'),
        ('mpii', 'mpii.pth', 'no space left'),
    ):
        refuses('split', CONFIG, checkpoint, '--dataset', dataset, '--out', tmp_path / out, message=message)
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('model = dict(', "SyntaxError: '(' was never closed"),
        ('a = b', "NameError: name 'b' is not defined"),
        ('a = 1', 'expected a config with model=dict(...)'),
    ],
)
def test_a_broken_config_is_named(refuses, checkpoint, tmp_path, text, message):
    config = tmp_path / 'c.py'
    config.write_text(text)
    words = ('--dataset', 'mpii', '--out', tmp_path / 'mpii.pth')
    refuses('split', config, checkpoint, *words, message=f'{config}: {message}')
