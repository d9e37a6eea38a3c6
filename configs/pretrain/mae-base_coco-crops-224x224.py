"""MAE of ViT-B on person crops of COCO."""

_base_ = './mae-base_coco-aic-crops-224x224.py'

train_dataloader = dict(dataset=dict(sources=[_base_.coco]))
