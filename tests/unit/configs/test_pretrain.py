import numpy as np
import torch
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmpose.registry import MODELS

from tests.coco_files import noise_image
from tests.unit.configs.reading import PRETRAIN, copy_config, for_each, read_config
from vitpose_mm.networks.vit_sizes import parse_size


@for_each([leaf for leaf in PRETRAIN if 'mini' not in leaf.name])  # the smoke test has its own schedule
def test_the_recipe_is_that_of_mae(leaf):
    """MAE's PRETRAIN.md: batch size 4096 = 8 GPUs x batch x accumulation, lr 1.5e-4 x 4096 / 256, 40 of 1600 epochs."""
    cfg = read_config(leaf)
    wrapper, optimizer = cfg.optim_wrapper, cfg.optim_wrapper.optimizer
    assert 8 * cfg.train_dataloader.batch_size * wrapper.accumulative_counts == 4096
    assert (optimizer.lr, optimizer.betas, optimizer.weight_decay) == (1.5e-4 * 4096 / 256, (0.9, 0.95), 0.05)
    warm_up, cosine = cfg.param_scheduler
    assert (warm_up.begin, warm_up.end, cosine.begin, cosine.end, cosine.T_max) == (0, 40, 40, 1600, 1560)
    assert cfg.train_cfg.max_epochs == 1600 and cfg.model.mask_ratio == 0.75 and cfg.train_dataloader.drop_last


@for_each(PRETRAIN)
def test_full_size_model_and_optimizer_build(leaf):
    """Biases and norms do not decay, and the fixed positions are not trained."""
    init_default_scope('mmpose')
    cfg = copy_config(leaf)
    with torch.device('meta'):
        model = MODELS.build(cfg.model)
    assert cfg.train_dataloader.dataset.pipeline[1].input_size == tuple(reversed(model.backbone.img_size))
    assert model.decoder.embed.in_features == parse_size(cfg.model.backbone.arch).embed_dim
    groups = build_optim_wrapper(model, cfg.optim_wrapper).optimizer.param_groups
    decay = {id(p): group['weight_decay'] for group in groups for p in group['params']}
    for name, parameter in model.named_parameters():
        if name.endswith('pos_embed'):
            assert not parameter.requires_grad and id(parameter) not in decay
        else:
            assert decay[id(parameter)] == (0 if parameter.ndim == 1 else 0.05), name


@for_each(PRETRAIN)
def test_one_training_step(leaf, tmp_path):
    init_default_scope('mmpose')
    for name in range(4):
        noise_image(tmp_path / f'{name}.png', np.random.default_rng(name), 60, 80)
    config = copy_config(leaf)
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
