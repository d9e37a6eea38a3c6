"""Changes of the base config that the rows of the tables make."""

import argparse
import copy
import functools
import inspect
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from mmengine import Config
from mmengine.runner import Runner

from projects.paper.photographs import MEMBERS

ROOT = Path(__file__).resolve().parents[2]
NETWORK = 'projects/pretrain/photographs.py'
WRAPPERS = {'bfloat16': 'AutocastOptimWrapper', 'float32': 'FiniteOptimWrapper'}
EVALUATIONS = 4  # at most, during a training
DINOV2 = 'dinov2_small_hf_fp16.safetensors'
Change = Callable[[Config, argparse.Namespace], None]


def with_options(function: Callable[..., None]) -> Callable[..., Change]:
    """Make a function of config, arguments and options one of the options alone that returns a change."""

    @functools.wraps(function)
    def choose(*options: Any) -> Change:
        return lambda config, args: function(config, args, *options)

    return choose


@functools.cache
def network(file: str) -> Config:
    """A config file, with only what the runner reads."""
    config = Config.fromfile(ROOT / file)
    for key in set(config) - {*inspect.signature(Runner).parameters, 'custom_imports'}:
        config.pop(key)
    return config


def base(args: argparse.Namespace) -> Config:
    """The config that all rows change: ViTPose-S from DINOv2 on the photographs, tested after training."""
    config = copy.deepcopy(network(NETWORK))
    for part in ('train', 'val', 'test'):
        config[f'{part}_dataloader'].dataset.data_root = f'{args.photographs}/'
        if part != 'train':
            metric = config[f'{part}_evaluator'][0]
            metric.ann_file = str(args.photographs / Path(metric.ann_file).name)
    config.model.backbone.init_cfg = dict(type='Pretrained', checkpoint=str(args.weights / DINOV2))
    config.optim_wrapper.type = WRAPPERS[args.dtype]
    config.test_at_end = True
    return config


def autoencoder(args: argparse.Namespace) -> Config:
    """MAE of the same network on crops of all training photographs, labeled well or not."""
    config = copy.deepcopy(network('configs/pretrain/mae-mini_synthetic-128x96.py'))
    photographs = base(args)
    config.model.backbone.update(arch=photographs.model.backbone.arch, img_size=(160, 128))
    config.model.decoder = dict(dim=192, depth=2, heads=3)
    config.optim_wrapper.type = WRAPPERS[args.dtype]
    source = dict(photographs.train_dataloader.dataset, ann_file='unlabeled.json')
    source.pop('pipeline')
    loader = config.train_dataloader
    loader.dataset.sources = [source]
    loader.dataset.pipeline[1].update(input_size=(128, 160), padding=1.25)
    workers = 2 if torch.cuda.is_available() else 0  # a GPU would wait for a single one
    loader.update(num_workers=workers, persistent_workers=workers > 0, drop_last=False)
    config.default_hooks.pop('reconstruction')
    return config


