"""ViTPose+-L: six datasets, one decoder and one expert per dataset, at 256x192."""

_base_ = [
    '../_base_/models/vitpose_large.py',
    '../_base_/datasets/six_sets.py',
    '../_base_/schedules/adamw_210e_batch1024.py',
    '../_base_/runtime/multi_dataset.py',
]

model = dict(
    type='MultiDatasetPoseEstimator',
    backbone=dict(experts=dict(names=list(_base_.heads), expert_dim=256)),
    head=dict(
        _delete_=True,
        type='MultiDatasetHead',
        default_dataset='coco',
        heads={name: dict(head, in_channels=_base_.model.head.in_channels) for name, head in _base_.heads.items()},
        test_cfgs=_base_.test_cfgs,
    ),
)
optim_wrapper = dict(paramwise_cfg=dict(layer_decay_rate=_base_.layer_decay_rate))
train_dataloader = dict(dataset=dict(datasets=_base_.train_sets))
val_dataloader = dict(dataset=dict(datasets=_base_.val_sets))
test_dataloader = dict(dataset=dict(datasets=_base_.test_sets))
val_evaluator = dict(datasets=_base_.val_sets, metrics=_base_.metrics)
test_evaluator = dict(datasets=_base_.test_sets, metrics=_base_.test_metrics)
