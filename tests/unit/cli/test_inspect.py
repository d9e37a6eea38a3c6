"""`vitpose inspect` says who wrote a checkpoint and what is in it."""

import json

import pytest
import torch
from mmengine import Config
from mmengine.registry import init_default_scope
from mmpose.registry import MODELS

import vitpose_mm  # noqa: F401
from vitpose.cli.main import main
from vitpose_mm.checkpoints.experts_and_decoders import AUTHORS_ORDER

KEYPOINTS = dict(zip(AUTHORS_ORDER, (17, 14, 16, 17, 17, 133), strict=True))


def inspect(file, capsys, *more):
    code = main(['inspect', str(file), *more])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def vit(**more):
    return dict(type='ViT', arch=dict(depth=2, embed_dim=24, num_heads=2), img_size=(64, 48), **more)


def test_a_single_model(tmp_path, capsys):
    head = dict(type='SimpleHead', in_channels=24, out_channels=5)
    model = MODELS.build(dict(type='TopdownPoseEstimator', backbone=vit(), head=head))
    meta = dict(epoch=7, seed=3, cfg='x = 1', dataset_meta=dict(dataset_name='hand5'))
    torch.save(dict(state_dict=model.state_dict(), meta=meta, optimizer=dict(state={})), tmp_path / 'a.pth')
    code, out, _ = inspect(tmp_path / 'a.pth', capsys, '--json')
    found = json.loads(out)
    assert code == 0 and found.pop('parameters') == sum(value.numel() for value in model.state_dict().values())
    assert found == dict(
        origin='vitpose_mm',
        reason='it has backbone.layers.0.norm1.weight',
        container='torch, weights under state_dict',
        size='no name: 2 blocks of width 24',
        heads=[dict(dataset='hand5', keypoints=5, decoder='simple')],
        experts=None,
        grid=[4, 3],
        positions=12,
        patch=[16, 16],
        dtype=['float32'],
        training=dict(epoch=7, seed=3),
        notes=[],
        configs=[],
    )
    code, out, _ = inspect(tmp_path / 'a.pth', capsys)
    assert code == 0 and 'dataset hand5, keypoints 5, decoder simple' in out and 'seed: 3' in out


def test_several_datasets_with_experts(tmp_path, capsys):
    heads = {name: dict(type='ClassicHead', in_channels=24, out_channels=KEYPOINTS[name]) for name in ('mpii', 'aic')}
    experts = dict(names=['mpii', 'aic'], expert_dim=6)
    head = dict(type='MultiDatasetHead', heads=heads, default_dataset='aic')
    model = MODELS.build(dict(type='MultiDatasetPoseEstimator', backbone=vit(experts=experts), head=head))
    weights = model.state_dict()
    weights['backbone.last_norm.bias'][0] = float('nan')
    torch.save(dict(state_dict=weights), tmp_path / 'a.pth')
    found = json.loads(inspect(tmp_path / 'a.pth', capsys, '--json')[1])
    assert found['heads'] == [
        dict(dataset='mpii', keypoints=16, decoder='classic'),
        dict(dataset='aic', keypoints=14, decoder='classic'),
    ]
    assert found['experts'] == dict(count=2, outputs=6, datasets=['mpii', 'aic'])
    assert found['notes'] == ['1 weights are NaN and 0 infinite, the first in backbone.last_norm.bias']


@pytest.mark.parametrize('decoder', ['ClassicHead', 'SimpleHead'])
def test_the_matching_config(tmp_path, capsys, decoder):
    """For a model of half precision, in the authors' names."""
    head = dict(type=decoder, in_channels=192 * 2, out_channels=17)
    model = MODELS.build(dict(type='TopdownPoseEstimator', backbone=dict(type='ViT', arch='small'), head=head))
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'a.pth')
    assert main(['convert', str(tmp_path / 'a.pth'), str(tmp_path / 'b.pth'), '--to', 'official']) == 0
    capsys.readouterr()
    found = json.loads(inspect(tmp_path / 'b.pth', capsys, '--json')[1])
    assert found['size'] == 'small: 12 blocks of width 384' and found['origin'].startswith("ViTPose's authors")
    classic = ['ap10k/vitpose-small_ap10k', 'coco/vitpose-small_coco', 'coco/vitpose-small_coco-test-dev']
    classic += ['humanart/vitpose-small_humanart', 'ochuman/vitpose-small_ochuman']  # all of 17 keypoints
    names = classic if decoder == 'ClassicHead' else ['coco/vitpose-small-simple_coco']
    assert found['configs'] == [f'configs/{name}-256x192.py' for name in names]
    assert found['training']['origin'] == 'ours' and found['positions'] == 193


def test_the_matching_config_of_a_size_without_a_name(root, tmp_path, capsys):
    config = 'configs/synthetic/vitpose-mini_synthetic-128x96.py'
    init_default_scope('mmpose')
    model = MODELS.build(Config.fromfile(root / config).model)
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'model.pth')
    assert json.loads(inspect(tmp_path / 'model.pth', capsys, '--json')[1])['configs'] == [config]


def test_a_backbone_alone(tmp_path, capsys):
    weights = MODELS.build(dict(type='ViT', arch='deit-tiny', img_size=(224, 224))).state_dict()
    weights = {key.replace('layers.', 'blocks.').replace('last_', ''): value for key, value in weights.items()}
    weights['cls_token'] = torch.zeros(1, 1, 192)
    weights['pos_embed'] = torch.zeros(1, 197, 192, dtype=torch.bfloat16)
    torch.save(dict(model=weights, epoch=1599), tmp_path / 'mae.pth')
    found = json.loads(inspect(tmp_path / 'mae.pth', capsys, '--json')[1])
    assert found['origin'].startswith('MAE encoder') and found['grid'] == [14, 14] and found['heads'] == []
    assert found['training'] == dict(epoch=1599) and found['dtype'] == ['bfloat16', 'float32']


@pytest.mark.parametrize(
    ('content', 'message'),
    [({'conv1.weight': torch.ones(1)}, 'no ViT of a known origin: 1 keys such as conv1.weight'), ([1], 'found list')],
)
def test_an_error_is_one_line(tmp_path, capsys, content, message):
    torch.save(content, tmp_path / 'a.pth')
    code, out, error = inspect(tmp_path / 'a.pth', capsys)
    assert code == 2 and not out and message in error
    assert error.startswith('vitpose inspect: ') and error.count('\n') == 1
    assert inspect(tmp_path / 'nothing.pth', capsys)[0] == 2
