"""MACs against the paper's tables and a plain formula."""

import json
import os
import re
from pathlib import Path

import pytest
import torch
from mmengine import Config, ConfigDict
from mmengine.registry import init_default_scope
from mmengine.utils import digit_version

import vitpose_mm  # noqa: F401
from vitpose.cli.main import main
from vitpose_mm.cost import count, measure

pytestmark = pytest.mark.skipif(
    digit_version(torch.__version__) < digit_version('2.4'), reason='torch 2.4 counts by module, older ones do not'
)

CONFIGS = Path(__file__).resolve().parents[3] / 'configs'
BASE = 'coco/vitpose-base_coco-256x192.py'
# GFLOPs of ViTPose's table 5 (MACs of the backbone); the paper's
TABLE_5 = {
    'full': 76.59,
    'window': 66.31,
    'window-shift': 66.31,
    'window-pool': 66.39,
    'window-shift-pool': 66.39,
    'window-full4': 69.94,
    'window16x12-shift-pool': 68.46,
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
    path = f'transfer/vitpose-base-freeze-{freeze}_coco-256x192.py' if freeze else BASE
    assert count(model_of(path)).trainable_macs / 1e9 == pytest.approx(TABLE_6[freeze], rel=0.02)


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


def test_seven_configs_are_seven_rows_of_a_narrow_terminal(capsys, monkeypatch):
    monkeypatch.setenv('COLUMNS', '80')
    leaves = sorted((CONFIGS / 'attention').glob('*synthetic*'))
    assert len(leaves) == 7 and main(['cost', '--compare', *map(str, leaves)]) == 0
    said = capsys.readouterr().out
    assert max(map(len, said.splitlines())) <= 80 and '…' not in said
    for name, figure, ratio in (('window', '0.54', 'x0.87'), ('window-full4', '0.60', 'x0.96')):
        row = re.search(rf'\n {name} +3.05 +3.05 +(\S+) .*\n +x1.00 +x1.00 +(\S+) ', said)
        assert row is not None and row.groups() == (figure, ratio)


def test_leaves_of_transfer(tmp_path):
    """A distiller's figures are its student's; a token is one of 193, and no block trains in stage 1."""
    out, names = tmp_path / 'cost.json', ('from-large-output', 'from-large-token', 'token-stage1')
    leaves = [BASE, *(f'transfer/vitpose-base-{name}_coco-256x192.py' for name in names)]
    assert main(['cost', *(str(CONFIGS / leaf) for leaf in leaves), '--json', str(out)]) == 0
    plain, output, token, stage_1 = json.loads(out.read_text()).values()
    assert output == plain
    assert token['FFN GMACs'] / plain['FFN GMACs'] == pytest.approx(193 / 192)
    assert stage_1['backbone GMACs'] > plain['backbone GMACs'] and stage_1['trainable GMACs'] == 0


def test_command_measures(tmp_path, capsys):
    config = tmp_path / 'tiny.py'
    config.write_text(
        f"_base_ = '{CONFIGS / 'coco/vitpose-base-simple_coco-256x192.py'}'\n"
        'model = dict(backbone=dict(arch=dict(_delete_=True, depth=1, embed_dim=192, num_heads=3)),\n'
        '             head=dict(in_channels=192))\n'
    )
    out = tmp_path / 'cost.json'
    assert main(['cost', '--measure', '--batch', '16', '--steps', '1', str(config), '--json', str(out)]) == 0
    figures = json.loads(out.read_text())['tiny']
    assert 0 < figures['inference, s per step of 16'] < figures['train, s per step of 16'] < 60
    # training keeps at least the FFN's hidden layer and its activation: 16 * 192 * 768 fp32 values, twice
    kept = 2 * 16 * 192 * 768 * 4 / 2**20
    assert figures['train, peak MiB'] > figures['inference, peak MiB'] > 0
    assert kept < figures['train, peak MiB'] < 100 * kept


@pytest.mark.parametrize(
    ('config', 'arguments', 'message'),
    [
        (BASE, ['--batch', '0'], '--batch 0: expected at least 1'),
        (BASE, ['--device', 'gpu'], "--device gpu: expected 'cpu'"),
        ('coco/absent.py', [], 'absent.py: no such config file'),
        ('coco', [], 'coco: no such config file'),
        ('_base_/schedules/adamw_210e.py', [], 'expected model=dict(backbone='),
        ('weights.pth', [], 'weights.pth: expected a config, .py, .json or .yml; a checkpoint'),
        ('broken.py', [], 'broken.py: SyntaxError'),
        ('raises.py', [], 'raises.py: ZeroDivisionError: division by zero'),
        ('unknown.py', [], 'unknown.py: NoSuchNet is not in the'),
        ('typo.py', [], 'stride=4: expected 16'),
        ('no_codec.py', [], 'no_codec.py: model.head.decoder has no input_size'),
    ],
)
def test_what_does_not_fit_is_said_in_one_line(config, arguments, message, tmp_path, capsys):
    head = "head=dict(type='ClassicHead', in_channels=768, out_channels=17)"
    written = {
        'weights.pth': '',
        'broken.py': 'model = dict(',
        'raises.py': 'model = 1 / 0',
        'unknown.py': "model = dict(type='TopdownPoseEstimator', backbone=dict(type='NoSuchNet'), "
        "head=dict(type='ClassicHead', in_channels=768, out_channels=17, "
        "decoder=dict(type='UDPHeatmap', input_size=(192, 256), heatmap_size=(48, 64))))",
        'typo.py': f"_base_ = '{CONFIGS / BASE}'\nmodel = dict(backbone=dict(stride=4))",
        'no_codec.py': f"model = dict(type='TopdownPoseEstimator', backbone=dict(type='ViT'), {head})",
    }
    path = CONFIGS / config
    if config in written:
        path = tmp_path / config
        path.write_text(written[config])
    assert main(['cost', str(path), *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == '' and message in err
    assert err.startswith(f'vitpose cost: {"--" if arguments else path}') and err.count('\n') == 1
    assert torch.get_default_device() == torch.device('cpu')


def test_a_measurement_that_is_killed_says_so():
    with pytest.raises(RuntimeError, match='train at a batch of 2 was killed.*smaller batch'):
        measure([ConfigDict(type=os._exit, status=9)], 'train', 2)


def test_experts_and_further_decoders_cost_parameters_and_no_macs():
    one, six = count(model_of(BASE)), count(model_of('multi_dataset/vitpose-plus-base_six-sets-256x192.py'))
    assert six.macs == one.macs  # of an image of the default dataset, COCO: its expert and its decoder
    experts = 12 * 5 * (192 * 3072 + 192)
    deconvolutions = 5 * (768 * 256 * 16 + 256 * 256 * 16 + 4 * 256)
    last = sum(keypoints * 257 for keypoints in (14, 16, 17, 17, 133))
    assert six.parameters - one.parameters == experts + deconvolutions + last
