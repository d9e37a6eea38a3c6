"""ViTPose-B on COCO and AI Challenger at 256x192 (paper, table 7)."""

_base_ = [
    '../_base_/models/vitpose_base.py',
    '../_base_/datasets/six_sets.py',
    '../_base_/schedules/adamw_210e_batch1024.py',
    '../_base_/runtime/multi_dataset.py',
]

model = dict(
    head=dict(
        _delete_=True,
        type='MultiDatasetHead',
        default_dataset='coco',
        heads={name: dict(_base_.heads[name], in_channels=_base_.model.head.in_channels) for name in ('coco', 'aic')},
        test_cfgs=dict(aic=_base_.test_cfgs.aic),
    )
)
optim_wrapper = dict(paramwise_cfg=dict(layer_decay_rate=_base_.layer_decay_rate))
train_dataloader = dict(dataset=dict(datasets=_base_.train_sets[:2]))
val_dataloader = dict(dataset=dict(datasets=_base_.val_sets[:2]))
test_dataloader = val_dataloader
val_evaluator = dict(datasets=_base_.val_sets[:2], metrics=_base_.metrics[:2])
test_evaluator = val_evaluator
