"""AP-10K (animals, 17 keypoints) at 256x192, split 1, tested on annotated boxes."""

_base_ = ['./loaders.py', './topdown_256x192.py']

data_root = 'data/ap10k/'
val_file = 'annotations/ap10k-val-split1.json'
test_file = 'annotations/ap10k-test-split1.json'

dataset_type = 'AP10KDataset'
dataset = dict(type='CheckedAP10KDataset', data_root=data_root, data_prefix=dict(img='data/'))
train_dataloader = dict(
    dataset=dict(ann_file='annotations/ap10k-train-split1.json', pipeline=_base_.train_pipeline, **dataset)
)
val_dataloader = dict(dataset=dict(ann_file=val_file, test_mode=True, pipeline=_base_.val_pipeline, **dataset))
test_dataloader = dict(dataset=dict(ann_file=test_file, test_mode=True, pipeline=_base_.val_pipeline, **dataset))
val_evaluator = dict(type='CocoMetric', ann_file=data_root + val_file)
test_evaluator = dict(type='CocoMetric', ann_file=data_root + test_file)
