"""`vitpose calibrate` on rendered people: what it stores, what predictions and files then have, what it refuses."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine import Config

from tests.unit.predict.tiny_models import rendered, single, write
from vitpose import PosePredictor
from vitpose.cli.main import main
from vitpose.predict.calibration import fitting
from vitpose.synthetic.render_settings import RenderSettings
from vitpose.synthetic.writer import write_dataset


@pytest.fixture(scope='module')
def people(tmp_path_factory):
    """Rendered people, at least 50."""
    folder = tmp_path_factory.mktemp('people') / 'people'
    assert write_dataset(folder, RenderSettings(0, 30), workers=0)['val'] >= fitting.MIN_PEOPLE
    return folder


@pytest.fixture
def files(people, tmp_path):
    """Config and checkpoint of a small model that validates on the people."""
    config, checkpoint = write(single(), tmp_path)
    cfg = Config.fromfile(config)
    cfg.val_dataloader.dataset.update(
        data_root=str(people), ann_file='annotations/val.json', data_prefix=dict(img='val/'), indices=None
    )
    cfg.train_dataloader = cfg.val_dataloader
    cfg.dump(config)
    return config, checkpoint


@pytest.mark.slow
@pytest.mark.parametrize('fast', [False, True])
def test_scores_become_probabilities_and_the_model_stays(files, fast, people, monkeypatch, capsys):
    monkeypatch.setattr(fitting, 'EPOCHS', 2)
    before = torch.load(files[1])['state_dict']
    image, boxes = rendered(1)
    peaks = PosePredictor.load(*files, device='cpu', detector=None)(image, boxes)
    assert main(['calibrate', *files, '--device', 'cpu', *['--fast'] * fast]) == 0
    text = capsys.readouterr().out
    assert 'training images' in text and 'expected calibration error' in text, text
    assert Path(files[1]).with_suffix('.reliability.svg').read_text().startswith('<svg')
    after = torch.load(files[1])['state_dict']
    assert all(torch.equal(after[key], value) for key, value in before.items()) and len(after) > len(before)
    predictor = PosePredictor.load(*files, device='cpu', detector=None, uncertainty=True)
    poses = predictor(image, boxes)
    np.testing.assert_array_equal(poses.keypoints, peaks.keypoints)
    assert (poses.score_kind, peaks.score_kind) == ('probability', 'peak')
    assert np.abs(poses.scores - peaks.scores).max() > 0.01 and 0 <= poses.scores.min() <= poses.scores.max() <= 1
    assert (
        poses.expected_oks.shape == (len(boxes),)
        and poses.presence.shape == poses.scores.shape
        and poses.covariance.shape == (len(boxes), 17, 2, 2)
    )
    alone = PosePredictor.load(files[1], dataset='coco', device='cpu', detector=None)(image, boxes)
    np.testing.assert_allclose(alone.scores, poses.scores, atol=1e-3)
    # of weights that changed since, and calibrated again
    torch.save({'state_dict': after | {'head.final_layer.bias': after['head.final_layer.bias'] + 0.1}}, files[1])
    with pytest.raises(ValueError, match='run `vitpose calibrate` again'):
        PosePredictor.load(*files, device='cpu')


def test_what_cannot_be_calibrated_is_refused(files, people, tmp_path, refuses):
    content = json.loads((people / 'annotations/val.json').read_text())
    few, other = tmp_path / 'few.json', tmp_path / 'other.json'
    few.write_text(json.dumps(content | {'annotations': content['annotations'][:20]}))
    data = ['--images', people / 'val', '--data']
    refuses('calibrate', *files, *data, few, message='20 labeled instances', code=1)
    for row in content['annotations']:
        row['keypoints'] = row['keypoints'][:42]
    other.write_text(json.dumps(content))
    refuses('calibrate', *files, *data, other, message='14', code=1)
    refuses('calibrate', *files, '--data', few, message='--data with --images')
    refuses('calibrate', *files, '--out', 'x.safetensors', message='ends in .pth')
