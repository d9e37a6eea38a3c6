"""Configs and Python code of the repository and its pages, run as documented, and trainings on real photographs."""

import json
import math
import re
import shutil
import sys

import cv2
import pytest
import torch
from mmengine.config import Config
from mmpose.apis import inference_topdown, init_model
from mmpose.datasets.datasets.utils import parse_pose_metainfo  # noqa: F401, used by code on a page

from projects.multi_dataset import memorize
from tests.integration.conftest import write_people
from vitpose.cli.main import main

DATASETS = ('coco', 'aic', 'mpii', 'ap10k', 'apt36k', 'coco_wholebody')
SCORES = {'coco/AP', 'aic/AP', 'mpii/PCK', 'ap10k/AP', 'apt36k/AP', 'coco-wholebody/AP'}
NAME = 'configs/multi_dataset/vitpose-base_coco-aic-hand21-256x192.py'
# the page's config with one narrow block instead of twelve, small decoders, and no weights to download
SHALLOW = f"""
_base_ = './{NAME}'
small = dict(in_channels=96, deconv_channels=16)
model = dict(
    backbone=dict(arch=dict(_delete_=True, depth=1, embed_dim=96, num_heads=3), init_cfg=None),
    head=dict(heads=dict(coco=small, aic=small, hand21=small)))
"""


@pytest.mark.slow
def test_six_datasets(root, run, tmp_path, monkeypatch):
    page = (root / 'configs/README.md').read_text(encoding='utf-8')
    pattern = r'^vitpose (synth --out data/synthetic_few .*?) +#.*\nfor kind in (.*); do vitpose (synth .*); done'
    one, kinds, rest = re.search(pattern, page, re.MULTILINE).groups()
    monkeypatch.chdir(tmp_path)
    for line in (one, *(rest.replace('$kind', kind) for kind in kinds.split())):
        assert '--train 400 --val 50' in line
        assert main(line.replace('--train 400 --val 50', '--train 8 --val 4 --workers 0').split()) == 0
    config = root / 'configs/multi_dataset/vitpose-plus-mini_six-sets_synthetic-128x96.py'
    (counts,) = re.findall(r'Samples of epoch 1: (.*)', run('train', config, '--work-dir', tmp_path / 'run'))
    assert re.fullmatch(', '.join(f'{name} [1-9]\\d*' for name in DATASETS), counts)
    tested = run('test', config, '--checkpoint', tmp_path / 'run/epoch_1.pth', '--work-dir', tmp_path / 'test')
    assert SCORES <= set(re.findall(r'(?<!\S)([\w-]+/(?:AP|PCK)): ', tested))


@pytest.mark.long
@pytest.mark.slow
def test_memorizes_twelve_people(write_config, photographs, run, tmp_path):
    config = write_config(photographs / 'coco', 'test_coco.json', name='overfitting.py')
    output = run('train', config, '--work-dir', tmp_path / 'run', timeout=1800)  # allows for a busy machine
    (score,) = re.findall(r'coco/AP: ([\d.]+)', output)
    print(f'COCO AP {score}')
    assert float(score) >= 0.95


@pytest.mark.slow
def test_one_epoch_on_five_datasets(photographs, run, tmp_path, monkeypatch, capsys):
    """All five datasets are trained and tested; one epoch is too few to reach the bounds, and the script says so."""
    outputs = []
    datasets = ('coco', 'aic', 'mpii', 'ap10k', 'coco_wholebody')
    small = ('model.backbone.arch.depth=1', *(f'model.head.heads.{name}.deconv_channels=16' for name in datasets))

    def fork(action, config, work_dir, *options):
        outputs.append(run(action, config, '--work-dir', work_dir, *options, '--cfg-options', *small))
        return outputs[-1]

    monkeypatch.setattr(memorize, 'mim', fork)
    arguments = ['--data', str(photographs), '--out', str(tmp_path / 'run'), '--epochs', '1']
    monkeypatch.setattr(sys, 'argv', ['memorize.py', *arguments])
    with pytest.raises(SystemExit, match='a score is below its bound'):
        memorize.main()
    assert 'Samples of epoch 1: coco 96, aic 72, mpii 50, ap10k 24, coco_wholebody 192' in outputs[0]
    losses = [float(loss) for loss in re.findall(r' loss: ([\d.]+)', outputs[0])]
    assert losses[-1] < losses[0]
    table = capsys.readouterr().out
    scores = dict(re.findall(r'(\S+/\w+) +\S (-?[\d.]+)', table[table.index('five datasets') :]))
    assert set(scores) == set(memorize.BOUNDS)


@pytest.mark.slow
def test_pasted_config_trains(root, tmp_path, tiny_coco, run):
    page = (root / 'docs/training.md').read_text('utf-8')
    (text,) = re.findall(r"```python\n(_base_ = 'mmpose::.*?)```", page, re.DOTALL)
    (tmp_path / 'pasted.py').write_text(text)
    options = ['model.backbone.init_cfg=None', 'val_dataloader.dataset.bbox_file=None']  # no weights to download
    options += ['model.backbone.arch=deit-tiny', 'model.head.in_channels=192', 'model.head.deconv_out_channels=(16,16)']
    options += ['train_dataloader.batch_size=12', 'train_cfg.max_epochs=1', 'default_hooks.logger.interval=1']
    options += [f'{part}_dataloader.dataset.data_prefix.img={tiny_coco}' for part in ('train', 'val')]
    places = ('train_dataloader.dataset', 'val_dataloader.dataset', 'val_evaluator')
    options += [f'{place}.ann_file={tiny_coco}/people.json' for place in places]
    output = run('train', 'pasted.py', '--work-dir', 'run', '--cfg-options', *options)
    losses = [float(value) for value in re.findall(r' loss: ([\d.]+|nan|inf)', output)]
    assert len(losses) == 2 and all(math.isfinite(loss) for loss in losses)
    assert 'coco/AP: ' in output


def test_pasted_prediction_code_runs(root, tmp_path, monkeypatch, capsys):
    (text,) = re.findall(r'```python\n(from vitpose import .*?)```', (root / 'README.md').read_text('utf-8'), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    cv2.imwrite('photo.jpg', torch.randint(0, 255, (240, 320, 3)).numpy())
    exec(text, {})
    assert len(re.findall(r'-?\d+\.\d*', capsys.readouterr().out.partition('[[[')[2])) == 17 * 2


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
