import json

import pytest
import torch
from mmengine import Config
from mmengine.registry import init_default_scope
from mmpose.registry import MODELS

import vitpose_mm  # noqa: F401
from vitpose.cli.main import main

VIT = dict(type='ViT', arch=dict(depth=2, embed_dim=24, num_heads=2), img_size=(64, 48))


@pytest.fixture
def inspect(tmp_path, capsys):
    """A function that saves a checkpoint and returns what is printed about it as JSON."""

    def run(weights, **more):
        torch.save(dict(state_dict=weights, **more), tmp_path / 'a.pth')
        assert main(['inspect', str(tmp_path / 'a.pth'), '--json']) == 0
        return json.loads(capsys.readouterr().out)

    return run


def build(backbone, head, kind='TopdownPoseEstimator'):
    return MODELS.build(dict(type=kind, backbone=backbone, head=head)).state_dict()


def test_a_single_model(inspect, tmp_path, capsys):
    weights = build(VIT, dict(type='SimpleHead', in_channels=24, out_channels=5))
    meta = dict(epoch=7, seed=3, cfg='x = 1', dataset_meta=dict(dataset_name='hand5'))
    expected = dict(origin='vitpose_mm', reason='it has backbone.layers.0.norm1.weight', notes=[], configs=[])
    expected |= dict(container='torch, weights under state_dict', size='no name: 2 blocks of width 24')
    expected |= dict(heads=[dict(dataset='hand5', keypoints=5, decoder='simple')], experts=None)
    expected |= dict(grid=[4, 3], positions=12, patch=[16, 16], dtype=['float32'], training=dict(epoch=7, seed=3))
    expected |= dict(parameters=sum(value.numel() for value in weights.values()))
    assert inspect(weights, meta=meta, optimizer=dict(state={})) == expected
    assert main(['inspect', str(tmp_path / 'a.pth')]) == 0
    out = capsys.readouterr().out
    assert 'dataset hand5, keypoints 5, decoder simple' in out and 'seed: 3' in out


def test_several_datasets_with_experts(inspect):
    keypoints = dict(mpii=16, aic=14)
    heads = {name: dict(type='ClassicHead', in_channels=24, out_channels=keypoints[name]) for name in keypoints}
    vit = dict(VIT, experts=dict(names=list(keypoints), expert_dim=6))
    head = dict(type='MultiDatasetHead', heads=heads, default_dataset='aic')
    weights = build(vit, head, 'MultiDatasetPoseEstimator')
    weights['backbone.last_norm.bias'][0] = float('nan')
    description = inspect(weights)
    expected = [dict(dataset=name, keypoints=count, decoder='classic') for name, count in keypoints.items()]
    assert description['heads'] == expected
    assert description['experts'] == dict(count=2, outputs=6, datasets=['mpii', 'aic'])
    assert description['notes'] == ['1 weights are NaN and 0 infinite, the first in backbone.last_norm.bias']


@pytest.mark.slow
@pytest.mark.parametrize('decoder', ['ClassicHead', 'SimpleHead'])
def test_the_matching_configs_of_a_file_in_the_names_of_the_authors(tmp_path, capsys, decoder):
    weights = build(dict(type='ViT', arch='small'), dict(type=decoder, in_channels=384, out_channels=17))
    torch.save(dict(state_dict=weights), tmp_path / 'a.pth')
    assert main(['convert', str(tmp_path / 'a.pth'), str(tmp_path / 'b.pth'), '--to', 'official']) == 0
    capsys.readouterr()
    assert main(['inspect', str(tmp_path / 'b.pth'), '--json']) == 0
    description = json.loads(capsys.readouterr().out)
    assert description['size'] == 'small: 12 blocks of width 384'
    assert description['origin'].startswith("ViTPose's authors")
    classic = ['ap10k/vitpose-small_ap10k', 'coco/vitpose-small_coco', 'coco/vitpose-small_coco-test-dev']
    classic += ['humanart/vitpose-small_humanart', 'ochuman/vitpose-small_ochuman']  # all of 17 keypoints
    names = classic if decoder == 'ClassicHead' else ['coco/vitpose-small-simple_coco']
    assert description['configs'] == [f'configs/{name}-256x192.py' for name in names]
    assert description['training']['origin'] == 'ours' and description['positions'] == 193


def test_the_matching_config_of_a_size_without_a_name(inspect, root):
    config = 'configs/synthetic/vitpose-mini_synthetic-128x96.py'
    init_default_scope('mmpose')
    assert inspect(MODELS.build(Config.fromfile(root / config).model).state_dict())['configs'] == [config]


def test_a_backbone_alone(inspect):
    weights = MODELS.build(dict(type='ViT', arch='deit-tiny', img_size=(224, 224))).state_dict()
    weights = {key.replace('layers.', 'blocks.').replace('last_', ''): value for key, value in weights.items()}
    weights['cls_token'] = torch.zeros(1, 1, 192)
    weights['pos_embed'] = torch.zeros(1, 197, 192, dtype=torch.bfloat16)
    description = inspect(weights, epoch=1599)
    assert description['origin'].startswith('MAE encoder') and description['grid'] == [14, 14]
    assert description['training'] == dict(epoch=1599) and description['dtype'] == ['bfloat16', 'float32']
    assert description['heads'] == []
