"""Gradients of a training step in bf16, as the shipped schedules compute it, next to those in fp32."""

import pytest
import torch
from mmengine import ConfigDict
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmpose.registry import MODELS

from tests.unit.hooks.test_compile_network import batch, estimator
from vitpose_mm.optim import autocast

HEAD = dict(type='ClassicHead', in_channels=96, out_channels=5, deconv_channels=64)


def gradients(dtype, backbone):
    torch.manual_seed(0)
    init_default_scope('mmpose')
    config = estimator(**backbone)
    config['backbone']['arch'] = dict(depth=6, embed_dim=96, num_heads=3)
    model = MODELS.build(ConfigDict(config, head=dict(HEAD, decoder=config['head']['decoder']))).train()
    options = dict(type='AutocastOptimWrapper', dtype=dtype, optimizer=dict(type='SGD', lr=0.0))
    wrapper = build_optim_wrapper(model, options)
    data = model.data_preprocessor(batch(16, 1), True)
    with wrapper.optim_context(model):
        loss, _ = model.parse_losses(model.loss(**data))
    wrapper.backward(loss)
    return loss.item(), {name: value.grad for name, value in model.named_parameters()}


@pytest.mark.parametrize('backbone', [{}, dict(with_cp=True)])
def test_gradients_in_bf16_are_those_in_fp32(backbone, monkeypatch):
    monkeypatch.setattr(autocast, 'has_bfloat16', lambda device: True)  # slow where it is emulated, but the same
    loss, exact = gradients('float32', backbone)
    rounded_loss, rounded = gradients('bfloat16', backbone)
    assert rounded_loss == pytest.approx(loss, rel=0.01) and rounded_loss != loss
    assert rounded.keys() == exact.keys() and len(exact) > 80
    cosine, norm = {}, {}
    for name, gradient in exact.items():
        assert rounded[name].dtype is torch.float32
        cosine[name] = torch.cosine_similarity(gradient.flatten(), rounded[name].flatten(), 0).item()
        norm[name] = (rounded[name].norm() / gradient.norm()).item()
    assert min(cosine.values()) > 0.99
    assert max(abs(value - 1) for value in norm.values()) < 0.05
