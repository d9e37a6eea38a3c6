"""ViTPose-S with the knowledge token of ViTPose-B, which `vitpose token extract` wrote after stage 1."""

_base_ = '../coco/vitpose-small_coco-256x192.py'

model = dict(
    backbone=dict(knowledge_token=dict(init='work_dirs/tokens/vitpose-base_coco-256x192.npz', frozen=True, width=768))
)
