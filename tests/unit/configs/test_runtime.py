import re

import pytest
import torch
from mmengine import Config, DictAction
from mmengine.optim import build_optim_wrapper
from torch import nn

from tests.unit.hooks.toy_training import Toy, build, log_of

OURS = {'DeferredInfoHook', 'EpochSeedHook', 'PreemptionHook', 'NonFiniteHook', 'SyncBuffersHook', 'CompileHook'}
OF_POSES = ('run_check', 'visualization', 'badcase', 'checkpoint')  # these need a pose estimator


def test_a_users_hook_keeps_ours(root, tmp_path):
    """A training with NaN that ran to its end before, since a list of hooks replaced ours."""
    path = tmp_path / 'config.py'
    path.write_text(f"_base_ = '{root}/configs/_base_/runtime/default.py'\ncustom_hooks = [dict(type='EMAHook')]\n")
    cfg = Config.fromfile(path)
    hooks = {name: hook for name, hook in cfg.default_hooks.items() if name not in OF_POSES}
    wrapper = dict(type='FiniteOptimWrapper', optimizer=dict(type='SGD', lr=0.1))
    options = dict(ours=False, hooks=cfg.custom_hooks, default_hooks=hooks, wrapper=wrapper, val=False)
    model = Toy(bad=range(12))
    # the hooks read at the end of each epoch of 4 steps
    runner = build(tmp_path, 20, model=model, checkpoint=dict(type='CompleteCheckpointHook'), **options)
    priorities = {type(hook).__name__: hook.priority for hook in runner.hooks}
    assert {*OURS, 'EMAHook'} <= set(priorities)
    assert (priorities['EpochSeedHook'], priorities['PreemptionHook']) == ('VERY_HIGH', 'LOWEST')
    with pytest.raises(FloatingPointError, match='in 12 updates in a row'):
        runner.train()
    line = r'iteration \d+: the loss is not finite. Samples: \d+.jpg annotation'
    assert len(re.findall(line, log_of(tmp_path))) == 12
    assert all(value.isfinite().all() for value in model.state_dict().values())


@pytest.mark.parametrize('name', ['adamw_210e', 'adamw_210e_batch1024', 'adamw_cosine', 'mae_1600e'])
def test_precision_is_one_option_of_each_schedule(root, name):
    cfg = Config.fromfile(root / f'configs/_base_/schedules/{name}.py')
    cfg.optim_wrapper.pop('constructor', None)  # of a ViT
    cfg.optim_wrapper.pop('paramwise_cfg', None)
    model = nn.Linear(2, 2)
    assert build_optim_wrapper(model, cfg.optim_wrapper.copy()).cast_dtype is torch.bfloat16
    key, value = 'optim_wrapper.dtype=float32'.split('=')
    cfg.merge_from_dict({key: DictAction._parse_int_float_bool(value)})
    assert build_optim_wrapper(model, cfg.optim_wrapper.copy()).enabled is False
