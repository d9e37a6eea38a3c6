"""COCO with CMU's keypoints of the feet (25 keypoints) at 256x192, with the codec that easy_ViTPose trained with.

Its training code (datasets/COCO.py) has boxes enlarged by 1.25, crops without UDP, and Gaussians of sigma 3 around
rounded cells. Nobody publishes annotation files with keypoints in this order: they have to be made.
"""

_base_ = ['./loaders.py', './two_codecs_256x192.py', './coco25_keypoints.py']

codec = dict(_base_.classic, sigma=3)
data_root = 'data/coco/'
val_file = 'annotations/person_keypoints_coco25_val2017.json'
dataset_type = 'CocoDataset'
dataset = dict(type='CheckedCocoDataset', data_root=data_root, metainfo=_base_.dataset_info)
train_dataloader = dict(
    dataset=dict(
        ann_file='annotations/person_keypoints_coco25_train2017.json',
        data_prefix=dict(img='train2017/'),
        pipeline=[
            *_base_.opening,
            *_base_.augmentation,
            _base_.classic_train_crop,
            dict(type='KeypointTarget', encoder=codec),
            *_base_.train_packing,
        ],
        **dataset,
    )
)
val_dataloader = dict(
    dataset=dict(
        ann_file=val_file, data_prefix=dict(img='val2017/'), test_mode=True, pipeline=_base_.classic_val, **dataset
    )
)
test_dataloader = val_dataloader
val_evaluator = dict(type='CocoMetric', ann_file=data_root + val_file)
test_evaluator = val_evaluator
