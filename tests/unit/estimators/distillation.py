"""Small teachers, students and batches, for tests of distillation."""

import copy

import numpy as np
import torch
from mmengine import ConfigDict
from mmengine.registry import init_default_scope
from mmpose.registry import DATASETS, MODELS

import vitpose_mm  # noqa: F401

CODEC = dict(type='UDPHeatmap', input_size=(48, 64), heatmap_size=(12, 16), sigma=2)
PREPROCESSOR = dict(type='PoseDataPreprocessor', mean=[120.0, 115, 100], std=[58.0, 57, 57], bgr_to_rgb=True)
PIPELINE = [
    dict(type='LoadImage'),
    dict(type='GetBBoxCenterScale'),
    dict(type='RandomFlip', direction='horizontal'),
    dict(type='RandomHalfBody'),
    dict(type='RandomBBoxTransform'),
    dict(type='TopdownAffine', input_size=(48, 64), use_udp=True),
    dict(type='GenerateTarget', encoder=CODEC),
    dict(type='PackPoseInputs'),
]


def estimator(width=24, keypoints=17, decoder=CODEC, **more):
    head = dict(type='ClassicHead', in_channels=width, out_channels=keypoints, decoder=decoder, deconv_channels=16)
    backbone = dict(
        type='ViT',
        arch=dict(depth=2, embed_dim=width, num_heads=2),
        img_size=decoder['input_size'][::-1],
        drop_path_rate=0.3,
    )
    return dict(type='TopdownPoseEstimator', data_preprocessor=PREPROCESSOR, backbone=backbone, head=head, **more)


def multi_dataset_estimator(width=32):
    heads = {name: estimator(width, count)['head'] for name, count in (('coco', 17), ('aic', 14))}
    backbone = dict(estimator(width)['backbone'], experts=dict(names=['coco', 'aic'], expert_dim=8))
    return dict(
        type='MultiDatasetPoseEstimator',
        data_preprocessor=PREPROCESSOR,
        backbone=backbone,
        head=dict(type='MultiDatasetHead', heads=heads),
    )


def distiller(teacher, student=None, **more):
    torch.manual_seed(0)
    student = student or estimator()
    return MODELS.build(ConfigDict({**student, 'type': 'DistillPoseEstimator', 'teacher': teacher, **more}))


def batch_of(data, *indices):
    init_default_scope('mmpose')
    np.random.seed(3)
    packed = [DATASETS.build(data)[index] for index in indices]
    return dict(inputs=[p['inputs'] for p in packed], data_samples=[p['data_samples'] for p in packed])


def preprocessed(model, batch):
    data = model.data_preprocessor(copy.deepcopy(batch), True)
    return data['inputs'], data['data_samples']
