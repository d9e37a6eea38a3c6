"""The six datasets of `six_sets.py` as rendered data with a few images each; configs/README.md has the commands.

APT-36K uses the AP-10K data, read by APT-36K's class.
"""

_base_ = ['./loaders.py', './two_codecs_128x96.py']

coco = dict(type='CheckedCocoDataset', data_root='data/synthetic_few/')
aic = dict(type='CheckedAicDataset', data_root='data/synthetic_aic/')
mpii = dict(type='CheckedMpiiDataset', data_root='data/synthetic_mpii/')
ap10k = dict(type='CheckedAP10KDataset', data_root='data/synthetic_ap10k/')
apt36k = dict(type='CheckedAPT36KDataset', data_root='data/synthetic_ap10k/')
wholebody = dict(type='CheckedCocoWholeBodyDataset', data_root='data/synthetic_wholebody/')
train = dict(ann_file='annotations/train.json', data_prefix=dict(img='train/'))
val = dict(ann_file='annotations/val.json', data_prefix=dict(img='val/'), test_mode=True)
train_udp = dict(pipeline=_base_.udp_train, **train)
train_classic = dict(pipeline=_base_.classic_train, **train)
val_udp = dict(pipeline=_base_.udp_val, **val)
val_classic = dict(pipeline=_base_.classic_val, **val)
heads_file = 'data/synthetic_mpii/annotations/mpii_gt_val.mat'

train_sets = [
    dict(**train_udp, **coco),
    dict(**train_classic, **aic),
    dict(**train_udp, **mpii),
    dict(**train_classic, **ap10k),
    dict(**train_classic, **apt36k),
    dict(**train_classic, **wholebody),
]
val_sets = [
    dict(**val_udp, **coco),
    dict(**val_classic, **aic),
    dict(headbox_file=heads_file, **val_udp, **mpii),
    dict(**val_classic, **ap10k),
    dict(**val_classic, **apt36k),
    dict(**val_classic, **wholebody),
]
metrics = [
    dict(type='CocoMetric', ann_file='data/synthetic_few/annotations/val.json'),
    dict(type='CocoMetric', ann_file='data/synthetic_aic/annotations/val.json', use_area=False, prefix='aic'),
    dict(type='MpiiPCKAccuracy', prefix='mpii'),
    dict(type='CocoMetric', ann_file='data/synthetic_ap10k/annotations/val.json', prefix='ap10k'),
    dict(type='CocoMetric', ann_file='data/synthetic_ap10k/annotations/val.json', prefix='apt36k'),
    dict(type='CocoWholeBodyMetric', ann_file='data/synthetic_wholebody/annotations/val.json'),
]

combined = dict(type='CombinedPoseDataset', metainfo=dict(from_file='configs/_base_/datasets/coco.py'))
train_dataloader = dict(batch_size=24, num_workers=2, dataset=combined)
val_dataloader = dict(num_workers=2, dataset=dict(pipeline=_base_.udp_val, **combined))
test_dataloader = val_dataloader
val_evaluator = dict(type='PerDatasetEvaluator')
test_evaluator = val_evaluator

decoder = dict(
    type='ClassicHead',
    in_channels=192,
    deconv_channels=64,
    loss=dict(type='KeypointMSELoss', use_target_weight=True, loss_weight=1000.0),
)
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
