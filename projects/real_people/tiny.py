"""The shipped network: six blocks of ViTPose-S at 192x144, which learn from labels and from a larger network."""

_base_ = './network.py'

objects = 'person'  # what `vitpose` looks for in an image without boxes
license = 'for research: trained on LSP, LSP Extended, Parse, COCO and Flickr8k, starting from DINOv2 (Apache-2.0)'
size = dict(input_size=(144, 192))
codec = dict(type='BatchUDPHeatmap', heatmap_size=(36, 48), sigma=2, **size)
loss = dict(type='HeatmapCrossEntropyLoss')
model = dict(
    type='DistillPoseEstimator',
    teacher=dict(config='', checkpoint='', precision='bfloat16'),  # study.py sets them
    distill_loss=loss,
    backbone=dict(arch=dict(depth=6)),
    head=dict(
        _delete_=True,
        type='ClassicHead',
        in_channels=384,
        out_channels=17,
        deconv_channels=64,
        decoder=codec,
        loss=loss,
    ),
)
choose = dict(ann_file='choose.json', pipeline=_base_.val_pipeline, test_mode=True, **_base_.coco)
train_dataloader = dict(
    sampler=dict(_delete_=True, type='DefaultSampler', shuffle=True),
    dataset=dict(_delete_=True, ann_file='everybody.json', pipeline=_base_.train_pipeline, **_base_.coco),
)
val_dataloader = dict(dataset=dict(_delete_=True, **choose))
test_dataloader = val_dataloader
val_evaluator = dict(_delete_=True, type='CocoMetric', ann_file=_base_.photographs + 'choose.json')
test_evaluator = val_evaluator
