"""`vitpose models verify`: the score of a named model on its dataset, as `mim test` measures it."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import pytest
import torch
from mmengine import Config

from tests.coco_files import person, write_coco
from tests.unit.predict.tiny_models import rendered, several, single, write
from vitpose import PosePredictor
from vitpose.bench import published_score
from vitpose.bench.published_score import measure_score
from vitpose.cli.main import main
from vitpose.models import names
from vitpose.models.catalogue import NamedModel, read_catalogue

ROOT = 'data/tiny/'


def with_root(cfg):
    """The config with its dataset below ROOT."""
    loader = cfg.test_dataloader.dataset
    for dataset in [loader, *loader.get('datasets', ())]:
        dataset.update(data_root=ROOT, data_prefix=dict(img='images/'))
    evaluator = cfg.test_evaluator
    for metric in evaluator.get('metrics', [evaluator]):
        metric.ann_file = f'{ROOT}val.json'
    if 'datasets' in evaluator:
        evaluator.datasets = loader.datasets
    cfg.val_dataloader, cfg.val_evaluator, cfg.test_cfg = cfg.test_dataloader, evaluator, dict()
    return cfg


def write_data(folder, files):
    """Rendered people, whose labels are the poses that the model predicts."""
    (folder / 'images').mkdir(parents=True)
    predictor, names, people = PosePredictor.load(*files, flip_test=True, device='cpu'), [], []
    for number in range(3):
        image, boxes = rendered(number)
        boxes = boxes.clip(0, [side - 1 for side in image.shape[1::-1] * 2]).round()  # as MMPose clips them
        names.append(f'{number}.png')
        cv2.imwrite(str(folder / 'images' / names[-1]), image)
        for box, keypoints in zip(boxes.tolist(), predictor(image, boxes).keypoints, strict=True):
            x, y, right, bottom = box
            people.append(person(len(people) + 1, (x, y, right - x, bottom - y), keypoints, len(names)))
    write_coco(folder / 'val.json', names, *image.shape[:2], people)


@pytest.mark.slow
def test_the_score_is_measured_next_to_the_published_one(tmp_path, monkeypatch, capsys, run_forked):
    cfg = with_root(single())
    cfg.model.test_cfg.flip_test = False  # the test has it nevertheless
    files = write(cfg, tmp_path / 'model')
    write_data(tmp_path / 'coco', files)
    published = replace(read_catalogue()[0], name='test/little', short='little', config=files[0], score=0.5, codec='')
    monkeypatch.setattr('vitpose.models.catalogue.read_catalogue', lambda: [published])
    monkeypatch.setattr(names, 'read_catalogue', lambda: [published])
    monkeypatch.setattr('vitpose.models.download.download', lambda model: (Path(files[1]), ''))
    monkeypatch.setattr(published_score, 'run_logged', run_forked)
    code = main(['models', 'verify', 'little', '--data', str(tmp_path / 'coco')])
    out, err = capsys.readouterr()
    assert code == 0, err
    assert out == 'test/little: AP 100.0 measured, 50.0 published: +50.0\n' and 'Epoch(test)' in err


def test_a_decoder_of_several_is_tested_as_a_plain_model(tmp_path, monkeypatch):
    config, checkpoint = write(with_root(several()), tmp_path / 'model')
    (tmp_path / 'val.json').touch()
    tested, logs = [], []

    def run(command, log, on_line):
        tested.append(Config.fromfile(command[5]))
        log.touch()
        logs.append(log)
        weights = torch.load(command[command.index('--checkpoint') + 1], weights_only=True)['state_dict']
        assert not any('experts' in key or 'heads' in key for key in weights)
        Path(command[command.index('--out') + 1]).write_text(json.dumps({'mpii/PCKh': 93.4, 'mpii/PCKh@0.1': 40.0}))

    monkeypatch.setattr(published_score, 'run_logged', run)
    named = NamedModel(Path(checkpoint), Path(config), 'mpii', {'model.test_cfg.output_heatmaps': False})
    assert measure_score(named, tmp_path, 'PCKh', print) == pytest.approx(0.934)
    (cfg,) = tested
    assert not logs[0].exists()
    assert cfg.model.type == 'TopdownPoseEstimator' and cfg.model.head.out_channels == 16
    assert cfg.model.test_cfg.flip_test and cfg.model.test_cfg.output_heatmaps is False
    assert cfg.test_dataloader.dataset.data_root == f'{tmp_path}/'
    assert cfg.test_evaluator.ann_file == f'{tmp_path}/val.json'
    with pytest.raises(ValueError, match='no AP among the metrics of .*: mpii/PCKh'):
        measure_score(named, tmp_path, 'AP', print)


def test_the_log_of_a_failed_test_is_a_new_file(tmp_path, monkeypatch):
    """One name for all would be that of another user's file in the folder for temporary files."""
    config, checkpoint = write(with_root(single()), tmp_path / 'model')
    (tmp_path / 'val.json').touch()
    (tmp_path / 'temporary').mkdir()
    monkeypatch.setattr('tempfile.tempdir', str(tmp_path / 'temporary'))
    monkeypatch.setattr(published_score, 'mim_command', lambda *_: [sys.executable, '-c', '1 / 0'])
    logs = set()
    for count in (1, 2):
        with pytest.raises(RuntimeError, match='ZeroDivisionError') as failed:
            measure_score(NamedModel(Path(checkpoint), Path(config)), tmp_path, 'AP', print)
        logs |= {log for log in (tmp_path / 'temporary').iterdir() if str(log) in str(failed.value)}
        assert len(logs) == count and all('ZeroDivisionError' in log.read_text() for log in logs)


def test_missing_files_are_named_before_the_test(tmp_path):
    config, checkpoint = write(with_root(single()), tmp_path / 'model')
    with pytest.raises(FileNotFoundError, match=rf'--data {tmp_path}: no {tmp_path}/val.json; expected the layout'):
        measure_score(NamedModel(Path(checkpoint), Path(config)), tmp_path, 'AP', print)
    config, checkpoint = write(single(), tmp_path / 'other')
    with pytest.raises(ValueError, match='its test set has no data_root, which --data replaces'):
        measure_score(NamedModel(Path(checkpoint), Path(config)), tmp_path, 'AP', print)
