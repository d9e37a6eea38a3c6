"""Write the config of one network with a decoder for each of several datasets."""

from collections.abc import Sequence
from pathlib import Path

from vitpose_base.files import write_text

from ..deriving.network import choose_recipe
from .config_writer import BASES, RUNTIME, DatasetPlan, first_steps, schedule_text, write_bases

JOINT_RUNTIME = 'runtime/multi_dataset.py'


def write_joint_config(out: Path, plans: Sequence[DatasetPlan], input_size: tuple[int, int]) -> str:
    """Write config.py beside the folders of its datasets, with copies of the shipped base configs.

    The plans have the same network; `input_size` is (w, h) in pixels. Returns what was derived, in one line.
    """
    first = next((plan for plan in plans if plan.known), plans[0])  # a checkpoint's decoder is this one's
    network, train = plans[0].network, sum(plan.counts['train'] for plan in plans)
    recipe = choose_recipe(train, network)
    bases = [f'./_base_/{base}' for base in (f'models/{network.base}', *BASES, JOINT_RUNTIME) if base != RUNTIME]
    shares = [share for plan in plans for share in plan.box_share or (0.0, 1.0)]
    has_flip, frozen = all(plan.sides.flip for plan in plans), f', freeze={recipe.frozen}' if recipe.frozen else ''
    start = f'load_from = {str(network.load_from)!r}\n' if network.load_from else ''
    objects = 'two_pass' if all(plan.alone for plan in plans) else None
    heads, training, testing, metrics = '', '', '', ''
    for plan in plans:
        name, (opening, loading, augmentation) = plan.name, first_steps(plan)
        heads += f'    {name!r}: dict(head, out_channels={len(plan.annotations.labels.names)}),\n'
        training += f'    {name!r}: [{opening}, {augmentation}],\n'
        testing += f'    {name!r}: [{loading}, crop],\n'
        coco = f"type='CocoMetric', ann_file=data_root + '{name}/val.json'"
        metric = coco if plan.known else "type='PCKAccuracy', thr=0.05"
        metrics += f'        dict({metric}, prefix={name!r}),\n'
    best = f'{first.name}/{"AP" if first.known else "PCK"}'
    names = ', '.join(plan.name for plan in plans)
    text = f'''"""{names}: a decoder for each, {train:,} instances for training. Written by `vitpose dataset`."""

_base_ = {bases}
data_root = """{{{{ fileDirname }}}}/"""
work_dir = data_root + 'run'
objects = {objects!r}  # how prediction finds them
box_share = {min(shares), max(shares)}  # what part of an image the boxes take
input_size, heatmap_size = {input_size}, {tuple(side // 4 for side in input_size)}  # w, h
codec = dict(type='BatchUDPHeatmap', input_size=input_size, heatmap_size=heatmap_size, sigma=2)
loss = dict(type='KeypointMSELoss', use_target_weight=True, loss_weight=1000.0)
head = dict(_base_.model.head, decoder=codec, loss=loss)
head.update(dict({network.head.removeprefix(', ')}))
heads = {{
{heads}}}
model = dict(
    backbone=dict(img_size=input_size[::-1]{network.backbone}{frozen}),
    head=dict(_delete_=True, type='MultiDatasetHead', default_dataset={first.name!r}, heads=heads),
    test_cfg=dict(flip_test={has_flip}),
)
{start}crop = dict(type='TopdownAffine', input_size=input_size, use_udp=True)
training = {{
{training}}}
testing = {{
{testing}}}
ending = [dict(crop, type='DecodeAndCrop'), dict(type='KeypointTarget', encoder=codec), *_base_.train_packing]
dataset_type = 'CheckedCocoDataset'  # MMPose's inferencers read this
shared = dict(type=dataset_type, data_prefix=dict(img='images/'))
roots = {{name: data_root + name + '/' for name in heads}}
members = {{
    name: dict(shared, data_root=root, metainfo=dict(from_file=root + 'metainfo.py')) for name, root in roots.items()
}}
train_sets = [
    dict(member, ann_file='train.json', pipeline=training[name] + ending) for name, member in members.items()
]
val_sets = [
    dict(member, ann_file='val.json', pipeline=testing[name] + _base_.packing, test_mode=True)
    for name, member in members.items()
]
combined = dict(type='CombinedPoseDataset', pipeline=testing[{first.name!r}] + _base_.packing)
train_dataloader = dict(batch_size={recipe.batch}, num_workers=2, dataset=dict(combined, datasets=train_sets))
val_dataloader = dict(num_workers=2, dataset=dict(combined, datasets=val_sets))
val_evaluator = dict(
    type='PerDatasetEvaluator',
    datasets=val_sets,
    metrics=[
{metrics}    ],
)
test_dataloader, test_evaluator = val_dataloader, val_evaluator
{schedule_text(recipe, network, train, best)}'''
    write_text(out / 'config.py', text)
    write_bases(out, network, JOINT_RUNTIME)
    return f'one network for {names}: {recipe.epochs} epochs with batch size {recipe.batch}, best checkpoint by {best}'
