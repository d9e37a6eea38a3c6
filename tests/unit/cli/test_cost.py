import importlib
import json
import multiprocessing
import re
from types import SimpleNamespace

import pytest
import torch

from tests.integration.commands import FORKED
from tests.unit.cost.test_count import BASE, CONFIGS, NEEDS_TORCH_2_4
from vitpose.cli.main import main

pytestmark = NEEDS_TORCH_2_4


@pytest.mark.slow
def test_table_of_seven_configs_fits_80_columns(capsys, monkeypatch):
    monkeypatch.setenv('COLUMNS', '80')
    leaves = sorted((CONFIGS / 'attention').glob('*synthetic*'))
    assert len(leaves) == 7 and main(['cost', '--compare', *map(str, leaves)]) == 0
    output = capsys.readouterr().out
    assert max(map(len, output.splitlines())) <= 80 and '…' not in output
    for name, figure, ratio in (('window', '0.54', 'x0.87'), ('window-full4', '0.60', 'x0.96')):
        row = re.search(rf'\n {name} +3.05 +3.05 +(\S+) .*\n +x1.00 +x1.00 +(\S+) ', output)
        assert row is not None and row.groups() == (figure, ratio)


@pytest.mark.slow
def test_transfer_configs(tmp_path):
    """Distillation costs as much as its student; a knowledge token makes 193 tokens; no block trains in stage 1."""
    out, names = tmp_path / 'sub' / 'cost.json', ('from-large-output', 'from-large-token', 'token-stage1')
    leaves = [BASE, *(f'transfer/vitpose-base-{name}_coco-256x192.py' for name in names)]
    assert main(['cost', *(str(CONFIGS / leaf) for leaf in leaves), '--json', str(out)]) == 0
    figures = json.loads(out.read_text())
    assert figures['vitpose-base_coco-256x192']['backbone GMACs'] == pytest.approx(17.1, rel=0.01)
    plain, output, token, stage_1 = figures.values()
    assert output == plain
    assert token['FFN GMACs'] / plain['FFN GMACs'] == pytest.approx(193 / 192)
    assert stage_1['backbone GMACs'] > plain['backbone GMACs'] and stage_1['trainable GMACs'] == 0


@pytest.mark.slow
def test_measured_time_and_memory(tmp_path, environment, monkeypatch):
    # the second process is forked: a spawned one would import torch and MMPose, too
    contexts = iter([multiprocessing.get_context('spawn'), FORKED])
    module = importlib.import_module('vitpose_mm.cost.measure')
    chosen = []
    choose = SimpleNamespace(get_context=lambda method: chosen.append(method) or next(contexts))
    monkeypatch.setattr(module, 'multiprocessing', choose)
    config, out = tmp_path / 'tiny.py', tmp_path / 'cost.json'
    vit = 'backbone=dict(arch=dict(_delete_=True, depth=1, embed_dim=192, num_heads=3))'
    base = f"_base_ = '{CONFIGS / 'coco/vitpose-base-simple_coco-256x192.py'}'"
    config.write_text(f'{base}\nmodel = dict({vit}, head=dict(in_channels=192))\n')
    assert main(['cost', '--measure', '--batch', '4', '--steps', '1', str(config), '--json', str(out)]) == 0
    assert chosen == ['spawn', 'spawn']
    figures = json.loads(out.read_text())['tiny']
    assert 0 < figures['inference, s per step of 4'] < figures['train, s per step of 4'] < 60
    # training stores at least the FFN's hidden layer before and after the activation: twice 4 * 192 * 768 fp32 values
    stored = 2 * 4 * 192 * 768 * 4 / 2**20
    assert figures['train, peak MiB'] > figures['inference, peak MiB'] > 0
    assert stored < figures['train, peak MiB'] < 100 * stored


HEAD = "head=dict(type='ClassicHead', in_channels=768, out_channels=17"
CODEC = "decoder=dict(type='UDPHeatmap', input_size=(192, 256), heatmap_size=(48, 64))"
UNKNOWN = f"model = dict(type='TopdownPoseEstimator', backbone=dict(type='NoSuchNet'), {HEAD}, {CODEC}))"


STRIDE = f"_base_ = '{CONFIGS / BASE}'\nmodel = dict(backbone=dict(stride=4))"


def test_bad_configs(refuses, tmp_path):
    for config, text, message in (
        ('weights.pth', '', 'weights.pth: expected a config, .py, .json or .yml; a checkpoint'),
        ('none.py', 'x = 1', 'none.py: expected a config with model=dict('),
        ('no_head.py', 'model = dict(backbone=dict())', 'no_head.py: expected model=dict(backbone='),
        ('broken.py', 'model = dict(', 'broken.py: SyntaxError'),
        ('raises.py', 'model = 1 / 0', 'raises.py: ZeroDivisionError: division by zero'),
        ('unknown.py', UNKNOWN, 'unknown.py: NoSuchNet is not in the'),
        ('typo.py', STRIDE, 'stride=4 with patch_size=16'),
        ('no_codec.py', UNKNOWN.replace(f', {CODEC}', '').replace('NoSuchNet', 'ViT'), 'decoder has no input_size'),
    ):
        (tmp_path / config).write_text(text)
        refuses('cost', tmp_path / config, message=message)
        assert torch.get_default_device() == torch.device('cpu')


def test_configs_of_one_file_name_are_told_apart(tmp_path, capsys, monkeypatch):
    """`vitpose dataset` calls each config.py."""
    monkeypatch.chdir(tmp_path)
    for animal, depth in (('mice', 1), ('flies', 2)):
        (tmp_path / animal).mkdir()
        vit = f'backbone=dict(arch=dict(_delete_=True, depth={depth}, embed_dim=192, num_heads=3))'
        base = f"_base_ = '{CONFIGS / 'coco/vitpose-base-simple_coco-256x192.py'}'"
        (tmp_path / animal / 'config.py').write_text(f'{base}\nmodel = dict({vit}, head=dict(in_channels=192))\n')
    assert main(['cost', 'mice/config.py', 'flies/config.py', '--json', 'cost.json']) == 0
    figures = json.loads((tmp_path / 'cost.json').read_text())
    mice, flies = (figures[f'{animal}/config.py']['parameters, M'] for animal in ('mice', 'flies'))
    out = capsys.readouterr().out
    assert mice < flies and 'mice/config.py' in out and 'flies/config.py' in out


def test_bad_options(refuses):
    refuses('cost', CONFIGS / BASE, '--batch', '0', message='--batch 0: expected at least 1')
    refuses('cost', CONFIGS / BASE, '--device', 'gpu', message="--device gpu: expected 'cpu'")
