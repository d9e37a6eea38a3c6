"""CrowdPose (14 keypoints) at 256x192, trained on train and val, tested on test with detected boxes."""

_base_ = ['./loaders.py', './topdown_256x192.py']

data_root = 'data/crowdpose/'
test_file = 'annotations/mmpose_crowdpose_test.json'
dataset_type = 'CrowdPoseDataset'
dataset = dict(type='CheckedCrowdPoseDataset', data_root=data_root, data_prefix=dict(img='images/'))
train_dataloader = dict(
    dataset=dict(ann_file='annotations/mmpose_crowdpose_trainval.json', pipeline=_base_.train_pipeline, **dataset)
)
val_dataloader = dict(
    dataset=dict(
        ann_file=test_file,
        bbox_file=data_root + 'annotations/det_for_crowd_test_0.1_0.5.json',
        test_mode=True,
        pipeline=_base_.val_pipeline,
        **dataset,
    )
)
test_dataloader = val_dataloader
val_evaluator = dict(
    type='CocoMetric', ann_file=data_root + test_file, use_area=False, iou_type='keypoints_crowd', prefix='crowdpose'
)
test_evaluator = val_evaluator
