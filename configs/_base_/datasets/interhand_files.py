"""InterHand2.6M (both hands of a box, 42 keypoints) at 256x256, tested on annotated boxes, which are square."""

_base_ = ['./loaders.py', './topdown_256x192.py']

from vitpose_mm.input_size import set_input_size

set_input_size(_base_, height=256, width=256)

dataset_type = 'InterHand2DDoubleDataset'
# as in MMPose's config for 3D poses of this dataset: hands can point in any direction, no half bodies
turn = dict(_base_.turn, rotate_factor=90.0)
train_pipeline = [*_base_.opening, _base_.flip, turn, _base_.train_crop, _base_.target, *_base_.train_packing]
files = {
    part: dict(
        type=dataset_type,
        data_root='data/interhand2.6m/',
        ann_file=f'annotations/{folder}/InterHand2.6M_{part}_data.json',
        camera_param_file=f'annotations/{folder}/InterHand2.6M_{part}_camera.json',
        joint_file=f'annotations/{folder}/InterHand2.6M_{part}_joint_3d.json',
        data_prefix=dict(img=f'images/{part}/'),
    )
    for part, folder in (('train', 'all'), ('val', 'machine_annot'), ('test', 'all'))
}
train_dataloader = dict(dataset=dict(pipeline=train_pipeline, **files['train']))
val_dataloader = dict(dataset=dict(test_mode=True, pipeline=_base_.val_pipeline, **files['val']))
test_dataloader = dict(dataset=dict(test_mode=True, pipeline=_base_.val_pipeline, **files['test']))
val_evaluator = [dict(type='PCKAccuracy', thr=0.2), dict(type='AUC'), dict(type='EPE')]
test_evaluator = val_evaluator
