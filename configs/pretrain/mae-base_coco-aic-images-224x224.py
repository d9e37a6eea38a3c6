"""MAE of ViT-B on whole images of COCO and AIC."""

_base_ = './mae-base_coco-aic-crops-224x224.py'

train_dataloader = dict(dataset=dict(boxes=False))
