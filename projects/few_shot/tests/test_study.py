"""The study of few labels: its settings, and its report; `run_config` is tested with the study of pre-training."""

import argparse
import json

import cv2
import pytest

from projects.few_shot import study


@pytest.fixture
def config(tmp_path):
    paths = dict(data=tmp_path, demo=tmp_path / 'model.pth', pretrained=tmp_path / 'mae.pth')
    args = argparse.Namespace(labels=8000, epochs=None, **paths)
    return lambda start='demo', change='as it is', count=300, seed=0: study.training(start, change, count, seed, args)


def test_starts(config, tmp_path):
    scratch, demo, pretrained = (config(start) for start in ('scratch', 'demo', 'pretrained'))
    assert demo.load_from == str(tmp_path / 'model.pth') and demo.model.head.allow_new_final_layer
    assert scratch.load_from is None and pretrained.load_from is None
    assert pretrained.model.backbone.init_cfg.checkpoint == str(tmp_path / 'mae.pth')
    assert 'init_cfg' not in scratch.model.backbone and 'init_cfg' not in demo.model.backbone


def test_the_seed_chooses_the_people_and_more_people_contain_fewer(config):
    counts_and_seeds = (50, 0), (50, 1), (3000, 0)
    few, other, more = (
        set(config(count=count, seed=seed).train_dataloader.dataset.indices) for count, seed in counts_and_seeds
    )
    assert len(few) == 50 and len(more) == 3000 and few < more and few != other


def test_each_change_changes_one_thing(config):
    before = config()
    configs = {change: config(change=change) for change in study.CHANGES}
    assert configs['layer-wise decay 0.75'].optim_wrapper.paramwise_cfg.layer_decay_rate == 0.75
    assert configs['half of the blocks frozen'].model.backbone['freeze'] == 3
    assert configs['all blocks frozen'].model.backbone['freeze'] == before.model.backbone.arch.depth
    turn = configs['less augmentation'].train_dataloader.dataset.pipeline[3]
    assert turn.rotate_factor == before.train_dataloader.dataset.pipeline[3].rotate_factor / 2
    last = configs['half the epochs'].param_scheduler[-1]
    assert configs['half the epochs'].train_cfg.max_epochs == last.end == last.T_max == before.train_cfg.max_epochs // 2
    texts = [after.pretty_text for after in configs.values()]
    assert len(set(texts)) == len(texts) and before.pretty_text == texts[0]


def test_report(tmp_path):
    rows = ('scratch', 'as it is', 0.2), ('demo', 'as it is', 0.3), ('demo', 'half the epochs', 0.5)
    for start, change, pck in rows:
        for seed in (0, 1):
            scores = [{'epoch': epoch, 'AP': 0.1, 'AP50': 0.2, 'PCK@0.1': pck + 0.1 * seed} for epoch in (1, 2)]
            run = dict(start=start, change=change, labels=50, seed=seed, iterations=4, scores=scores, machine='one')
            (tmp_path / f'{start} {change}_50_seed{seed}.json').write_text(json.dumps(run))
    study.write_report(tmp_path, tmp_path)
    lines = (tmp_path / 'README.md').read_text().splitlines()
    start = "from `make demo`'s model"
    assert f'| {start} | 2 | 0.350 ± 0.071 | 0.100 ± 0.000 | 0.200 ± 0.000 | +0.100 ± 0.000 |' in lines
    assert '| half the epochs | 2 | 0.550 ± 0.071 | 0.100 ± 0.000 | 0.200 ± 0.000 | +0.200 ± 0.000 |' in lines
    assert cv2.imread(str(tmp_path / 'curves.png')).std() > 10
