"""MAE of ViT-B on the images of ImageNet-1k."""

_base_ = './mae-base_coco-aic-crops-224x224.py'

train_dataloader = dict(dataset=dict(sources=[_base_.imagenet]))
