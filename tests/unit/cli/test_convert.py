"""`vitpose convert`: what it prints and refuses; tests/unit/checkpoints/test_conversion.py compares the weights."""

import pytest
import torch
from mmpose.registry import MODELS

import vitpose_mm  # noqa: F401
from vitpose.cli.main import main
from vitpose_mm.checkpoints.safe_load import load_checkpoint


@pytest.fixture
def file(tmp_path):
    head = dict(type='SimpleHead', in_channels=24, out_channels=2)
    vit = dict(type='ViT', arch=dict(depth=2, embed_dim=24, num_heads=2), img_size=(64, 48))
    model = MODELS.build(dict(type='TopdownPoseEstimator', backbone=vit, head=head))
    meta = dict(epoch=1, dataset_meta=dict(dataset_name='two', keypoint_id2name={0: 'left', 1: 'right'}))
    torch.save(dict(state_dict=model.state_dict(), meta=meta), tmp_path / 'epoch_1.pth')
    return tmp_path / 'epoch_1.pth'


def test_the_message_and_the_record(file, tmp_path, capsys):
    assert main(['convert', str(file), str(tmp_path / 'new' / 'a.pth'), '--to', 'mmpose']) == 0
    assert capsys.readouterr().out == f'{tmp_path}/new/a.pth: 31 weights of epoch_1.pth (vitpose_mm) as mmpose\n'
    assert [path.name for path in (tmp_path / 'new').iterdir()] == ['a.pth']
    meta = load_checkpoint(tmp_path / 'new' / 'a.pth').meta
    assert meta['file'] == 'epoch_1.pth' and meta['origin'] == 'ours' and meta['changes'] == []
    assert meta['dataset_meta']['dataset_name'] == 'two'


def test_nan_is_reported(file, tmp_path, capsys):
    content = torch.load(file)
    content['state_dict']['head.final_layer.bias'][0] = float('inf')
    torch.save(content, file)
    assert main(['convert', str(file), str(tmp_path / 'a.pth'), '--to', 'ours']) == 0
    assert '  warning: 0 weights are NaN and 1 infinite, the first in head.final' in capsys.readouterr().out


def test_the_names_of_the_keypoints_become_labels(file, tmp_path):
    pytest.importorskip('safetensors', reason='written by it')
    assert main(['convert', str(file), str(tmp_path / 'hf'), '--to', 'transformers']) == 0
    config = load_checkpoint(tmp_path / 'hf').meta['config']
    assert config['id2label'] == {'0': 'left', '1': 'right'}
    assert config['backbone_config']['image_size'] == [64, 48]
    assert config['backbone_config']['num_attention_heads'] == 2  # as the model that saved the file


def test_the_number_of_heads_must_be_known(file, tmp_path, capsys):
    content = torch.load(file)
    torch.save(dict(content, state_dict=dict(content['state_dict'])), file)  # without what the model recorded
    assert main(['convert', str(file), str(tmp_path / 'hf'), '--to', 'transformers']) == 2
    assert 'a ViT of depth 2 and width 24 has no name: give --num-heads N' in capsys.readouterr().err


def test_keypoints_of_another_dataset_give_no_labels(file, tmp_path, capsys):
    pytest.importorskip('safetensors', reason='written by it')
    arguments = ['convert', str(file), str(tmp_path / 'hf'), '--to', 'transformers', '--dataset', 'coco']
    assert main(arguments) == 2
    assert f'--dataset coco: the only decoder of {file} is that of two' in capsys.readouterr().err
    content = torch.load(file)
    heads = {
        key.replace('head.', f'head.heads.{name}.'): value
        for key, value in content['state_dict'].items()
        for name in ('coco', 'two')
        if key.startswith('head.')
    }
    vit = {key: value for key, value in content['state_dict'].items() if key.startswith('backbone.')}
    torch.save(dict(content, state_dict=vit | heads), file)
    assert main([*arguments, '--num-heads', '2', '--img-size', '64', '48']) == 0
    loaded = load_checkpoint(tmp_path / 'hf').meta
    assert loaded['config']['id2label'] == {'0': 'LABEL_0', '1': 'LABEL_1'}
    assert 'dataset_meta' not in loaded and loaded['dataset'] == 'coco'


@pytest.mark.parametrize(
    ('args', 'message'),
    [
        (['a.bin', '--to', 'ours'], 'a.bin: expected a name that ends in .pth with --to ours'),
        (['a.pth', '--to', 'safetensors'], 'expected a name that ends in .safetensors'),
        (['epoch_1.pth', '--to', 'ours'], 'epoch_1.pth already exists'),
        (['hf', '--to', 'transformers', '--num-heads', '2', '--img-size', '64', '64'], 'position table of 12 entries'),
    ],
)
def test_bad_arguments_give_one_line(file, tmp_path, capsys, monkeypatch, args, message):
    monkeypatch.chdir(tmp_path)
    assert main(['convert', str(file), *args]) == 2
    error = capsys.readouterr().err
    assert message in error and error.startswith('vitpose convert: ') and error.count('\n') == 1
    assert [path.name for path in tmp_path.iterdir()] == ['epoch_1.pth']
