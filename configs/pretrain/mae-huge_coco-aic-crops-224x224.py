"""MAE of ViT-H on person crops of COCO and AIC; patches of 16x16 pixels, where MAE has 14x14."""

_base_ = './mae-base_coco-aic-crops-224x224.py'

model = dict(backbone=dict(arch='huge', with_cp=True))
