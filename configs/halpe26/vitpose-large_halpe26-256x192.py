"""ViTPose-L on Halpe-26 at 256x192."""

_base_ = [
    '../_base_/models/vitpose_large.py',
    '../_base_/datasets/halpe26_files.py',
    '../_base_/schedules/adamw_210e.py',
    '../_base_/runtime/default.py',
]

model = dict(head=dict(out_channels=26, decoder=_base_.codec))
optim_wrapper = dict(paramwise_cfg=dict(layer_decay_rate=_base_.layer_decay_rate))
