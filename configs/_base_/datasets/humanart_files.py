"""Human-Art with COCO's training images (17 keypoints) at 256x192, tested on detected boxes."""

_base_ = ['./loaders.py', './topdown_256x192.py']

data_root = 'data/'  # image names in the annotations are relative to it
val_file = 'HumanArt/annotations/validation_humanart.json'
boxes_file = 'HumanArt/person_detection_results/HumanArt_validation_detections_AP_H_56_person.json'
dataset_type = 'HumanArtDataset'
dataset = dict(type='CheckedHumanArtDataset', data_root=data_root, data_prefix=dict(img=''))
train_dataloader = dict(
    dataset=dict(ann_file='HumanArt/annotations/training_humanart_coco.json', pipeline=_base_.train_pipeline, **dataset)
)
val_dataloader = dict(
    dataset=dict(
        ann_file=val_file, bbox_file=data_root + boxes_file, test_mode=True, pipeline=_base_.val_pipeline, **dataset
    )
)
test_dataloader = val_dataloader
val_evaluator = dict(type='CocoMetric', ann_file=data_root + val_file)
test_evaluator = val_evaluator
