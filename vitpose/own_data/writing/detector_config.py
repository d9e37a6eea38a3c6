"""The config of a detector that finds the objects of a dataset with several per image."""

# MMDetection's, COCO box AP 41.1 at 640x640
COCO_FOLDER = 'https://download.openmmlab.com/mmdetection/v3.0/rtmdet/rtmdet_tiny_8xb32-300e_coco/'
COCO_WEIGHTS = 'rtmdet_tiny_8xb32-300e_coco_20220902_112414-78e30dcc.pth'
STEPS = 3000  # of 16 images, about an hour on two cores
BATCH = 16


def detector_text(name: str, category: str, images: int) -> str:
    """Return the text of detector.py: RTMDet-tiny at 320x320 for the boxes of `images` training images."""
    batch = max(min(BATCH, images // 2), 1)
    steps_per_epoch = -(-images // batch)
    epochs = max(min(STEPS // steps_per_epoch, 100), 10)
    return f'''"""Boxes of {name}, for `vitpose train`: {images:,} images. Written by `vitpose dataset`."""

_base_ = 'mmdet::rtmdet/rtmdet_tiny_8xb32-300e_coco.py'
data_root = """{{{{ fileDirname }}}}/"""
work_dir = data_root + 'detector'
load_from = (  # None: from random weights
    {COCO_FOLDER!r}
    {COCO_WEIGHTS!r}
)
size = (320, 320)
norm = dict(norm_cfg=dict(type='BN'))  # SyncBN needs a GPU
model = dict(backbone=dict(init_cfg=None, **norm), neck=norm, bbox_head=dict(num_classes=1, **norm))
gray = dict(type='Pad', size=size, pad_val=dict(img=(114, 114, 114)))
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='RandomResize', scale=size, ratio_range=(0.8, 1.6), keep_ratio=True),
    dict(type='RandomCrop', crop_size=size),
    dict(type='YOLOXHSVRandomAug'),
    dict(type='RandomFlip', prob=0.5),
    gray,
    dict(type='PackDetInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=size, keep_ratio=True),
    gray,
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='PackDetInputs', meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor')),
]
data = dict(data_root=data_root, data_prefix=dict(img='images/'), metainfo=dict(classes=({category!r},)))
train_dataloader = dict(
    batch_size={batch}, num_workers=2, dataset=dict(ann_file='train.json', pipeline=train_pipeline, **data)
)
val_dataloader = dict(
    batch_size={batch}, num_workers=2, dataset=dict(ann_file='val.json', pipeline=test_pipeline, **data)
)
test_dataloader = val_dataloader
val_evaluator = dict(ann_file=data_root + 'val.json')
test_evaluator = val_evaluator
train_cfg = dict(max_epochs={epochs}, val_interval={max(epochs // 5, 1)}, dynamic_intervals=None)
optim_wrapper = dict(optimizer=dict(lr=0.001))
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end={max(min(200, steps_per_epoch), 1)}),
    dict(type='CosineAnnealingLR', T_max={epochs}, eta_min=1e-5, convert_to_iter_based=True, begin=0, end={epochs}),
]
default_hooks = dict(checkpoint=dict(interval={max(epochs // 5, 1)}, max_keep_ckpts=1, save_best='coco/bbox_mAP'))
custom_hooks = [dict(type='EMAHook', ema_type='ExpMomentumEMA', momentum=0.002, update_buffers=True, priority=49)]
'''
