"""`vitpose demo` from rendering to report, at the smallest size."""

import json
import sys

import cv2
import pytest
from mmengine.config import Config

from vitpose import PosePredictor
from vitpose.cli.demo import CONFIG
from vitpose.cli.main import main
from vitpose.demo import crossing_video
from vitpose.predict.inputs.video import read_video
from vitpose.runs.training_log import best_checkpoint, read_curve
from vitpose.shipped import shipped

PICTURES = ('learning_curve.png', 'gallery.png')
PHOTO = 'photo.jpg'
OTHERS = 'report.md demo.json metrics.json data run train.log test.log predict.log model.pth clip.mp4 clip.jsonl video'


@pytest.mark.slow
def test_demo_writes_all_results(tmp_path, monkeypatch, run_forked):
    def predict(command, log):
        log.touch()
        assert command[:3] == [sys.executable, '-m', 'vitpose'] and main([*map(str, command[3:])]) == 0

    monkeypatch.setattr('vitpose.demo.pipeline.run_logged', run_forked)
    monkeypatch.setattr(crossing_video, 'run_logged', predict)
    monkeypatch.setattr(crossing_video, 'DURATION_S', 1)
    demo = tmp_path / 'out'
    assert main(['demo', '--out', str(demo), '--train', '40', '--val', '8', '--epochs', '1']) == 0
    assert {path.name for path in demo.iterdir()} == {*PICTURES, PHOTO, *OTHERS.split()}
    report = (demo / 'report.md').read_text()
    assert f'| {json.loads((demo / "metrics.json").read_text())["coco/AP"]:.3f} |' in report
    assert 'ground-truth boxes (no detector), flip test' in report

    curve = read_curve(demo / 'run')
    people = json.loads((demo / 'data/annotations/train.json').read_text())['annotations']
    labeled = sum(person['num_keypoints'] > 0 for person in people)
    assert curve.iterations == -(-labeled // Config.fromfile(shipped(CONFIG)).train_dataloader.batch_size)
    assert len(curve.score) == 1 and curve.loss[-1][1] > 0
    assert best_checkpoint(demo / 'run').name == 'best_coco_AP_epoch_1.pth'

    lines = [json.loads(line) for line in (demo / 'video/predictions.jsonl').read_text().splitlines()[1:]]
    drawn = list(read_video(str(demo / 'video/drawn/clip.mp4')))
    assert len(lines) == len(drawn) == crossing_video.FRAMES_PER_S and not any(frame.error for frame in drawn)
    assert all(len(line['keypoints']) == len(line['boxes']) > 0 for line in lines)
    PosePredictor.load(shipped(CONFIG), demo / 'model.pth')

    for name in PICTURES:
        picture = cv2.imread(str(demo / name))
        assert f']({name})' in report and min(picture.shape[:2]) > 300 and picture.std() > 10
