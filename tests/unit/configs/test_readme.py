"""The config in docs/training.md is MMPose's ViTPose-S with our backbone; those in configs/README.md are the files."""

import re

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmpose.registry import MODELS
from mmpose.testing import get_packed_inputs


def test_shown_configs_are_the_files(root):
    """Each config that configs/README.md shows as a whole is that file without its docstring."""
    page = (root / 'configs/README.md').read_text('utf-8')
    shown = re.findall(r'the whole of\s`(\S+)`.*?```python\n(.*?)```', page, re.DOTALL)
    assert len(shown) == 2
    for name, text in shown:
        assert re.sub(r'  # .*', '', text) == (root / 'configs' / name).read_text('utf-8').partition('\n\n')[2]


def test_config_trains_with_layer_wise_lr_decay(root, tmp_path):
    """Without the weights, which would be downloaded."""
    init_default_scope('mmpose')
    page = (root / 'docs/training.md').read_text('utf-8')
    (text,) = re.findall(r"```python\n(_base_ = 'mmpose::.*?)```", page, re.DOTALL)
    (tmp_path / 'pasted.py').write_text(text)
    config = Config.fromfile(tmp_path / 'pasted.py')
    assert config.model.backbone.pop('init_cfg').checkpoint.startswith('https://download.openmmlab.com/mmpose/')
    torch.manual_seed(0)
    model = MODELS.build(config.model).train()
    assert type(model.backbone).__module__ == 'vitpose_mm.backbones.vit'
    optimizer = build_optim_wrapper(model, config.optim_wrapper)
    rates = {id(weight): group['lr'] for group in optimizer.param_groups for weight in group['params']}
    blocks = [rates[id(block.attn.qkv.weight)] for block in model.backbone.layers]
    assert rates[id(model.head.final_layer.weight)] == pytest.approx(5e-4)
    assert blocks == pytest.approx([5e-4 * 0.8 ** (12 - number) for number in range(12)])

    data = get_packed_inputs(1, input_size=(192, 256), heatmap_size=(48, 64), img_shape=(256, 192))
    before = model.backbone.layers[0].attn.qkv.weight.clone()
    assert model.train_step(data, optimizer)['loss'] > 0
    assert not torch.equal(before, model.backbone.layers[0].attn.qkv.weight)
