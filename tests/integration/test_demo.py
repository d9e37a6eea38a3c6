"""The whole road of `vitpose demo` and `vitpose synth`, at the smallest size."""

import json
import os
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.config import Config

from vitpose_mm.cli.demo import CONFIG, find_config
from vitpose_mm.cli.main import main
from vitpose_mm.datasets.synthetic.keypoints import COCO
from vitpose_mm.report.gallery import draw_gallery, heatmap_to_image
from vitpose_mm.report.mim import run_logged
from vitpose_mm.report.training_log import best_checkpoint, parse_score, parse_step, read_curve


@pytest.fixture(scope='module')
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp('demo') / 'out'
    assert main(['demo', '--out', str(out), '--train', '40', '--val', '8', '--epochs', '1']) == 0
    return out


def test_demo_leaves_its_folder(demo: Path) -> None:
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
    }
    report = (demo / 'report.md').read_text()
    metrics = json.loads((demo / 'metrics.json').read_text())
    assert f'| {metrics["coco/AP"]:.3f} |' in report
    assert 'their true boxes (no detector), flip test' in report
    assert all(f']({name})' in report for name in ('learning_curve.png', 'gallery.png'))


def test_demo_trained_and_was_validated(demo: Path) -> None:
    curve = read_curve(demo / 'run')
    people = json.loads((demo / 'data/annotations/train.json').read_text())['annotations']
    labelled = sum(person['num_keypoints'] > 0 for person in people)
    assert curve.iterations == -(-labelled // Config.fromfile(find_config(CONFIG)).train_dataloader.batch_size)
    assert len(curve.score) == 1 and curve.loss[-1][1] > 0
    assert best_checkpoint(demo / 'run').name == 'best_coco_AP_epoch_1.pth'


def test_pictures_are_not_blank(demo: Path) -> None:
    for name in ('learning_curve.png', 'gallery.png'):
        picture = cv2.imread(str(demo / name))
        assert picture is not None and min(picture.shape[:2]) > 300 and picture.std() > 10


def test_demo_replaces_only_its_own(demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / 'thesis.tex').write_text('mine')
    assert main(['demo', '--out', str(tmp_path)]) == 2
    assert 'no demo made it' in capsys.readouterr().err
    assert (tmp_path / 'thesis.tex').read_text() == 'mine'


@pytest.mark.parametrize(
    ('words', 'told'),
    [(['--train', '0'], '--train 0'), (['--epochs', '0'], '--epochs 0'), (['--seed', '-1'], 'seed is -1')],
)
def test_demo_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture, words: list, told: str) -> None:
    assert main(['demo', '--out', str(tmp_path / 'd'), *words]) == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / 'd').exists()


def test_a_failing_command_shows_its_error(tmp_path: Path) -> None:
    command = [sys.executable, '-c', 'print("before"); raise KeyError("no such head")']
    with pytest.raises(RuntimeError, match=r"KeyError: 'no such head'[\s\S]*vitpose doctor"):
        run_logged(command, tmp_path / 'log', lambda line: None)
    assert 'before' in (tmp_path / 'log').read_text()


def test_an_interrupted_command_ends_with_its_children(tmp_path: Path) -> None:
    pid_file = tmp_path / 'pid'
    child = (
        f'import os, pathlib, time; pathlib.Path({str(pid_file)!r}).write_text(str(os.getpid())); '
        'print("go", flush=True); time.sleep(99)'
    )
    command = [sys.executable, '-c', f'import subprocess, sys; subprocess.run([sys.executable, "-c", {child!r}])']

    def interrupt(line: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_logged(command, tmp_path / 'log', interrupt)
    grandchild = int(pid_file.read_text())
    for _ in range(50):
        try:
            os.kill(grandchild, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    pytest.fail(f'process {grandchild} still runs')


def test_log_lines() -> None:
    line = (
        '11/22 15:34:46 - mmengine - INFO - Epoch(train)  [2][ 50/531]  lr: 1.5e-03  eta: 0:01:02  time: 0.25  '
        'data_time: 0.01  loss: 7.321000  loss_kpt: 7.321000  acc_pose: 0.21'
    )
    step = parse_step(line)
    assert step is not None and (step.epoch, step.iteration, step.iterations, step.loss) == (2, 50, 531, 7.321)
    assert parse_score('Epoch(val) [2][22/22]    coco/AP: 0.512  coco/AP .5: 0.8') == 0.512
    assert parse_step('loading') is None and parse_score('loading') is None


def test_curve_counts_iterations_that_were_not_logged(tmp_path: Path) -> None:
    (tmp_path / 'run/vis_data').mkdir(parents=True)
    records = [
        {'loss': 9.0, 'time': 0.6, 'step': 100},
        {'coco/AP': 0.4, 'step': 1},
        {'loss': 3.0, 'time': 0.3, 'step': 231},
    ]
    (tmp_path / 'run/vis_data/scalars.json').write_text('\n'.join(map(json.dumps, records)))
    (tmp_path / 'run/run.log').write_text(
        'Epoch(train)  [1][100/131]  loss: 9.0\nEpoch(train)  [2][100/131]  loss: 3.0\nEpoch(val) [2][8/8]\n'
    )
    curve = read_curve(tmp_path)
    assert curve.iterations == 262
    np.testing.assert_allclose(curve.loss, [(1.0, 9.0), (1.0 + 0.3 * 131 / 60, 3.0)])
    np.testing.assert_allclose(curve.score, [(1.0, 0.4)])


def test_heatmap_cells_land_on_image_pixels() -> None:
    """Cell (0, 0) is the crop's first corner, the last cell its last: UDP's grid."""
    transform = heatmap_to_image((32, 24), np.array((100.0, 60.0)), np.array((46.0, 62.0)))
    np.testing.assert_allclose(transform @ (0, 0, 1), (77, 29))
    np.testing.assert_allclose(transform @ (23, 31, 1), (123, 91))


def test_gallery_needs_predictions(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match='no predictions'):
        draw_gallery([], COCO, tmp_path / 'gallery.png')
