"""`vitpose calibrate` on rendered people: what it stores, what predictions and files then have, what it refuses."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine import Config

from tests.unit.predict.tiny_models import rendered, several, single, write
from vitpose import PosePredictor
from vitpose.cli.main import main
from vitpose.own_data.calibrating import calibrate_trained
from vitpose.predict.calibration import fitting, judging
from vitpose.predict.models.loading import load_model
from vitpose.synthetic.render_settings import RenderSettings
from vitpose.synthetic.writer import write_dataset
from vitpose_mm.checkpoints.conversion import write_safetensors
from vitpose_mm.checkpoints.safe_load import load_weights


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
    assert poses.expected_oks.shape == (len(boxes),) and poses.presence.shape == poses.scores.shape
    assert poses.covariance.shape == (len(boxes), 17, 2, 2)
    alone = PosePredictor.load(files[1], dataset='coco', device='cpu', detector=None)(image, boxes)
    np.testing.assert_allclose(alone.scores, poses.scores, atol=1e-3)
    # of weights that changed since
    torch.save({'state_dict': after | {'head.final_layer.bias': after['head.final_layer.bias'] + 0.1}}, files[1])
    with pytest.raises(ValueError, match='run `vitpose calibrate` again'):
        PosePredictor.load(*files, device='cpu')
    assert main(['calibrate', *files, '--device', 'cpu', '--fast']) == 0
    assert PosePredictor.load(*files, device='cpu').model.metainfo['score_kind'] == 'probability'


def change(config, **parts):
    """Change the loaders of a config file."""
    cfg = Config.fromfile(config)
    for name, settings in parts.items():
        cfg[f'{name}_dataloader'] = dict(cfg[f'{name}_dataloader'], dataset=settings) if settings else {}
    cfg.dump(config)


def stored(checkpoint):
    """The calibration that a checkpoint has."""
    weights = load_weights(Path(checkpoint))
    return {key: value for key, value in weights.items() if '.confidence.' in key}


@pytest.mark.slow
def test_labels_are_used_where_a_config_validates_on_found_boxes(files, people, tmp_path, capsys):
    assert main(['calibrate', *files, '--device', 'cpu', '--fast', '--out', f'{tmp_path}/labels.pth']) == 0
    content = json.loads((people / 'annotations/val.json').read_text())
    boxes = [dict(image_id=row['id'], category_id=1, bbox=[5, 5, 40, 60], score=0.9) for row in content['images']]
    (tmp_path / 'boxes.json').write_text(json.dumps(boxes))
    dataset = Config.fromfile(files[0]).val_dataloader.dataset
    change(files[0], val=dict(dataset, bbox_file=str(tmp_path / 'boxes.json')))
    assert main(['calibrate', *files, '--device', 'cpu', '--fast', '--out', f'{tmp_path}/found.pth']) == 0
    first, second = stored(tmp_path / 'labels.pth'), stored(tmp_path / 'found.pth')
    assert first and first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.slow
def test_training_images_are_known_by_relative_paths_and_may_be_unknown(files, people, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(people.parent)
    dataset = Config.fromfile(files[0]).val_dataloader.dataset
    data = ['--data', people / 'annotations/val.json', '--images', people / 'val', '--fast', '--device', 'cpu']
    words = list(map(str, ['calibrate', *files, *data, '--out', tmp_path / 'out.pth']))
    for settings, warning in (
        (dict(dataset, data_root='people'), 'images are training images'),
        (dict(dataset, ann_file='nowhere.json'), 'not known whether these are training images'),
        (None, 'not known whether these are training images'),
    ):
        change(files[0], train=settings)
        assert main(words) == 0
        assert warning in capsys.readouterr().out
    content = json.loads((people / 'annotations/val.json').read_text())
    first = content['images'][0]['id']
    content['images'] = [row for row in content['images'] if row['id'] == first]
    content['annotations'] = [row for row in content['annotations'] if row['image_id'] == first]
    (tmp_path / 'one.json').write_text(json.dumps(content))
    change(files[0], train=dict(dataset, ann_file=str(tmp_path / 'one.json')))
    assert main(words) == 0
    assert '1 of 30 images are training images' in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize('fast', [False, True])
def test_a_confidence_of_the_config_gives_way(people, tmp_path, fast, monkeypatch, capsys):
    monkeypatch.setattr(fitting, 'EPOCHS', 1)
    cfg = single()
    cfg.model.head.confidence = dict(type='ConfidenceHead', width=16)
    cfg.model.head.decoder.type = 'BatchUDPHeatmap'
    config, checkpoint = write(cfg, tmp_path)
    trained = stored(checkpoint)
    data = ['--data', str(people / 'annotations/val.json'), '--images', str(people / 'val'), '--device', 'cpu']
    report = tmp_path / 'report.html'
    report.write_text('<body></body>')
    assert 'ConfidenceHead that was trained' in calibrate_trained(Path(config), {}, Path(checkpoint), report)
    assert trained and stored(checkpoint).keys() == trained.keys()
    assert main(['calibrate', config, checkpoint, *data, *['--fast'] * fast]) == 0
    assert stored(checkpoint)['head.confidence.' + ('table' if fast else 'index')].shape[1] != 16
    image, boxes = rendered(1)
    predictor = PosePredictor.load(config, checkpoint, device='cpu', detector=None)
    assert predictor(image, boxes).score_kind == 'probability'


@pytest.mark.slow
def test_a_training_ends_with_the_diagram_in_its_report(files, tmp_path):
    report = tmp_path / 'report.html'
    report.write_text('<html><body><p>before</p></body></html>')
    line = calibrate_trained(Path(files[0]), {}, Path(files[1]), report)
    assert line.startswith('scores are calibrated probabilities: expected calibration error ')
    page = report.read_text()
    assert page.index('before') < page.index('Calibration of the scores') < page.index('<svg') < page.index('</body>')
    assert list(stored(files[1])) == ['head.confidence.fingerprint', 'head.confidence.table']


@pytest.mark.slow
def test_safetensors_and_one_head_of_several(people, tmp_path):
    config, checkpoint = write(several(), tmp_path)
    source, out = tmp_path / 'model.safetensors', tmp_path / 'out.safetensors'
    write_safetensors(source, load_weights(Path(checkpoint)), {})
    data = ['--data', str(people / 'annotations/val.json'), '--images', str(people / 'val'), '--device', 'cpu']
    words = ['calibrate', config, str(source), *data, '--fast', '--dataset', 'coco', '--out', str(out)]
    assert main(words) == 0 and main(words) == 0
    assert not stored(source) and {key.split('.')[2] for key in stored(out)} == {'coco'}
    models = [load_model(config, out, dataset=name, device='cpu') for name in ('coco', 'aic')]
    assert [model.metainfo.get('score_kind') for model in models] == ['probability', None]


def test_what_cannot_be_calibrated_is_refused(files, people, tmp_path, refuses, monkeypatch):
    content = json.loads((people / 'annotations/val.json').read_text())
    few, other = tmp_path / 'few.json', tmp_path / 'other.json'
    few.write_text(json.dumps(content | {'annotations': content['annotations'][:20]}))
    data = ['--images', people / 'val', '--data']
    message = "20 labeled instances of 'coco' in the validation set: expected at least 50; vitpose calibrate --data"
    refuses('calibrate', *files, *data, few, message=message, code=1)
    crowded = [dict(row, image_id=content['images'][0]['id']) for row in content['annotations']]
    few.write_text(json.dumps(content | {'annotations': crowded}))
    refuses('calibrate', *files, *data, few, message='in 1 images: expected at least 5', code=1)
    for row in content['annotations']:
        row['keypoints'] = row['keypoints'][:42]
    other.write_text(json.dumps(content))
    refuses('calibrate', *files, *data, other, message='annotations[0]: keypoints: expected 51 numbers, got 42', code=1)
    refuses('calibrate', *files, '--data', few, message='--data with --images')
    refuses('calibrate', *files, '--out', 'x.safetensors', message='ends in .pth')
    monkeypatch.setattr(judging, 'judge_boxes', None)  # what follows is refused before any prediction
    refuses('calibrate', *files, '--out', few / 'x.pth', message='few.json: cannot write into this folder')
    content = torch.load(files[1])
    weights = {key.replace('head.', 'keypoint_head.'): value for key, value in content['state_dict'].items()}
    torch.save(content | {'state_dict': weights}, files[1])
    refuses('calibrate', *files, message='no weights of a head in our names: run `vitpose convert', code=1)
