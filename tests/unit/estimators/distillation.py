"""Small teachers, students and batches, for tests of distillation."""

import copy

import numpy as np
import torch
from mmengine import ConfigDict
from mmengine.registry import init_default_scope
from mmpose.registry import DATASETS, MODELS

import vitpose_mm  # noqa: F401
from tests.unit.heads.pose_samples import CODEC

PREPROCESSOR = dict(type='PoseDataPreprocessor', mean=[120.0, 115, 100], std=[58.0, 57, 57], bgr_to_rgb=True)
WRAPPER = dict(
    constructor='ViTLayerDecayOptimWrapperConstructor',
    paramwise_cfg=dict(layer_decay_rate=0.5),
    optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.1),
)
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
    arch, img_size = dict(depth=2, embed_dim=width, num_heads=2), decoder['input_size'][::-1]
    backbone = dict(type='ViT', arch=arch, img_size=img_size, drop_path_rate=0.3)
    model = dict(type='TopdownPoseEstimator', data_preprocessor=PREPROCESSOR, backbone=backbone, head=head)
    return model | more


def multi_dataset_estimator(width=32):
    heads = {name: estimator(width, count)['head'] for name, count in (('coco', 17), ('aic', 14))}
    model = estimator(width, type='MultiDatasetPoseEstimator', head=dict(type='MultiDatasetHead', heads=heads))
    model['backbone'].update(experts=dict(names=['coco', 'aic'], expert_dim=8))
    return model


def distiller(teacher, student=None, **more):
    torch.manual_seed(0)
    student = student or estimator()
    return MODELS.build(ConfigDict({**student, 'type': 'DistillPoseEstimator', 'teacher': teacher, **more}))


def batch_of(data, *indices):
    init_default_scope('mmpose')
    np.random.seed(3)
    dataset = DATASETS.build(data)
    return collate(*[dataset[index] for index in indices])


def collate(*packed):
    return {key: [sample[key] for sample in packed] for key in packed[0]}


def preprocessed(model, batch):
    data = model.data_preprocessor(copy.deepcopy(batch), True)
    return data['inputs'], data['data_samples']
