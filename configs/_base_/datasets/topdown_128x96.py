"""Codec and pipelines for rendered data and inputs of 128 x 96 pixels (h x w).

The boxes of rendered people are exact, so the padding around them is smaller than for COCO. The only augmentation is
the flip, because the renderer already varies everything else.
"""

_base_ = './topdown.py'

codec = dict(type='BatchUDPHeatmap', input_size=(96, 128), heatmap_size=(24, 32), sigma=2)
crop = dict(type='TopdownAffine', input_size=codec['input_size'], use_udp=True)
train_crop = dict(crop, type='DecodeAndCrop')
target = dict(type='KeypointTarget', encoder=codec)
box = dict(type='GetBBoxCenterScale', padding=1.1)
train_pipeline = [dict(type='LazyLoadImage'), box, _base_.flip, train_crop, target, *_base_.train_packing]
val_pipeline = [dict(type='LoadImage'), box, crop, *_base_.packing]
