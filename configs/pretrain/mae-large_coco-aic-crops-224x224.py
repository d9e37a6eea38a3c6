"""MAE of ViT-L on person crops of COCO and AIC."""

_base_ = './mae-base_coco-aic-crops-224x224.py'

model = dict(backbone=dict(arch='large'))
