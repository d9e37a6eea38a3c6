"""Pipelines for rendered data and inputs of 128 x 96 pixels (h x w) with the UDP codec and the classic (MSRA) codec."""

_base_ = './topdown.py'

udp = dict(type='BatchUDPHeatmap', input_size=(96, 128), heatmap_size=(24, 32), sigma=2)
classic = dict(type='BatchMSRAHeatmap', input_size=(96, 128), heatmap_size=(24, 32), sigma=2)
udp_crop = dict(type='TopdownAffine', input_size=udp['input_size'], use_udp=True)
classic_crop = dict(type='TopdownAffine', input_size=classic['input_size'])
udp_target = dict(type='GenerateTarget', encoder=udp)
classic_target = dict(type='GenerateTarget', encoder=classic)
loading = [dict(type='LoadImage'), dict(type='GetBBoxCenterScale', padding=1.1)]
flip = dict(type='RandomFlip', direction='horizontal')

udp_train = [*loading, flip, udp_crop, udp_target, *_base_.packing]
classic_train = [*loading, flip, classic_crop, classic_target, *_base_.packing]
udp_val = [*loading, udp_crop, *_base_.packing]
classic_val = [*loading, classic_crop, *_base_.packing]
