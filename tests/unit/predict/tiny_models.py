"""Small models with random weights, their configs and checkpoints, and rendered images with boxes."""

from functools import cache
from pathlib import Path

import numpy as np
import torch
from mmengine import Config
from mmengine.registry import init_default_scope
from mmpose.registry import MODELS

import vitpose_mm  # noqa: F401
from vitpose.synthetic.render_settings import RenderSettings, render_one

SIZE, HEATMAP = (96, 128), (24, 32)
UDP = dict(type='UDPHeatmap', input_size=SIZE, heatmap_size=HEATMAP, sigma=2)
CLASSIC = dict(UDP, type='MSRAHeatmap')
SCALING = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], bgr_to_rgb=True)
PREPROCESSOR = dict(type='PoseDataPreprocessor', **SCALING)
VIT = dict(type='ViT', arch=dict(depth=2, embed_dim=48, num_heads=2), img_size=(128, 96))
DECODERS = dict(classic=dict(type='ClassicHead', deconv_channels=16), simple=dict(type='SimpleHead'))
DATASETS = dict(coco=('CocoDataset', 17, UDP), aic=('AicDataset', 14, CLASSIC), mpii=('MpiiDataset', 16, UDP))


def dataset_settings(name):
    kind, _, codec = DATASETS[name]
    affine = dict(type='TopdownAffine', input_size=SIZE, use_udp=codec is UDP)
    scale = dict(type='GetBBoxCenterScale', padding=1.25)
    pipeline = [dict(type='LoadImage'), scale, affine, dict(type='PackPoseInputs')]
    return dict(type=kind, ann_file='val.json', test_mode=True, pipeline=pipeline)


def head(name, decoder='classic'):
    _, keypoints, codec = DATASETS[name]
    return dict(DECODERS[decoder], in_channels=48, out_channels=keypoints, decoder=codec)


def config(model, dataset):
    loader = dict(batch_size=2, sampler=dict(type='DefaultSampler', shuffle=False), dataset=dataset)
    return Config(
        dict(
            **dict(default_scope='mmpose', data_mode='topdown', dataset_type='CocoDataset'),
            custom_imports=dict(imports=['vitpose_mm'], allow_failed_imports=False),
            model=dict(dict(type='TopdownPoseEstimator', data_preprocessor=PREPROCESSOR), **model),
            **dict.fromkeys(('train_dataloader', 'val_dataloader', 'test_dataloader'), loader),
            test_evaluator=dict(type='CocoMetric', ann_file='val.json'),
            visualizer=dict(type='PoseLocalVisualizer', name='visualizer'),
        )
    )


def single(dataset='coco', decoder='classic', **test_cfg):
    """A model of one dataset."""
    cfg = dict(flip_test=False, flip_mode='heatmap', shift_heatmap=DATASETS[dataset][2] is CLASSIC)
    model = dict(backbone=VIT, head=head(dataset, decoder), test_cfg=dict(cfg, **test_cfg))
    return config(model, dataset_settings(dataset))


def several(experts=True):
    """A model of three datasets."""
    heads, members = {name: head(name) for name in DATASETS}, [dataset_settings(name) for name in DATASETS]
    multi = dict(type='MultiDatasetHead', heads=heads, default_dataset='coco')
    multi['test_cfgs'] = dict(aic=dict(shift_heatmap=True))
    backbone = dict(VIT, experts=dict(names=['coco', 'mpii', 'aic'], expert_dim=16)) if experts else VIT
    kind = 'MultiDatasetPoseEstimator' if experts else 'TopdownPoseEstimator'
    data = dict(type='CombinedPoseDataset', datasets=members, pipeline=members[0]['pipeline'])
    data['metainfo'] = dict(from_file='configs/_base_/datasets/coco.py')
    cfg = config(dict(type=kind, backbone=backbone, head=multi, test_cfg=dict(flip_test=False)), data)
    metrics = [cfg.test_evaluator.to_dict() for _ in members]
    cfg.test_evaluator = dict(type='PerDatasetEvaluator', datasets=members, metrics=metrics)
    return cfg


def write(cfg, folder, seed=0):
    """Write config and checkpoint; heatmaps have distinct peaks of about 1."""
    init_default_scope('mmpose')
    torch.manual_seed(seed)
    model = MODELS.build(cfg.model).eval()
    with torch.no_grad():
        for name, value in model.named_parameters():
            if 'norm' not in name and value.ndim > 1:
                value.normal_(std=(2 if 'head' in name else 0.5) / value[0].numel() ** 0.5)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    cfg.dump(folder / 'model.py')
    torch.save(dict(state_dict=model.state_dict(), meta={}), folder / 'model.pth')
    return str(folder / 'model.py'), str(folder / 'model.pth')


@cache
def rendered(index):
    """A rendered image of 320x240 pixels, and the boxes (N, 4) of its people."""
    drawn = render_one(RenderSettings(train=0, val=10, difficulty='hard'), 'val', index)
    boxes = np.array([person['bbox'] for person in drawn.people], np.float32)
    return drawn.image, np.concatenate((boxes[:, :2], boxes[:, :2] + boxes[:, 2:]), 1)
