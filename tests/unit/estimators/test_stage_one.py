"""Training the knowledge token of a frozen teacher: no other weight changes."""

import numpy as np
import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData, PixelData
from mmpose.registry import MODELS
from mmpose.structures import PoseDataSample

import vitpose_mm  # noqa: F401

CODEC = dict(type='UDPHeatmap', input_size=(48, 64), heatmap_size=(12, 16), sigma=2)
WRAPPER = dict(
    constructor='ViTLayerDecayOptimWrapperConstructor',
    paramwise_cfg=dict(layer_decay_rate=1.0),
    optimizer=dict(type='AdamW', lr=1e-2, weight_decay=0.1),
)


def build(multi_dataset=False, **head):
    init_default_scope('mmpose')
    torch.manual_seed(0)
    decoder = dict(type='ClassicHead', in_channels=48, out_channels=5, decoder=CODEC, deconv_channels=16, **head)
    backbone = dict(
        type='ViT',
        arch=dict(depth=2, embed_dim=48, num_heads=4),
        img_size=(64, 48),
        drop_path_rate=0.9,
        freeze='all_but_token',
        knowledge_token=dict(),
    )
    kind = 'TopdownPoseEstimator'
    if multi_dataset:
        kind, decoder = (
            'MultiDatasetPoseEstimator',
            dict(type='MultiDatasetHead', heads=dict(coco=decoder, aic=decoder), default_dataset='coco'),
        )
        backbone['experts'] = dict(names=['coco', 'aic'], expert_dim=16)
    return MODELS.build(
        dict(type=kind, data_preprocessor=dict(type='PoseDataPreprocessor'), backbone=backbone, head=decoder)
    )


def batch(size=2):
    samples = []
    for i in range(size):
        sample = PoseDataSample(metainfo=dict(flip_indices=list(range(5)), input_size=(48, 64), dataset_name='coco'))
        sample.gt_instances = InstanceData(bboxes=np.zeros((1, 4)))
        sample.gt_instance_labels = InstanceData(keypoint_weights=torch.ones(1, 5))
        sample.gt_fields = PixelData(heatmaps=torch.rand(5, 16, 12, generator=torch.Generator().manual_seed(i)))
        samples.append(sample)
    return dict(inputs=[torch.rand(3, 64, 48) for _ in range(size)], data_samples=samples)


@pytest.mark.parametrize('kind', ['OptimWrapper', 'AutocastOptimWrapper'])
@pytest.mark.parametrize('multi_dataset', [False, True])
def test_only_the_token_changes(multi_dataset, kind):
    model = build(multi_dataset, freeze=True)
    optimizer = build_optim_wrapper(model, dict(WRAPPER, type=kind))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    for _ in range(3):
        model.eval()
        model.train()  # as after validation
        assert torch.isfinite(model.train_step(batch(), optimizer)['loss'])
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {'backbone.knowledge_token.tokens'}
    held = [p for group in optimizer.optimizer.param_groups for p in group['params']]
    assert [id(p) for p in held] == [id(model.backbone.knowledge_token.tokens)]
    assert optimizer.optimizer.param_groups[0]['weight_decay'] == 0


def test_a_trainable_decoder_is_refused():
    with pytest.raises(ValueError, match=r"freeze='all_but_token', but head\.\S+ is trainable too.*freeze=True"):
        build_optim_wrapper(build(), dict(WRAPPER, type='OptimWrapper'))


@pytest.mark.parametrize('kind', ['ClassicHead', 'SimpleHead'])
def test_a_frozen_decoder_stays_in_eval_mode_and_passes_gradients(kind):
    head = MODELS.build(dict(type=kind, in_channels=8, out_channels=3, decoder=CODEC, freeze=True))
    head.eval()
    head.train()
    assert not any(module.training for module in head.modules())
    before = {name: value.clone() for name, value in head.state_dict().items()}
    feature = torch.randn(2, 8, 4, 3, requires_grad=True)
    head((feature,)).square().sum().backward()
    assert feature.grad.abs().sum() > 0 and all(p.grad is None for p in head.parameters())
    assert all(torch.equal(value, before[name]) for name, value in head.state_dict().items())
