"""The six datasets of ViTPose+ in its order: members, metrics and decoders.

A leaf config takes the first two, the first three or all of them. The training batch size is 1024 with 8 GPUs.
"""

_base_ = ['./loaders.py', './two_codecs_256x192.py']

coco = dict(type='CheckedCocoDataset', data_root='data/coco/')
aic = dict(type='CheckedAicDataset', data_root='data/aic/')
mpii = dict(type='CheckedMpiiDataset', data_root='data/mpii/', data_prefix=dict(img='images/'))
ap10k = dict(type='CheckedAP10KDataset', data_root='data/ap10k/', data_prefix=dict(img='data/'))
apt36k = dict(type='CheckedAPT36KDataset', data_root='data/apt36k/')
wholebody = dict(type='CheckedCocoWholeBodyDataset', data_root='data/coco/')
aic_train = 'ai_challenger_keypoint_train_20170902/keypoint_train_images_20170902/'
aic_val = 'ai_challenger_keypoint_validation_20170911/keypoint_validation_images_20170911/'
boxes = 'data/coco/person_detection_results/COCO_val2017_detections_AP_H_56_person.json'

train_sets = [
    dict(
        ann_file='annotations/person_keypoints_train2017.json',
        data_prefix=dict(img='train2017/'),
        pipeline=_base_.udp_train,
        **coco,
    ),
    dict(ann_file='annotations/aic_train.json', data_prefix=dict(img=aic_train), pipeline=_base_.classic_train, **aic),
    dict(ann_file='annotations/mpii_train.json', pipeline=_base_.mpii_train, **mpii),
    dict(ann_file='annotations/ap10k-train-split1.json', pipeline=_base_.classic_train, **ap10k),
    dict(ann_file='annotations/train_annotations_1.json', pipeline=_base_.classic_train, **apt36k),
    dict(
        ann_file='annotations/coco_wholebody_train_v1.0.json',
        data_prefix=dict(img='train2017/'),
        pipeline=_base_.classic_train,
        **wholebody,
    ),
]
udp_test = dict(test_mode=True, pipeline=_base_.udp_val)
classic_test = dict(test_mode=True, pipeline=_base_.classic_val)
val_sets = [
    dict(
        ann_file='annotations/person_keypoints_val2017.json',
        bbox_file=boxes,
        data_prefix=dict(img='val2017/'),
        **udp_test,
        **coco,
    ),
    dict(ann_file='annotations/aic_val.json', data_prefix=dict(img=aic_val), **classic_test, **aic),
    dict(
        ann_file='annotations/mpii_val.json', headbox_file='data/mpii/annotations/mpii_gt_val.mat', **udp_test, **mpii
    ),
    dict(ann_file='annotations/ap10k-val-split1.json', **classic_test, **ap10k),
    dict(ann_file='annotations/val_annotations_1.json', **classic_test, **apt36k),
    dict(
        ann_file='annotations/coco_wholebody_val_v1.0.json',
        bbox_file=boxes,
        data_prefix=dict(img='val2017/'),
        **classic_test,
        **wholebody,
    ),
]
metrics = [  # each with the dataset's name as prefix, so that score names are unique
    dict(type='CocoMetric', ann_file='data/coco/annotations/person_keypoints_val2017.json'),
    dict(type='CocoMetric', ann_file='data/aic/annotations/aic_val.json', use_area=False, prefix='aic'),
    dict(type='MpiiPCKAccuracy', prefix='mpii'),
    dict(type='CocoMetric', ann_file='data/ap10k/annotations/ap10k-val-split1.json', prefix='ap10k'),
    dict(type='CocoMetric', ann_file='data/apt36k/annotations/val_annotations_1.json', prefix='apt36k'),
    dict(type='CocoWholeBodyMetric', ann_file='data/coco/annotations/coco_wholebody_val_v1.0.json'),
]

# AP-10K has different splits for validation and test
test_sets = [*val_sets[:3], dict(val_sets[3], ann_file='annotations/ap10k-test-split1.json'), *val_sets[4:]]
test_metrics = [*metrics[:3], dict(metrics[3], ann_file='data/ap10k/annotations/ap10k-test-split1.json'), *metrics[4:]]

combined = dict(type='CombinedPoseDataset', metainfo=dict(from_file='configs/_base_/datasets/coco.py'))
train_dataloader = dict(batch_size=128, dataset=combined)
val_dataloader = dict(batch_size=64, dataset=dict(pipeline=_base_.udp_val, **combined))
test_dataloader = val_dataloader
val_evaluator = dict(type='PerDatasetEvaluator')
test_evaluator = val_evaluator

decoder = dict(type='ClassicHead', loss=dict(type='KeypointMSELoss', use_target_weight=True))
heads = dict(
    coco=dict(out_channels=17, decoder=_base_.udp, **decoder),
    aic=dict(out_channels=14, decoder=_base_.classic, **decoder),
    mpii=dict(out_channels=16, decoder=_base_.udp, **decoder),
    ap10k=dict(out_channels=17, decoder=_base_.classic, **decoder),
    apt36k=dict(out_channels=17, decoder=_base_.classic, **decoder),
    coco_wholebody=dict(out_channels=133, decoder=_base_.classic, **decoder),
)
test_cfgs = {name: dict(shift_heatmap=True) for name, head in heads.items() if head['decoder'] == _base_.classic}

# MMPose's inferencers read this and the pipeline of the combined test set, both those of COCO
dataset_type = 'CocoDataset'
