"""COCO (17 keypoints) at 256x192, tested on the boxes of a person detector with 56 AP."""

_base_ = ['./loaders.py', './topdown_256x192.py']

data_root = 'data/coco/'
val_file = 'annotations/person_keypoints_val2017.json'
boxes_file = 'person_detection_results/COCO_val2017_detections_AP_H_56_person.json'
dataset_type = 'CocoDataset'
dataset = dict(type='CheckedCocoDataset', data_root=data_root)
train_dataloader = dict(
    dataset=dict(
        ann_file='annotations/person_keypoints_train2017.json',
        data_prefix=dict(img='train2017/'),
        pipeline=_base_.train_pipeline,
        **dataset,
    )
)
val_dataloader = dict(
    dataset=dict(
        ann_file=val_file,
        bbox_file=data_root + boxes_file,
        data_prefix=dict(img='val2017/'),
        test_mode=True,
        pipeline=_base_.val_pipeline,
        **dataset,
    )
)
test_dataloader = val_dataloader
val_evaluator = dict(type='CocoMetric', ann_file=data_root + val_file)
test_evaluator = val_evaluator
