"""Changes of the base config that the rows of the tables make."""

import argparse
import copy
import functools
import inspect
from collections.abc import Callable
from pathlib import Path

from mmengine import Config
from mmengine.runner import Runner

from projects.studies.study import set_photographs

NETWORK = Path(__file__).resolve().parents[1] / 'pretrain/photographs.py'
BATCH = 24  # photographs; other datasets come on top
WRAPPERS = {'bfloat16': 'AutocastOptimWrapper', 'float32': 'FiniteOptimWrapper'}
SEEDS = {'coco': 0, 'aic': 1, 'mpii': 2}  # of rendering: other people in each dataset
MEMBERS = {'coco': ('CheckedCocoDataset', 17), 'aic': ('CheckedAicDataset', 14), 'mpii': ('CheckedMpiiDataset', 16)}
Change = Callable[[Config, argparse.Namespace], None]


@functools.cache
def network() -> Config:
    """The demo's network on the photographs, with only what the runner reads."""
    config = Config.fromfile(NETWORK)
    for key in set(config) - {*inspect.signature(Runner).parameters, 'custom_imports'}:
        config.pop(key)
    return config


def base(args: argparse.Namespace) -> Config:
    """The config that all rows change."""
    config = copy.deepcopy(network())
    set_photographs(config, args.data)
    for part in ('val', 'test'):
        config[f'{part}_dataloader'].dataset.ann_file = str(args.photographs / 'val.json')
        config[f'{part}_evaluator'][0].ann_file = str(args.photographs / 'val.json')
    config.train_dataloader.batch_size = BATCH
    config.optim_wrapper.type = WRAPPERS[args.dtype]
    return config


def steps_per_epoch(args: argparse.Namespace) -> int:
    """Steps of an epoch in every row, whatever it trains on."""
    return -(-args.labels // BATCH)


def schedule(config: Config, epochs: int) -> None:
    """Set the number of epochs, after at most four of which the AP is measured in between."""
    config.train_cfg.update(max_epochs=epochs, val_interval=max(epochs // 4, 1))
    config.param_scheduler[-1].update(T_max=epochs, end=epochs)
    config.default_hooks.checkpoint.update(interval=1, save_best=None)


def vit(**size: int) -> Change:
    """A ViT of another size: depth, embed_dim, num_heads."""

    def change(config: Config, args: argparse.Namespace) -> None:
        config.model.backbone.arch = size
        config.model.head.in_channels = size['embed_dim']

    return change


def resnet(config: Config, args: argparse.Namespace) -> None:
    """MMPose's ResNet-18 of half the width, 2.8 M parameters, with the schedule of the ViT."""
    config.model.backbone = dict(type='ResNet', depth=18, stem_channels=32, base_channels=32)
    config.model.head.update(in_channels=256, feature_stride=32)
    config.optim_wrapper.pop('constructor')  # the ViT's, here without layer decay: as this
    config.optim_wrapper.paramwise_cfg = dict(norm_decay_mult=0.0, bias_decay_mult=0.0)


def simple_decoder(config: Config, args: argparse.Namespace) -> None:
    """The simple decoder instead of the classic one."""
    config.model.head.type = 'SimpleHead'
    config.model.head.pop('deconv_channels')


def resize(height: int, width: int) -> Change:
    """Another input size in pixels, with heatmaps of a quarter of it."""

    def change(config: Config, args: argparse.Namespace) -> None:
        config.model.backbone.img_size = (height, width)
        sizes = dict(input_size=(width, height), heatmap_size=(width // 4, height // 4))
        config.model.head.decoder.update(sizes)
        for part in ('train', 'val', 'test'):
            for step in config[f'{part}_dataloader'].dataset.pipeline:
                if 'input_size' in step:
                    step.input_size = sizes['input_size']
                if 'encoder' in step:
                    step.encoder.update(sizes)

    return change


def attention(kind: str | dict) -> Change:
    """Features at 1/8 of the input with an attention of `ViT`."""

    def change(config: Config, args: argparse.Namespace) -> None:
        config.model.backbone.update(stride=8, attention=kind)
        config.model.head.feature_stride = 8

    return change


def rendered(*kinds: str) -> Change:
    """As many rendered people of each dataset beside the photographs of each batch, with a decoder for each."""

    def change(config: Config, args: argparse.Namespace) -> None:
        loader, head = config.train_dataloader, config.model.head
        members, heads = [loader.dataset], {'crowdpose': head}
        for kind in kinds:
            dataset, keypoints = MEMBERS[kind]
            heads[kind] = dict(head, out_channels=keypoints)
            members.append(
                dict(
                    type=dataset,
                    data_root=f'{rendered_folder(kind, args)}/',
                    ann_file='annotations/train.json',
                    data_prefix=dict(img='train/'),
                    indices=args.labels,
                    pipeline=loader.dataset.pipeline,
                )
            )
        config.model.head = dict(type='MultiDatasetHead', default_dataset='crowdpose', heads=heads)
        loader.batch_size = BATCH * len(members)
        loader.dataset = dict(type='CombinedPoseDataset', datasets=members)
        loader.sampler = dict(type='FixedMixSampler', batch_size=loader.batch_size, source_ratio=[1] * len(members))
        config.default_hooks.dataset_mix = dict(type='DatasetMixHook')

    return change


def rendered_folder(kind: str, args: argparse.Namespace) -> Path:
    """The folder of a rendered dataset."""
    return args.out / f'rendered_{args.labels}' / kind


def pretrained(config: Config, args: argparse.Namespace) -> None:
    """Start from the pre-trained backbone, if there is one."""
    if args.pretrained is not None:
        config.model.backbone.init_cfg = dict(type='Pretrained', checkpoint=str(args.pretrained))


def train_token(config: Config, args: argparse.Namespace) -> None:
    """Train the knowledge token of the teacher alone."""
    config.load_from = str(args.teacher)
    config.model.backbone.update(freeze='all_but_token', knowledge_token=dict(count=1))
    config.model.head.update(freeze=True)
    config.param_scheduler = config.param_scheduler[-1:]


def token(config: Config, args: argparse.Namespace) -> None:
    """Give the student the teacher's token."""
    config.model.backbone.knowledge_token = dict(init=str(args.token), frozen=True, width=192)


def teacher(config: Config, args: argparse.Namespace) -> None:
    """Let the student learn from the teacher's heatmaps, too."""
    config.model.type = 'DistillPoseEstimator'
    config.model.teacher = dict(
        config=str(args.teacher.with_name('run.py')), checkpoint=str(args.teacher), precision=args.dtype
    )
    config.model.distill_loss = dict(type='HeatmapDistillLoss', loss_weight=1000.0)  # as the head's own loss
