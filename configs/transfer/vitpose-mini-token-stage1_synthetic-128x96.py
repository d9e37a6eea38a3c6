"""Stage 1 of token distillation on rendered people: only the knowledge token of the trained teacher is trained."""

_base_ = '../synthetic/vitpose-mini_synthetic-128x96.py'

load_from = 'work_dirs/vitpose-mini_synthetic-128x96/epoch_4.pth'  # the trained teacher
model = dict(backbone=dict(freeze='all_but_token', knowledge_token=dict(count=1)), head=dict(freeze=True))
train_cfg = dict(max_epochs=1)
param_scheduler = [
    dict(type='CosineAnnealingLR', T_max=1, eta_min=1e-6, by_epoch=True, convert_to_iter_based=True, begin=0, end=1)
]
