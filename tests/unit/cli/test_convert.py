"""`vitpose convert`: what it prints and refuses; tests/unit/checkpoints/test_conversion.py compares the weights."""

import json

import numpy as np
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


def convert(file, *words):
    """Convert to out/NAME beside the file, and return what is in it."""
    out = file.parent / 'out' / words[0]
    assert main(['convert', str(file), str(out), '--to', *words[1:]]) == 0
    return load_checkpoint(out)


def test_the_message_and_the_record(file, capsys):
    meta = convert(file, 'a.pth', 'mmpose').meta
    assert capsys.readouterr().out == f'{file.parent}/out/a.pth: 31 weights of epoch_1.pth (vitpose_mm) as mmpose\n'
    assert [path.name for path in (file.parent / 'out').iterdir()] == ['a.pth']
    assert meta['file'] == 'epoch_1.pth' and meta['origin'] == 'ours' and meta['changes'] == []
    assert meta['dataset_meta']['dataset_name'] == 'two'
    content = torch.load(file)
    content['state_dict']['head.final_layer.bias'][0] = float('inf')
    content['state_dict']['head.confidence.table'] = torch.zeros(2, 8)  # of `vitpose calibrate --fast`
    torch.save(content, file)
    dropped = 'calibration and presence are dropped'
    assert convert(file, 'b.pth', 'ours').meta['changes'] == [dropped]
    out = capsys.readouterr().out
    assert '  warning: 0 weights are NaN and 1 infinite, the first in head.final' in out and f'  {dropped}\n' in out


def test_the_names_of_the_keypoints_become_labels(file):
    pytest.importorskip('safetensors', reason='written by it')
    config = convert(file, 'hf', 'transformers').meta['config']
    assert config['id2label'] == {'0': 'left', '1': 'right'}
    assert config['backbone_config']['image_size'] == [64, 48]
    assert config['backbone_config']['num_attention_heads'] == 2  # as the model that saved the file


def test_arrays_that_mmengine_saves_with_the_keypoints_become_lists(file):
    content = torch.load(file)
    content['meta']['dataset_meta'] |= dict(sigmas=np.ones(2, np.float32), keypoint_colors=np.zeros((2, 3), np.uint8))
    torch.save(content, file)
    meta = convert(file, 'a.pth', 'mmpose').meta['dataset_meta']
    assert meta['keypoint_id2name'] == {0: 'left', 1: 'right'} and meta['sigmas'] == [1, 1]
    assert meta['keypoint_colors'] == [[0, 0, 0]] * 2


def test_labels_are_ordered_by_their_numbers(file):
    """A tool that sorts the text of config.json puts '10' before '2'."""
    pytest.importorskip('safetensors', reason='written by it')
    torch.save(dict(torch.load(file), meta={}), file)
    convert(file, 'hf', 'transformers')
    path = file.parent / 'out/hf/config.json'
    config = json.loads(path.read_text())
    path.write_text(json.dumps(config | dict(id2label={'1': 'right', '0': 'left'})))
    assert convert(path.parent, 'again', 'transformers').meta['config']['id2label'] == {'0': 'left', '1': 'right'}


def test_keypoints_of_another_dataset_give_no_labels(file, refuses):
    pytest.importorskip('safetensors', reason='written by it')
    words = ('convert', file, file.parent / 'hf', '--to', 'transformers', '--dataset', 'coco')
    refuses(*words, message=f'--dataset coco: the only decoder of {file} is that of two')
    content = torch.load(file)
    weights = {}  # without the number of attention heads, which the model recorded
    for key, value in content['state_dict'].items():
        names = ('head.heads.coco.', 'head.heads.two.') if key.startswith('head.') else ('head.',)
        weights |= {key.replace('head.', name): value for name in names}
    torch.save(dict(content, state_dict=weights), file)
    refuses(*words, message='a ViT of depth 2 and width 24 has no name: give --num-heads N')
    options = ('--dataset', 'coco', '--num-heads', '2', '--img-size', '64', '48')
    meta = convert(file, 'hf', 'transformers', *options).meta
    assert meta['config']['id2label'] == {'0': 'LABEL_0', '1': 'LABEL_1'}
    assert 'dataset_meta' not in meta and meta['dataset'] == 'coco'


def test_bad_arguments(file, refuses, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for words, message in (
        ('a.bin --to ours', 'a.bin: expected a name that ends in .pth with --to ours'),
        ('a.pth --to safetensors', 'expected a name that ends in .safetensors'),
        ('epoch_1.pth --to ours', 'epoch_1.pth already exists'),
        ('hf --to transformers --num-heads 2 --img-size 64 64', 'position table of 12 entries'),
        ('hf --to transformers --num-heads 3', f'--num-heads 3: {file} records 2'),
        ('hf --to transformers --num-heads 0', '--num-heads 0: expected at least 1'),
        ('a.pth --to ours --dataset two', '--dataset: only with --to transformers; `vitpose split` extracts'),
        ('a.pth --to mmpose --img-size 64 48', '--img-size: only with --to transformers'),
        ('a.pth --to official --num-heads 2', '--num-heads: only with --to transformers'),
    ):
        refuses('convert', file, *words.split(), message=message)
        assert [path.name for path in tmp_path.iterdir()] == ['epoch_1.pth']


@pytest.mark.parametrize(('setting', 'shown'), [('stride=8', 'stride'), ('attention=dict(window_size=(2, 2))', 'att')])
def test_a_recorded_stride_or_windows_stay_in_our_formats(file, refuses, setting, shown):
    content = torch.load(file)
    content['meta']['cfg'] = f"model = dict(backbone=dict(type='ViT', {setting}))"
    torch.save(content, file)
    for form, name in (('mmpose', 'a.pth'), ('official', 'a.pth'), ('transformers', 'hf')):
        message = f'{file}: its ViT has {shown}'
        refuses('convert', file, file.parent / name, '--to', form, message=message)
    assert [path.name for path in file.parent.iterdir()] == ['epoch_1.pth']
    convert(file, 'a.pth', 'ours')
