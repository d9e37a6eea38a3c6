"""MAE of ViT-S on person crops of COCO and AIC, with a smaller decoder."""

_base_ = './mae-base_coco-aic-crops-224x224.py'

model = dict(backbone=dict(arch='small'), decoder=dict(dim=256, depth=4, heads=8))
