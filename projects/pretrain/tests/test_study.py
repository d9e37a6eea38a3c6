"""The study of pre-training on photographs, shortened: it runs, continues, and its report has what the runs gave."""

import json
import re
import sys

import cv2
import pytest

from projects.pretrain import study
from projects.pretrain.report import BEGIN

PEOPLE = 70  # more than a batch of pre-training


@pytest.fixture
def photographs(write_noise, tmp_path):
    return write_noise(tmp_path / 'data', PEOPLE)


@pytest.mark.slow
def test_it_pretrains_finetunes_and_continues(photographs, tmp_path, monkeypatch):
    for name, value in dict(SOURCES=('crops',), STARTS=('scratch', 'crops'), FEW=PEOPLE).items():
        monkeypatch.setattr(study, name, value)
    options = dict(data=photographs, out=tmp_path / 'out', results=tmp_path / 'results', seeds=1)
    options |= {'pretrain-epochs': 2, 'iterations': 1}
    (tmp_path / 'results').mkdir()
    (tmp_path / 'results/README.md').write_text(f'before\n{BEGIN}\nold\n<!-- end -->\nafter\n')
    monkeypatch.setattr(sys, 'argv', ['study.py', *(f'--{name}={value}' for name, value in options.items())])
    study.main()
    files = {path.name: path.read_text() for path in (tmp_path / 'results').glob('*.json')}
    assert set(files) == {'pretrain_crops.json', f'scratch_{PEOPLE}_seed0.json', f'crops_{PEOPLE}_seed0.json'}
    scratch, crops = (json.loads(files[f'{start}_{PEOPLE}_seed0.json']) for start in ('scratch', 'crops'))
    assert scratch['iterations'] == crops['iterations'] == 3 and scratch['loss'] != crops['loss']
    assert 'Load checkpoint from' not in (tmp_path / f'out/scratch_{PEOPLE}_seed0/train.log').read_text()
    assert 'pretrain_crops/epoch_2.pth' in (tmp_path / f'out/crops_{PEOPLE}_seed0/train.log').read_text()
    page = (tmp_path / 'results/README.md').read_text()
    assert page.startswith('before\n') and page.endswith('\nafter\n') and 'old' not in page
    ap, gained = (run['scores'][-1]['AP'] for run in (scratch, crops))
    assert f'| from scratch | 1 | {ap:.3f} | ' in page
    assert re.search(rf'pre-trained on crops of the photographs \| 1 \| {gained:.3f} \|.* {gained - ap:+.3f} \|', page)
    assert cv2.imread(str(tmp_path / 'results/curves.png')).std() > 10

    monkeypatch.setattr('projects.studies.study.train', None)  # what is finished is not run again
    study.main()
    assert {path.name: path.read_text() for path in (tmp_path / 'results').glob('*.json')} == files


def test_the_seed_chooses_the_few_labels(photographs, tmp_path):
    args = study.argparse.Namespace(data=photographs, out=tmp_path, labels=PEOPLE, iterations=8, pretrain_epochs=5)
    few = [study.finetuning('scratch', 24, seed, args).train_dataloader.dataset.indices for seed in (0, 0, 1)]
    assert few[0] == few[1] != few[2] and len(set(few[0])) == 24 and max(few[0]) < PEOPLE
    config = study.finetuning('images', PEOPLE, 0, args)
    assert 'indices' not in config.train_dataloader.dataset
    assert config.model.backbone.init_cfg.checkpoint == str(tmp_path / 'pretrain_images/epoch_5.pth')
    # the same number of iterations: 8 epochs of one batch, or 3 of three
    assert study.finetuning('scratch', 24, 0, args).train_cfg.max_epochs == 8 and config.train_cfg.max_epochs == 3
