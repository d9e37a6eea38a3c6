"""ViTPose-B with the knowledge token of ViTPose-L, which `vitpose token extract` wrote after stage 1."""

_base_ = '../coco/vitpose-base_coco-256x192.py'

model = dict(
    backbone=dict(knowledge_token=dict(init='work_dirs/tokens/vitpose-large_coco-256x192.npz', frozen=True, width=1024))
)
