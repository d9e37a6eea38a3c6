"""Pipelines for rendered data and inputs of 128 x 96 pixels (h x w) with the UDP codec and the classic (MSRA) codec."""

_base_ = './topdown.py'

udp = dict(type='BatchUDPHeatmap', input_size=(96, 128), heatmap_size=(24, 32), sigma=2)
classic = dict(type='BatchMSRAHeatmap', input_size=(96, 128), heatmap_size=(24, 32), sigma=2)
udp_crop = dict(type='TopdownAffine', input_size=udp['input_size'], use_udp=True)
classic_crop = dict(type='TopdownAffine', input_size=classic['input_size'])
udp_train_crop = dict(udp_crop, type='DecodeAndCrop')
classic_train_crop = dict(classic_crop, type='DecodeAndCrop')
udp_target = dict(type='KeypointTarget', encoder=udp)
classic_target = dict(type='KeypointTarget', encoder=classic)
box = dict(type='GetBBoxCenterScale', padding=1.1)

opening = [dict(type='LazyLoadImage'), box, _base_.flip]
udp_train = [*opening, udp_train_crop, udp_target, *_base_.train_packing]
classic_train = [*opening, classic_train_crop, classic_target, *_base_.train_packing]
udp_val = [dict(type='LoadImage'), box, udp_crop, *_base_.packing]
classic_val = [dict(type='LoadImage'), box, classic_crop, *_base_.packing]
