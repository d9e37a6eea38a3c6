"""Pipelines for inputs of 256 x 192 pixels (h x w) with the UDP codec and with the classic (MSRA) codec.

As in the authors' repository, COCO and MPII use UDP (MPII without half-body augmentation or shifts), and the other
datasets use the classic codec, whose flip test shifts the flipped heatmaps by one cell.
"""

_base_ = './topdown.py'

udp = dict(type='BatchUDPHeatmap', input_size=(192, 256), heatmap_size=(48, 64), sigma=2)
classic = dict(type='BatchMSRAHeatmap', input_size=(192, 256), heatmap_size=(48, 64), sigma=2)
udp_crop = dict(type='TopdownAffine', input_size=udp['input_size'], use_udp=True)
classic_crop = dict(type='TopdownAffine', input_size=classic['input_size'])
udp_train_crop = dict(udp_crop, type='DecodeAndCrop')
classic_train_crop = dict(classic_crop, type='DecodeAndCrop')
udp_target = dict(type='KeypointTarget', encoder=udp)
classic_target = dict(type='KeypointTarget', encoder=classic)

udp_train = [*_base_.opening, *_base_.augmentation, udp_train_crop, udp_target, *_base_.train_packing]
mpii_train = [*_base_.opening, *_base_.mpii_augmentation, udp_train_crop, udp_target, *_base_.train_packing]
classic_train = [*_base_.opening, *_base_.augmentation, classic_train_crop, classic_target, *_base_.train_packing]
udp_val = [*_base_.loading, udp_crop, *_base_.packing]
classic_val = [*_base_.loading, classic_crop, *_base_.packing]
