"""The steps in docs/new_dataset.md: its config trains and tests a dataset of 21 keypoints with those of 17 and 14."""

import json
import re
import shutil

import pytest
from mmengine.config import Config
from mmpose.apis import inference_topdown, init_model
from mmpose.datasets.datasets.utils import parse_pose_metainfo  # noqa: F401, used by code on the page

from tests.integration.conftest import write_people

NAME = 'configs/multi_dataset/vitpose-base_coco-aic-hand21-256x192.py'


@pytest.fixture
def page(root):
    return (root / 'docs' / 'new_dataset.md').read_text(encoding='utf-8')


@pytest.fixture
def checkout(root, page, tmp_path):
    """A working directory with the configs, the page's config at its path, a shallow copy of it, and tiny data."""
    assert f'`{NAME}`' in page
    shutil.copytree(root / 'configs', tmp_path / 'configs')
    config = tmp_path / NAME
    config.write_text(re.search(r'```python\n(.*?)```', page, re.DOTALL).group(1), encoding='utf-8')
    cfg = Config.fromfile(config)
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        for dataset, keypoints in zip(loader.dataset.datasets, (17, 14, 21), strict=True):
            folder = tmp_path / dataset.data_root
            write_people(folder / dataset.data_prefix.img, folder / dataset.ann_file, keypoints)
    boxes = tmp_path / cfg.val_dataloader.dataset.datasets[0].bbox_file
    boxes.parent.mkdir(parents=True)
    people = [dict(image_id=number, category_id=1, bbox=[10, 10, 60, 70], score=0.9) for number in range(1, 5)]
    boxes.write_text(json.dumps(people))
    (tmp_path / 'shallow.py').write_text(SHALLOW)
    return tmp_path


# the page's config with one narrow block instead of twelve, small decoders, and no weights to download
SHALLOW = f"""
_base_ = './{NAME}'
small = dict(in_channels=96, deconv_channels=16)
model = dict(
    backbone=dict(arch=dict(_delete_=True, depth=1, embed_dim=96, num_heads=3), init_cfg=None),
    head=dict(heads=dict(coco=small, aic=small, hand21=small)))
"""


@pytest.mark.slow
def test_config_trains_and_tests(checkout, page, run):
    assert f'\nmim train mmpose {NAME}\n' in page
    loaders = 'train_dataloader.batch_size=12' + ''.join(
        f' {part}_dataloader.num_workers=0 {part}_dataloader.persistent_workers=False' for part in ('train', 'val')
    )
    checkpoints = 'default_hooks.checkpoint.save_best=None default_hooks.checkpoint.save_last=False'
    options = f'{loaders} train_cfg.max_epochs=1 train_cfg.val_interval=1 default_hooks.logger.interval=1 {checkpoints}'
    output = run('train', 'shallow.py', '--work-dir', 'run', '--cfg-options', *options.split())
    step = re.search(r'Epoch\(train\) +\[1\]\[1/1\].*', output).group()
    for name in ('coco', 'aic', 'hand21'):
        assert float(re.search(rf' {name}/kpt: ([\d.]+)', step).group(1)) > 0
    assert re.search(r'Samples of epoch 1: coco 4, aic 4, hand21 4', output)
    tested = re.findall(r'Epoch\(val\) +\[1\]\[1/1\].*', output)[-1]
    for metric in ('coco/AP', 'aic/AP', 'hand21/PCK'):
        assert f'{metric}: ' in tested


def test_metainfo_of_the_new_dataset_selects_its_head(checkout, page):
    model = init_model(str(checkout / 'shallow.py'), None, device='cpu')
    image = str(checkout / 'data/hand21/val/001.jpg')
    for line, keypoints in (('', 17), ('model.dataset_meta = parse_pose_metainfo(model.cfg.hand21.metainfo)', 21)):
        assert line in page
        exec(line, globals(), dict(model=model))
        (sample,) = inference_topdown(model, image, [[0, 0, 90, 90]])
        assert sample.pred_instances.keypoints.shape == (1, keypoints, 2)
