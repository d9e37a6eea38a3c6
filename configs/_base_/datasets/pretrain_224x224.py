"""Pipeline and loader of pre-training at 224 x 224 pixels, and the datasets of the paper's table 3."""

pipeline = [
    dict(type='LoadImage'),
    dict(type='PretrainCrop', input_size=(224, 224)),
    dict(type='PackPoseInputs', meta_keys=('img_path', 'dataset_name', 'flip')),
]
imagenet = 'data/imagenet/train/'
coco = dict(
    type='CheckedCocoDataset',
    data_root='data/coco/',
    ann_file='annotations/person_keypoints_train2017.json',
    data_prefix=dict(img='train2017/'),
)
aic = dict(
    type='CheckedAicDataset',
    data_root='data/aic/',
    ann_file='annotations/aic_train.json',
    data_prefix=dict(img='ai_challenger_keypoint_train_20170902/keypoint_train_images_20170902/'),
)
train_dataloader = dict(
    batch_size=64,
    num_workers=8,
    persistent_workers=True,
    pin_memory=True,
    drop_last=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    collate_fn=dict(type='default_collate'),
    dataset=dict(type='UnlabeledDataset', pipeline=pipeline),
)
