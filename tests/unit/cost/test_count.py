"""MACs against the paper's tables and a plain formula."""

import json
from pathlib import Path

import pytest
import torch
from mmengine import Config
from mmengine.registry import init_default_scope
from mmengine.utils import digit_version

import vitpose_mm  # noqa: F401
from vitpose_mm.cli.main import main
from vitpose_mm.cost import count

pytestmark = pytest.mark.skipif(
    digit_version(torch.__version__) < digit_version('2.4'), reason='torch 2.4 counts by module, older ones do not')

CONFIGS = Path(__file__).resolve().parents[3] / 'configs'
BASE = 'coco/vitpose-base_coco-256x192.py'
# GFLOPs of ViTPose's table 5 (MACs of the backbone); the paper's
TABLE_5 = {
    'full': 76.59, 'window': 66.31, 'window-shift': 66.31, 'window-pool': 66.39, 'window-shift-pool': 66.39,
    'window-full4': 69.94, 'window16x12-shift-pool': 68.46,
}
# GFLOPs of ViTPose's table 6 (MACs of the part that trains); the paper's
TABLE_6 = {None: 17.1, 'attention': 10.9, 'ffn': 6.2}


def model_of(path):
    init_default_scope('mmpose')
    return Config.fromfile(CONFIGS / path).model


@pytest.mark.parametrize('row', TABLE_5)
def test_table_5(row):
    counted = count(model_of(f'attention/vitpose-base-s8-{row}_coco-256x192.py'))
    assert counted.backbone_macs / 1e9 == pytest.approx(TABLE_5[row], rel=0.01)


@pytest.mark.parametrize('freeze', TABLE_6)
def test_table_6(freeze):
    model = model_of(BASE)
    model.backbone['freeze'] = freeze
    assert count(model).trainable_macs / 1e9 == pytest.approx(TABLE_6[freeze], rel=0.02)


def test_parts_by_formula():
    counted = count(model_of(BASE))
    tokens, dim, depth = 192, 768, 12
    assert counted.macs == {
        'patch': tokens * 3 * 256 * dim,
        'qkv': depth * tokens * dim * 3 * dim,
        'projection': depth * tokens * dim * dim,
        'attention': depth * 2 * tokens * tokens * dim,
        'FFN': depth * 2 * tokens * dim * 4 * dim,
        # each output cell of a 4x4 deconvolution of stride 2 sees 4 input cells; then the 1x1 convolution
        'decoder': 16 * 192 * (dim * 256 + 4 * 256 * 256) + 64 * 48 * 256 * 17,
        'other': 0,
    }
    assert counted.parameters == counted.trainable_parameters == 89_993_745


def test_command_prints_and_writes(tmp_path, capsys):
    out = tmp_path / 'sub' / 'cost.json'
    row = 'attention/vitpose-base-s8-full_coco-256x192.py'
    assert main(['cost', '--compare', str(CONFIGS / BASE), str(CONFIGS / row), '--json', str(out)]) == 0
    figures = json.loads(out.read_text())
    assert figures['vitpose-base_coco-256x192']['backbone GMACs'] == pytest.approx(17.1, rel=0.01)
    assert figures['vitpose-base-s8-full_coco-256x192']['backbone GMACs'] == pytest.approx(76.59, rel=0.01)
    assert '(x4.48)' in capsys.readouterr().out
    assert [path.name for path in out.parent.iterdir()] == ['cost.json']


def test_command_measures(tmp_path, capsys):
    config = tmp_path / 'tiny.py'
    config.write_text(f"_base_ = '{CONFIGS / 'coco/vitpose-base-simple_coco-256x192.py'}'\n"
                      "model = dict(backbone=dict(arch=dict(_delete_=True, depth=1, embed_dim=192, num_heads=3)),\n"
                      "             head=dict(in_channels=192))\n")
    out = tmp_path / 'cost.json'
    assert main(['cost', '--measure', '--batch', '16', '--steps', '1', str(config), '--json', str(out)]) == 0
    figures = json.loads(out.read_text())['tiny']
    assert 0 < figures['inference, s a step of 16'] < figures['train, s a step of 16'] < 60
    # training keeps at least the FFN's hidden layer and its activation: 16 * 192 * 768 fp32 values, twice
    kept = 2 * 16 * 192 * 768 * 4 / 2**20
    assert figures['train, peak MiB'] > figures['inference, peak MiB'] > 0
    assert kept < figures['train, peak MiB'] < 100 * kept


def test_bad_arguments():
    with pytest.raises(ValueError, match='--batch 0: expected at least 1'):
        main(['cost', '--batch', '0', str(CONFIGS / BASE)])
    model = model_of(BASE)
    model.head.decoder = None
    with pytest.raises(ValueError, match='no input_size'):
        count(model)
    assert torch.get_default_device() == torch.device('cpu')