def schedule(config: Config, epochs: int) -> None:
    """Set the number of epochs; the AP of the held-out people is measured a few times."""
    config.train_cfg.max_epochs = epochs
    warm_up, cosine = config.param_scheduler
    if 'val_evaluator' in config:
        config.train_cfg.val_interval = math.ceil(epochs / EVALUATIONS)
        cosine.update(T_max=epochs, end=epochs)
    else:
        warm_up.end = max(epochs // 12, 1)
        cosine.update(T_max=max(epochs - warm_up.end, 1), begin=warm_up.end, end=max(epochs, warm_up.end + 1))
    config.default_hooks.checkpoint.update(interval=1, max_keep_ckpts=1)


@with_options
def blocks(config: Config, args: argparse.Namespace, depth: int) -> None:
    """The first blocks of DINOv2 alone."""
    config.model.backbone.update(arch=dict(depth=depth, embed_dim=384, num_heads=6), init_blocks='first')


def scratch(config: Config, args: argparse.Namespace) -> None:
    """Random weights, with the learning rates that suit them."""
    config.model.backbone.pop('init_cfg')
    scratch_rates(config, args)


def scratch_rates(config: Config, args: argparse.Namespace) -> None:
    """The learning rates that suit random weights: high, and the same in all layers."""
    config.optim_wrapper.optimizer.lr = 1.5e-3
    config.optim_wrapper.paramwise_cfg.layer_decay_rate = 1.0


def random_weights(config: Config, args: argparse.Namespace) -> None:
    """Pre-train from random weights instead of DINOv2's."""
    config.model.backbone.pop('init_cfg', None)


def dinov2(config: Config, args: argparse.Namespace) -> None:
    """Pre-train from DINOv2's weights, which a lower rate keeps."""
    config.model.backbone.init_cfg = dict(type='Pretrained', checkpoint=str(args.weights / DINOV2))
    config.optim_wrapper.optimizer.lr = 3e-4


@with_options
def start(config: Config, args: argparse.Namespace, name: str) -> None:
    """Start from the backbone of a prerequisite."""
    config.model.backbone.init_cfg = dict(type='Pretrained', checkpoint=str(args.files[name]), prefix='backbone.')


@with_options
def load(config: Config, args: argparse.Namespace, name: str) -> None:
    """Start from all weights of a prerequisite."""
    config.load_from = str(args.files[name])
    config.model.backbone.pop('init_cfg')


def resnet(config: Config, args: argparse.Namespace) -> None:
    """MMPose's ResNet-34 from random weights; its MACs are those of 8 to 12 blocks."""
    scratch(config, args)
    config.model.backbone = dict(type='ResNet', depth=34)
    config.model.head.update(in_channels=512, feature_stride=32)
    config.optim_wrapper.pop('constructor')  # the ViT's, here without layer decay: as this
    config.optim_wrapper.paramwise_cfg = dict(norm_decay_mult=0.0, bias_decay_mult=0.0)


def simple_decoder(config: Config, args: argparse.Namespace) -> None:
    """The simple decoder instead of the classic one."""
    config.model.head.type = 'SimpleHead'
    config.model.head.pop('deconv_channels')


@with_options
def resize(config: Config, args: argparse.Namespace, height: int, width: int) -> None:
    """Another input size in pixels, with heatmaps of a quarter of it."""
    config.model.backbone.img_size = (height, width)
    sizes = dict(input_size=(width, height), heatmap_size=(width // 4, height // 4))
    config.model.head.decoder.update(sizes)
    for part in ('train', 'val', 'test'):
        for step in config[f'{part}_dataloader'].dataset.pipeline:
            if 'input_size' in step:
                step.input_size = sizes['input_size']
            if 'encoder' in step:
                step.encoder.update(sizes)


@with_options
def attention(config: Config, args: argparse.Namespace, kind: str | dict) -> None:
    """Features at 1/8 of the input with an attention of `ViT`."""
    config.model.backbone.update(stride=8, attention=kind)
    config.model.head.feature_stride = 8


@with_options
def freeze(config: Config, args: argparse.Namespace, part: str | int) -> None:
    """Do not train a part of the backbone, see `ViT`."""
    config.model.backbone.update(freeze=part)


@with_options
def people(config: Config, args: argparse.Namespace, file: str) -> None:
    """Train on another file; {seed} is replaced."""
    config.train_dataloader.dataset.ann_file = file.format(seed=config.randomness.seed)


@with_options
def members(config: Config, args: argparse.Namespace, *names: str) -> None:
    """As many people of each further dataset beside Leeds Sports Pose's of each batch, with a decoder for each."""
    loader, head = config.train_dataloader, config.model.head
    datasets, heads = [loader.dataset], {'lsp': head}
    for name in names:
        heads[name] = dict(head, out_channels=MEMBERS[name].joints)
        metainfo = dict(from_file=str(args.photographs / f'{name}.py'))
        file = dict(ann_file=f'{name}_member.json', type=MEMBERS[name].type, metainfo=metainfo)
        datasets.append(dict(loader.dataset, **file))
    config.model.head = dict(type='MultiDatasetHead', default_dataset='lsp', heads=heads)
    loader.batch_size *= len(datasets)
    loader.dataset = dict(type='CombinedPoseDataset', datasets=datasets)
    loader.sampler = dict(type='FixedMixSampler', batch_size=loader.batch_size, source_ratio=[1] * len(datasets))
    config.default_hooks.dataset_mix = dict(type='DatasetMixHook')


def experts(config: Config, args: argparse.Namespace) -> None:
    """ViTPose+: an expert per dataset in every block."""
    config.model.type = 'MultiDatasetPoseEstimator'
    config.model.backbone.experts = dict(names=list(config.model.head.heads), expert_dim=96)


def freeze_all_but_token(config: Config, heads: list) -> None:
    """Train a knowledge token alone, with the learning rate that suits it; `heads` are all of the config's."""
    config.model.backbone.update(freeze='all_but_token', knowledge_token=dict(count=1))
    for head in heads:
        head.update(freeze=True)  # an attribute of this name is a method of the config
    config.optim_wrapper.optimizer.lr = 1.5e-3
    config.optim_wrapper.paramwise_cfg.layer_decay_rate = 1.0  # the token counts as layer 0


def train_token(config: Config, args: argparse.Namespace) -> None:
    """Train a knowledge token alone, without a warm-up."""
    freeze_all_but_token(config, [config.model.head])
    config.param_scheduler = config.param_scheduler[-1:]


def token(config: Config, args: argparse.Namespace) -> None:
    """Give the student the teacher's token."""
    config.model.backbone.knowledge_token = dict(init=str(args.out / 'token.npz'), frozen=True, width=384)


def teacher(config: Config, args: argparse.Namespace) -> None:
    """Let the student learn from the teacher's heatmaps, too."""
    file = args.files['teacher']
    config.model.type = 'DistillPoseEstimator'
    config.model.teacher = dict(config=str(file.with_name('run.py')), checkpoint=str(file), precision=args.dtype)
    config.model.distill_loss = dict(type='HeatmapDistillLoss', loss_weight=1000.0)  # as the head's own loss
