"""The configs of pre-training follow MAE, build at full size, and train for one step with a narrow model."""

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmpose.registry import MODELS

from vitpose_mm.backbones.vit_sizes import parse_size


def test_the_recipe_is_that_of_mae(pretrain_cfg):
    """MAE's PRETRAIN.md: batch size 4096 = 8 GPUs x batch x accumulation, lr 1.5e-4 x 4096 / 256, 40 of 1600 epochs."""
    if 'mini' in pretrain_cfg.filename:
        pytest.skip('the smoke test has its own schedule')
    wrapper, optimizer = pretrain_cfg.optim_wrapper, pretrain_cfg.optim_wrapper.optimizer
    assert 8 * pretrain_cfg.train_dataloader.batch_size * wrapper.accumulative_counts == 4096
    assert (optimizer.lr, optimizer.betas, optimizer.weight_decay) == (1.5e-4 * 4096 / 256, (0.9, 0.95), 0.05)
    warm_up, cosine = pretrain_cfg.param_scheduler
    assert (warm_up.begin, warm_up.end, cosine.begin, cosine.end, cosine.T_max) == (0, 40, 40, 1600, 1560)
    assert pretrain_cfg.train_cfg.max_epochs == 1600 and pretrain_cfg.model.mask_ratio == 0.75
    assert pretrain_cfg.train_dataloader.drop_last


def test_full_size_model_and_optimiser_build(pretrain_cfg):
    """Biases and norms do not decay, and the fixed positions are not trained."""
    init_default_scope('mmpose')
    with torch.device('meta'):
        model = MODELS.build(pretrain_cfg.model)
    width = parse_size(pretrain_cfg.model.backbone.arch).embed_dim
    height, across = model.backbone.img_size
    assert pretrain_cfg.train_dataloader.dataset.pipeline[1].input_size == (across, height)
    assert model.decoder.embed.in_features == width
    groups = build_optim_wrapper(model, pretrain_cfg.optim_wrapper).optimizer.param_groups
    decay = {id(p): group['weight_decay'] for group in groups for p in group['params']}
    for name, parameter in model.named_parameters():
        if name.endswith('pos_embed'):
            assert not parameter.requires_grad and id(parameter) not in decay
        else:
            assert decay[id(parameter)] == (0 if parameter.ndim == 1 else 0.05), name


def test_one_training_step(pretrain_cfg, tmp_path):
    """The config's data pipeline and model, made small, train from a folder of images."""
    init_default_scope('mmpose')
    for name in range(4):
        cv2.imwrite(str(tmp_path / f'{name}.png'), np.random.randint(0, 255, (60, 80, 3), np.uint8))
    config: Config = pretrain_cfg
    config.model.backbone.arch = dict(depth=1, embed_dim=32, num_heads=2)
    config.model.decoder = dict(dim=16, depth=1, heads=2)
    config.train_dataloader.update(batch_size=4, num_workers=0, persistent_workers=False)
    config.train_dataloader.dataset.sources = [str(tmp_path)]
    model = MODELS.build(config.model)
    wrapper = build_optim_wrapper(model, dict(config.optim_wrapper, accumulative_counts=1))
    before = model.decoder.mask_token.clone()
    (batch,) = Runner.build_dataloader(config.train_dataloader, seed=0)
    loss = model.train_step(batch, wrapper)['loss']
    assert 0.3 < loss < 3 and not torch.equal(model.decoder.mask_token, before)
