"""A small ViTPose on rendered people of three datasets, for one epoch."""

_base_ = [
    '../_base_/models/vitpose.py',
    '../_base_/datasets/six_sets_synthetic.py',
    '../_base_/schedules/adamw_cosine_1e.py',
    '../_base_/runtime/multi_dataset.py',
]

model = dict(
    backbone=dict(arch=dict(depth=6, embed_dim=192, num_heads=3), img_size=(128, 96)),
    head=dict(
        _delete_=True,
        type='MultiDatasetHead',
        default_dataset='coco',
        heads={name: _base_.heads[name] for name in ('coco', 'aic', 'mpii')},
        test_cfgs=dict(aic=_base_.test_cfgs.aic),
    ),
    train_cfg=dict(compute_acc=False),
)
train_dataloader = dict(dataset=dict(datasets=_base_.train_sets[:3]))
val_dataloader = dict(dataset=dict(datasets=_base_.val_sets[:3]))
test_dataloader = val_dataloader
val_evaluator = dict(datasets=_base_.val_sets[:3], metrics=_base_.metrics[:3])
test_evaluator = val_evaluator
default_hooks = dict(checkpoint=dict(interval=1))
