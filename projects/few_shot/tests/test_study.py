"""The study of few labels: its settings, and its report; `run_config` is tested with the study of pre-training."""

import argparse
import json
from pathlib import Path

import cv2
import pytest
from mmengine import Config
from safetensors.torch import load_file

from projects.few_shot import study

ROOT = Path(study.__file__).parents[2]


@pytest.fixture
def config(tmp_path):
    paths = dict(photographs=tmp_path, demo=tmp_path / 'model.pth', weights=tmp_path / 'weights')
    args = argparse.Namespace(epochs=None, dtype='float32', **paths)
    return lambda start='tiny', change='as it is', count=300, seed=0: study.training(start, change, count, seed, args)


def test_starts(config, tmp_path):
    configs = {start: config(start) for start in study.STARTS}
    loaded = {start: each.load_from and each.load_from.split('/')[-1] for start, each in configs.items()}
    assert loaded == dict(scratch=None, dinov2=None, demo='model.pth', tiny='tiny.safetensors')
    for start, each in configs.items():
        backbone, head = each.model.backbone, each.model.head
        assert ('init_cfg' in backbone) == (start == 'dinov2')
        assert ('allow_new_final_layer' in head) == bool(loaded[start])
        size = (6, 192, (96, 128)) if start == 'demo' else (6, 384, (144, 192))
        assert (backbone.arch.depth, backbone.arch.embed_dim, head.decoder.input_size) == size
    assert configs['dinov2'].model.backbone.init_cfg.checkpoint == f'{tmp_path}/weights/{study.changes.DINOV2}'
    assert configs['scratch'].optim_wrapper.optimizer.lr == 3 * configs['tiny'].optim_wrapper.optimizer.lr


def test_the_shipped_model_fits():
    config = Config.fromfile(ROOT / study.changes.NETWORK)
    weights = load_file(study.model_file('tiny').with_suffix('.safetensors'))
    assert weights['head.final_layer.weight'].shape[1] == config.model.head.deconv_channels
    assert len({key.split('.')[2] for key in weights if key.startswith('backbone.layers.')}) == 6


def test_the_seed_chooses_the_people_and_more_people_contain_fewer(config):
    counts_and_seeds = (50, 0), (50, 1), (study.PEOPLE, 0)
    few, other, more = (
        set(config(count=count, seed=seed).train_dataloader.dataset.indices) for count, seed in counts_and_seeds
    )
    assert len(few) == 50 and more == set(range(study.PEOPLE)) and few < more and few != other


def test_each_change_changes_one_thing(config):
    before = config()
    configs = {change: config(change=change) for change in study.CHANGES}
    assert configs['half of the blocks frozen'].model.backbone['freeze'] == before.model.backbone.arch.depth / 2
    turn = configs['more augmentation'].train_dataloader.dataset.pipeline[3]
    assert turn.rotate_factor == before.train_dataloader.dataset.pipeline[3].rotate_factor * 2
    last = configs['half the epochs'].param_scheduler[-1]
    assert configs['half the epochs'].train_cfg.max_epochs == last.end == last.T_max == before.train_cfg.max_epochs // 2
    texts = [after.pretty_text for after in configs.values()]
    assert len(set(texts)) == len(texts) and before.pretty_text == texts[0]


def test_report(tmp_path):
    rows = ('scratch', 'as it is', 0.2), ('tiny', 'as it is', 0.3), ('tiny', 'half the epochs', 0.5)
    for start, change, pck in rows:
        for seed in (0, 1):
            test = {'AP': 0.1, 'AP50': 0.2, 'PCK@0.1': pck + 0.1 * seed}
            run = dict(start=start, change=change, labels=50, seed=seed, iterations=4, test=test, machine='one')
            (tmp_path / f'{start} {change}_50_seed{seed}.json').write_text(json.dumps(run))
    study.write_report(tmp_path, tmp_path)
    lines = (tmp_path / 'README.md').read_text().splitlines()
    start = 'from `tiny`'
    assert f'| {start} | 2 | 0.350 ± 0.071 | 0.100 ± 0.000 | 0.200 ± 0.000 | +0.100 ± 0.000 |' in lines
    assert '| half the epochs | 2 | 0.550 ± 0.071 | 0.100 ± 0.000 | 0.200 ± 0.000 | +0.200 ± 0.000 |' in lines
    assert cv2.imread(str(tmp_path / 'people.png')).std() > 10
