"""Codec and pipelines for inputs of 256 x 192 pixels (h x w) and heatmaps of 64 x 48 cells."""

_base_ = './topdown.py'

codec = dict(type='BatchUDPHeatmap', input_size=(192, 256), heatmap_size=(48, 64), sigma=2)
crop = dict(type='TopdownAffine', input_size=codec['input_size'], use_udp=True)
train_crop = dict(crop, type='DecodeAndCrop')
target = dict(type='KeypointTarget', encoder=codec)
train_pipeline = [*_base_.opening, *_base_.augmentation, train_crop, target, *_base_.train_packing]
val_pipeline = [*_base_.loading, crop, *_base_.packing]
