"""A smoke-test config of one attention layout, trained with the documented commands."""

import math
import re

import pytest
import torch

from vitpose.cli.main import main

pytestmark = pytest.mark.slow

FULL = 'configs/attention/vitpose-mini-s8-full_synthetic-128x96.py'


def test_smoke_test_config_trains_on_rendered_data(run, root, tmp_path, monkeypatch):
    folder = re.search(r'vitpose synth --out (\S+)', (root / FULL).read_text()).group(1)
    monkeypatch.chdir(tmp_path)
    assert main(['synth', '--out', folder, '--train', '16', '--val', '4']) == 0
    config = root / 'configs/attention/vitpose-mini-s8-window-shift-pool_synthetic-128x96.py'
    options = ('train_dataloader.batch_size=4', 'default_hooks.logger.interval=1')
    output = run('train', config, '--work-dir', tmp_path / 'run', '--cfg-options', *options)
    rates, losses = (re.findall(rf' {name}: ([\d.e+-]+|nan|inf)', output) for name in ('lr', 'loss'))
    assert len(losses) >= 8 and all(math.isfinite(float(loss)) for loss in losses)
    assert re.search(r'coco/AP: [\d.]+', output)
    # the config's own schedule: by the end of its only epoch the learning rate has decayed
    assert float(rates[-1]) < 0.1 * max(float(rate) for rate in rates)
    weights = torch.load(tmp_path / 'run' / 'epoch_1.pth', map_location='cpu', weights_only=False)['state_dict']
    assert weights['backbone.pos_embed'].shape == (1, 16 * 12, 192)
