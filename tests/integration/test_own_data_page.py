"""The commands of docs/own_data.md, as they stand there; trainings last one epoch, with fewer images and blocks."""

import glob
import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine import Config
from mmengine.registry import init_default_scope
from mmpose.apis import MMPoseInferencer
from mmpose.registry import MODELS

import vitpose_mm  # noqa: F401
from tests.unit.own_data import makers
from vitpose import PosePredictor
from vitpose.cli.main import main as vitpose
from vitpose.own_data.deriving import network

ONE_EPOCH = (
    ' --cfg-options randomness.seed=0 train_cfg.max_epochs=1 train_cfg.val_interval=1 '
    'param_scheduler.0.end=1 param_scheduler.1.end=1 param_scheduler.1.T_max=1'
)
TINY = ' model.backbone.arch=deit-tiny model.head.in_channels=192'
pytestmark = pytest.mark.slow


def commands(root: Path, heading: str) -> list[str]:
    _, section = (root / 'docs/own_data.md').read_text(encoding='utf-8').split(f'## {heading}', 1)
    blocks = re.findall(r'```bash\n(.*?)```', section.split('\n## ')[0], re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


@pytest.fixture
def run_line(run, tmp_path, monkeypatch, capfd) -> Callable[[str], str]:
    """A function that runs a line of the page and returns what it prints; MIM's in a process of their own."""
    monkeypatch.chdir(tmp_path)

    def run_one(line: str) -> str:
        line = line.replace('--train 60 --val 10', '--train 10 --val 4')
        if line.startswith('mim train'):
            line += ONE_EPOCH + (TINY if 'animals' in line else '')
        program, *words = [name for word in shlex.split(line) for name in glob.glob(word) or [word]]
        if program == 'mim':
            action, package, *options = words
            assert package == 'mmpose'
            return run(action, *options)
        assert (program, vitpose(words)) == ('vitpose', 0)
        return ''.join(capfd.readouterr())

    return run_one


def write_start(path: Path) -> None:
    """A checkpoint like the shipped one, of a smaller network."""
    torch.manual_seed(0)
    init_default_scope('mmpose')
    backbone = dict(type='ViT', arch=dict(depth=2, embed_dim=64, num_heads=1), img_size=(128, 96))
    head = dict(type='ClassicHead', in_channels=64, deconv_channels=8, out_channels=17)
    model = MODELS.build(dict(type='TopdownPoseEstimator', backbone=backbone, head=head))
    names = ('nose', 'left_eye', 'right_eye', 'left_ear', 'right_ear', *(f'other {i}' for i in range(12)))
    meta = dict(dataset_meta=dict(dataset_name='coco', keypoint_id2name=dict(enumerate(names))))
    torch.save(dict(state_dict=model.state_dict(), meta=meta), path)


def test_rendered_animals(root, tmp_path, run_line):
    lines = commands(root, 'Rendered animals')
    assert [line.split()[1] for line in lines] == ['synth', 'dataset', 'check', 'train']
    for line in lines:
        printed = run_line(line)
    scores = re.findall(r'(coco/AP|PCK@0.05/PCK|PCK@0.1/PCK|PCK@0.2/PCK|AUC|NME): ([\d.]+)', printed)
    assert {name for name, _ in scores} == {'coco/AP', *(f'PCK@{t}/PCK' for t in (0.05, 0.1, 0.2)), 'AUC', 'NME'}
    assert list((tmp_path / 'my_animals/run').glob('best_coco_AP_*.pth'))  # the keypoints are AP-10K's


def test_a_deeplabcut_project(root, tmp_path, run_line, monkeypatch):
    turned = lambda i, points=makers.keypoints: points(i) if i % 2 else np.abs(points(i) - (40, 0, 0))  # noqa: E731
    monkeypatch.setattr(makers, 'keypoints', turned)  # mice that look to both sides: training flips images
    project = makers.write_deeplabcut(tmp_path / 'mouse-project')
    write_start(start := tmp_path / 'start.pth')
    monkeypatch.setattr(network, 'model_file', lambda name, suffix: start if name == 'tiny' else Path(name))
    lines = commands(root, 'A DeepLabCut project')
    assert [line.split()[1] for line in lines] == ['dataset', 'check', 'train', 'test', 'predict', 'export']
    printed = [run_line(line) for line in lines]
    assert 'attention heads' not in printed[0]  # the checkpoint records their number
    assert 'except for 3 keypoints of the same name' in printed[2] and '{0: 0, 1: 3, 2: 4}' in printed[2]
    assert 'PCK@0.1/PCK' in printed[3]
    assert len([json.loads(line) for line in (tmp_path / 'poses/predictions.jsonl').read_text().splitlines()[1:]]) == 12
    (checkpoint,) = (tmp_path / 'my_mice/run').glob('best_*.pth')

    # MMPose's inferencer agrees with our predictor; the config asks for a flip test
    image, config = project / 'labeled-data/a/img000.png', str(tmp_path / 'my_mice/config.py')
    (person,) = next(MMPoseInferencer(config, str(checkpoint), det_model='whole_image')(str(image)))['predictions'][0]
    ours = PosePredictor.load(config, checkpoint, flip_test=True)(image)
    np.testing.assert_allclose(ours.scores[0], person['keypoint_scores'], atol=1e-4)  # rounding of fp32
    np.testing.assert_allclose(ours.keypoints[0], person['keypoints'], atol=0.1)

    files = (tmp_path / 'my_mice.onnx',), (config, checkpoint)
    exported, plain = (PosePredictor.load(*paths)(image) for paths in files)
    np.testing.assert_allclose(exported.scores, plain.scores, atol=1e-3)
    assert np.median(np.abs(exported.keypoints - plain.keypoints)) < 0.05  # flat heatmaps may have other maxima


def test_a_yolo_folder(root, tmp_path, run_line):
    makers.write_yolo(tmp_path / 'yolo-project', count=10)
    for line in commands(root, 'A YOLO-pose folder'):
        run_line(line)
    assert not any(path.is_symlink() for path in (tmp_path / 'my_yolo_mice/images').iterdir())
    assert len(Config.fromfile(tmp_path / 'my_yolo_mice/config.py').val_evaluator) == 6
