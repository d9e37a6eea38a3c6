"""Stage 1 of token distillation: only the knowledge token of a trained ViTPose-B is trained, for a few epochs."""

_base_ = '../coco/vitpose-base_coco-256x192.py'

load_from = 'work_dirs/vitpose-base_coco-256x192/epoch_210.pth'  # the trained teacher
model = dict(
    backbone=dict(freeze='all_but_token', knowledge_token=dict(count=1), init_cfg=None), head=dict(freeze=True)
)
# the token counts as layer 0, where layer decay would leave almost no learning rate
optim_wrapper = dict(paramwise_cfg=dict(layer_decay_rate=1.0))
train_cfg = dict(max_epochs=5, val_interval=5)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=500),
    dict(type='CosineAnnealingLR', T_max=5, eta_min=1e-6, by_epoch=True, convert_to_iter_based=True, begin=0, end=5),
]
default_hooks = dict(checkpoint=dict(interval=1))
