"""`vitpose demo` from rendering to report, at the smallest size."""

import json
import sys
from pathlib import Path

import cv2
import pytest
from mmengine.config import Config

from tests.integration.commands import mmpose_script
from vitpose import PosePredictor
from vitpose.cli.demo import CONFIG
from vitpose.cli.main import main
from vitpose.demo.crossing_video import DURATION_S, FRAMES_PER_S
from vitpose.predict.inputs.video import read_video
from vitpose.runs.command import mim_command
from vitpose.runs.training_log import best_checkpoint, read_curve
from vitpose.shipped import shipped


@pytest.mark.slow
def test_demo_writes_all_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def command(action: str, *words: object) -> list[str]:  # without mim, which starts Python three times
        program = mim_command(action, *words)
        assert program[:5] == [sys.executable, '-m', 'mim', action, 'mmpose']
        return [sys.executable, *map(str, mmpose_script(action, *program[5:]))]

    monkeypatch.setattr('vitpose.demo.train_and_test.mim_command', command)
    demo = tmp_path / 'out'
    assert main(['demo', '--out', str(demo), '--train', '40', '--val', '8', '--epochs', '1']) == 0
    names = {path.name for path in demo.iterdir()}
    assert names == {
        'report.md',
        'demo.json',
        'learning_curve.png',
        'gallery.png',
        'metrics.json',
        'data',
        'run',
        'train.log',
        'test.log',
        'predict.log',
        'model.pth',
        'clip.mp4',
        'clip.jsonl',
        'video',
    }
    report = (demo / 'report.md').read_text()
    metrics = json.loads((demo / 'metrics.json').read_text())
    assert f'| {metrics["coco/AP"]:.3f} |' in report
    assert 'ground-truth boxes (no detector), flip test' in report
    assert all(f']({name})' in report for name in ('learning_curve.png', 'gallery.png'))

    curve = read_curve(demo / 'run')
    people = json.loads((demo / 'data/annotations/train.json').read_text())['annotations']
    labelled = sum(person['num_keypoints'] > 0 for person in people)
    assert curve.iterations == -(-labelled // Config.fromfile(shipped(CONFIG)).train_dataloader.batch_size)
    assert len(curve.score) == 1 and curve.loss[-1][1] > 0
    assert best_checkpoint(demo / 'run').name == 'best_coco_AP_epoch_1.pth'

    lines = [json.loads(line) for line in (demo / 'video/predictions.jsonl').read_text().splitlines()]
    drawn = list(read_video(str(demo / 'video/drawn/clip.mp4')))
    assert len(lines) == len(drawn) == FRAMES_PER_S * DURATION_S and not any(frame.error for frame in drawn)
    assert all(len(line['keypoints']) == len(line['boxes']) > 0 for line in lines)
    PosePredictor.load(shipped(CONFIG), demo / 'model.pth')

    for name in ('learning_curve.png', 'gallery.png'):
        picture = cv2.imread(str(demo / name))
        assert picture is not None and min(picture.shape[:2]) > 300 and picture.std() > 10
