"""A small student with the knowledge token of its teacher, which `vitpose token extract` wrote."""

_base_ = './vitpose-micro_synthetic-128x96.py'

model = dict(
    backbone=dict(
        knowledge_token=dict(init='work_dirs/tokens/vitpose-mini_synthetic-128x96.npz', frozen=True, width=192)
    )
)
