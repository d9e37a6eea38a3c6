"""A small ViTPose+ on rendered people and animals of six datasets, for one epoch."""

_base_ = [
    '../_base_/models/vitpose.py',
    '../_base_/datasets/six_sets_synthetic.py',
    '../_base_/schedules/adamw_cosine_1e.py',
    '../_base_/runtime/multi_dataset.py',
]

model = dict(
    type='MultiDatasetPoseEstimator',
    backbone=dict(
        arch=dict(depth=6, embed_dim=192, num_heads=3),
        img_size=(128, 96),
        experts=dict(names=list(_base_.heads), expert_dim=48),
    ),
    head=dict(
        _delete_=True, type='MultiDatasetHead', default_dataset='coco', heads=_base_.heads, test_cfgs=_base_.test_cfgs
    ),
    train_cfg=dict(compute_acc=False),
)
train_dataloader = dict(dataset=dict(datasets=_base_.train_sets))
val_dataloader = dict(dataset=dict(datasets=_base_.val_sets))
test_dataloader = val_dataloader
val_evaluator = dict(datasets=_base_.val_sets, metrics=_base_.metrics)
test_evaluator = val_evaluator
default_hooks = dict(checkpoint=dict(interval=1))
