"""A small student that learns from precomputed heatmaps of its teacher.

vitpose teacher-cache configs/transfer/vitpose-micro-from-mini-output_synthetic-128x96.py \
    --out data/teachers/mini --seeds 0 1
"""

_base_ = './vitpose-micro-from-mini-output_synthetic-128x96.py'

model = dict(teacher=None)
train_dataloader = dict(
    dataset=dict(
        _delete_=True, type='TeacherCacheDataset', cache='data/teachers/mini', dataset=_base_.train_dataloader.dataset
    )
)
