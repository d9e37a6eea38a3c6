"""The study at toy size on real photographs: rows run with real weights, and the page has what the runs gave."""

import itertools
import json
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope

from projects.paper import study
from projects.studies import forked_training
from tests.coco_files import noise_image

PEOPLE, DEPTH = 2, 4
LABELS = 3 * PEOPLE  # of lsp, lspet and parse
FIRST = {table: next(iter(study.TABLES[table].rows)) for table in (2, 3, 4, 6, 7)}
numbers = itertools.count()


def train_here(file: Path, folder: Path) -> None:
    """Train as the study does, but in this process: most of a training of one step is the start of its process."""
    config = forked_training.continued(file, folder)
    config.experiment_name = config.visualizer.name = f'{folder.name} {next(numbers)}'
    forked_training.run(config)
    (folder / 'train.log').write_text(max(folder.glob('*/*.log')).read_text())


@pytest.fixture
def command(photographs, tmp_path, monkeypatch):
    """A function that runs the command with a toy's options, and others; ViTs have four of DINOv2's blocks at most."""
    weights = photographs.parent / 'weights'
    if not (weights / study.DINOV2).is_file():
        pytest.skip(f'this test needs {study.DINOV2} in {weights}')
    init_default_scope('mmpose')
    everyday = json.loads((photographs / 'everyday/train.json').read_text())
    ids = {person['image_id'] for person in everyday['annotations'][:PEOPLE]}
    for image in everyday['images']:
        if image['id'] in ids:  # the photographs themselves are not there
            (tmp_path / 'everyday').mkdir(exist_ok=True)
            size = image['height'], image['width']
            noise_image(tmp_path / 'everyday' / image['file_name'], np.random.default_rng(0), *size)

    def shallow(table, name, seed, args, config_of=study.config_of):
        config = config_of(table, name, seed, args)
        backbone = config.model.backbone
        if backbone.type == 'ViT':
            backbone.update(init_blocks='first', arch=dict(backbone.arch, depth=min(DEPTH, backbone.arch.depth)))
            if isinstance(backbone.get('freeze'), int):
                backbone.update(freeze=DEPTH // 2)
        return config

    monkeypatch.setattr(study, 'config_of', shallow)
    monkeypatch.setattr(study.costs, 'measured_speed', lambda config, dtype: 1.0)
    monkeypatch.setattr('projects.studies.study.train', train_here)

    def run(**changes) -> Path:
        paths = dict(data=photographs, everyday=tmp_path / 'everyday', weights=weights)
        paths |= dict(out=tmp_path / 'out', results=tmp_path / 'results')
        options = dict(dtype='float32', people=PEOPLE, steps=1, seeds=1, jobs=1)
        words = [f'--{name}={value}' for name, value in (paths | options | changes).items() if value]
        monkeypatch.setattr(sys, 'argv', ['study.py', *words])
        study.main()
        return tmp_path

    return run


def check_results(toy: Path, rows: dict[int, list[str]]) -> None:
    """Each row has a file with the steps, scores of the held-out and of the test people, and no path."""
    records = [json.loads(path.read_text()) for path in sorted((toy / 'results').glob('table*_seed*.json'))]
    found = {table: [each for each in records if each['table'] == table] for table in rows}
    for table, names in rows.items():
        assert {each['row'] for each in found[table]} >= set(names)
    for record in records:
        assert record['iterations'] in (1, 4) and np.isfinite(record['loss']).all()
        assert str(toy) not in json.dumps(record) and len(record['commit']) == 40
        if record['config']['model']['type'] != 'MaskedAutoencoder':
            assert record['test'].keys() == {'AP', 'AP50', 'PCK@0.1'} == record['scores'][-1].keys() - {'epoch'}
    page = (toy / 'results/README.md').read_text()
    for table, names in rows.items():
        assert all(f'| {name} | {study.TABLES[table].rows[name].paper or ""}' in page for name in names)
        assert cv2.imread(str(toy / f'results/table{table}.png')).std() > 10
    assert not list(toy.glob('out/*alone*/*.pth'))


@pytest.mark.slow
def test_first_rows_and_a_sitting_that_is_too_short(command, monkeypatch, capsys):
    for number, table in study.TABLES.items():
        rows = {FIRST[number]: table.rows[FIRST[number]]} if number in FIRST else {}
        monkeypatch.setitem(study.TABLES, number, replace(table, rows=rows, claims=(), prerequisites={}, parts={}))
    monkeypatch.setattr(study.costs, 'MEASURED', {})
    toy = command(minutes=0.001)
    assert '5 runs are left' in capsys.readouterr().out and not list(toy.glob('results/*.json'))
    command()
    check_results(toy, {number: [name] for number, name in FIRST.items()})
    log = (toy / 'out/table4_128x96_seed0/train.log').read_text()
    assert 'using the first 4 of the checkpoint' in log and 'Epoch(test)' in log
    before = {path.name: path.read_bytes() for path in (toy / 'results').glob('*.json')}
    monkeypatch.setattr(study, 'run_all', None)  # finished runs are not repeated
    command()
    assert {path.name: path.read_bytes() for path in (toy / 'results').glob('*.json')} == before
    with pytest.raises(SystemExit, match='is of a run with train_cfg.max_epochs = 1, now it is'):
        command(steps=5)


@pytest.mark.long
def test_the_whole_study(command, monkeypatch):
    monkeypatch.setattr(study.costs, 'MEASURED', {})
    toy = command()
    check_results(toy, {number: list(table.rows) for number, table in study.TABLES.items()})
    assert '26 undecided' in (toy / 'results/README.md').read_text()  # one seed decides nothing
    log = (toy / 'out/table7_with-mocap-rendered_seed0/train.log').read_text()
    assert 'Samples of epoch 1: lsp 16, lspet 16, coco 16, everyday 16, mocap 16, rendered 16' in log
    few = json.loads((toy / f'out/photographs_{PEOPLE}/few_0.json').read_text())
    assert len(few['annotations']) == LABELS
    names = ('table8_teacher_seed0', 'table8_teacher-with-token_seed0')
    teacher, token = (torch.load(toy / f'out/{name}/epoch_1.pth', weights_only=False)['state_dict'] for name in names)
    assert token.keys() - teacher.keys() == {'backbone.knowledge_token.tokens'}
    assert all(torch.equal(token[key], value) for key, value in teacher.items())  # it was loaded, and is frozen


def test_bad_options(command, capsys, monkeypatch, tmp_path):
    for name in ('lsp', 'lspet', 'parse'):
        (tmp_path / f'bad/{name}').mkdir(parents=True)
    (tmp_path / 'bad/lsp/train.json').write_text('[]')
    monkeypatch.setattr(study, 'has_bfloat16', lambda device: False)  # it is only emulated
    for message, changes in {
        'no such file; projects/paper/README.md says which data are needed': dict(data='/missing'),
        "train.json is not in COCO's form": dict(data=tmp_path / 'bad'),
        f'no {study.DINOV2} there': dict(weights='/missing'),
        "table 7 needs everyday's photographs": dict(everyday=None),
        '--table: invalid choice: 9': dict(table=9),
        '--jobs 0: expected at least 1': dict(jobs='0'),
        '--dtype float32 trains in float32': dict(dtype=None),
    }.items():
        with pytest.raises(SystemExit):
            command(**changes)
        assert message in ' '.join(capsys.readouterr().err.split())
