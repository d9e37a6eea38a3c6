"""Models by name, wherever a file is expected: published ones from a local server, and shipped ones."""

import hashlib
import importlib.util
import json
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.unit.bench.fitted_model import export_once
from tests.unit.models.test_hub import hub_config
from tests.unit.predict.tiny_files import dot, write_dots
from tests.unit.predict.tiny_models import single, write
from vitpose import PosePredictor
from vitpose.cli.main import main
from vitpose.export import comparison
from vitpose.models import names
from vitpose.models.catalogue import read_catalogue
from vitpose.models.names import check_name, find_files, is_name
from vitpose.predict.models.exported import ExportedModel
from vitpose.predict.predictor import load_model

TERMS = 'Apache-2.0; trained on rendered people'


@pytest.fixture
def little(published, model_files, multi_model_files, tmp_path, monkeypatch):
    """A server with the models `little` and `several`, and an empty cache."""
    models, (first, *_) = [], read_catalogue()
    for short, (config, checkpoint), count in (('little', model_files, 1), ('several', multi_model_files, 3)):
        content = Path(checkpoint).read_bytes()
        path = f'/{short}-{hashlib.sha256(content).hexdigest()[:8]}_20260101.pth'
        published.files[path] = content
        if count > 1:
            config = shutil.copy(config, _folder(tmp_path / 'multi_dataset') / 'several.py')
        file = dict(short=short, url=published.address + path, license=TERMS, config=str(config))
        models.append(replace(first, name=f'test/{short}', keypoints=(17,) * count, **file))
    monkeypatch.setattr(names, 'read_catalogue', lambda: models)
    monkeypatch.setattr('vitpose.models.catalogue.read_catalogue', lambda: models)
    monkeypatch.setenv('VITPOSE_HOME', str(tmp_path / 'cache'))
    # the peaks of random heatmaps move by pixels with the last bit
    monkeypatch.setitem(comparison.BOUNDS, 'fp32', (1000, 0.001))
    return published


@pytest.fixture(scope='module')
def exported_once():
    with pytest.MonkeyPatch.context() as patch:
        export_once(patch)
        yield


def _folder(path):
    path.mkdir()
    return path


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """The shipped model is a generated file."""
    file = write_dots(tmp_path / 'tiny.onnx', objects='person', license='CC0-1.0')
    monkeypatch.setattr(names, '__file__', str(tmp_path / 'names.py'))
    return file


def test_a_name_gives_the_poses_of_its_files(little, model_files):
    poses = PosePredictor('little', detector=None)(dot(80, 60))
    expected = PosePredictor.load(*model_files, detector=None)(dot(80, 60))
    np.testing.assert_array_equal(poses.keypoints, expected.keypoints)
    model = load_model('little', cfg_options={'model.test_cfg.output_keypoint_indices': [0, 1]})
    assert model.num_keypoints == 2  # the user's options go with those of the name
    assert model.metainfo['license'] == TERMS and model.metainfo['objects'] == 'person'
    assert len([path for method, path, _ in little.asked if method == 'GET']) == 1
    assert load_model(*model_files).metainfo['license'] is None
    with pytest.raises(ValueError, match='license=3: expected a string'):
        load_model('little', cfg_options={'license': 3})


@pytest.mark.parametrize(
    ('name', 'dataset'), [('several', 'coco'), ('several:aic', 'aic'), ('test/several:mpii', 'mpii')]
)
def test_the_dataset_stands_after_the_colon(little, name, dataset):
    assert load_model(name).metainfo['dataset_name'] == dataset
    assert load_model(name, dataset='mpii').metainfo['dataset_name'] == 'mpii'
    with pytest.raises(ValueError, match="dataset='dogs': this model predicts "):
        load_model('several:dogs')


@pytest.mark.slow
def test_commands_take_names(little, exported_once, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cv2.imwrite('a.png', dot(80, 60))
    assert main('predict a.png --model little --whole-image --no-draw --out poses'.split()) == 0
    assert f'test/little: {TERMS}' in capsys.readouterr().err
    assert main('export little --to onnx --out little.onnx'.split()) == 0
    assert TERMS not in capsys.readouterr().err
    exported = ExportedModel('little.onnx')
    assert exported.info.license == exported.metainfo['license'] == TERMS
    assert main('bench --model little --only none --out bench'.split()) == 2
    assert main('bench --model nobody --out bench'.split()) == 2
    assert 'nobody: no model has this name' in capsys.readouterr().err


@pytest.fixture
def torch_alone(monkeypatch):
    for module in ('optional_imports', 'models.loading'):
        monkeypatch.setattr(f'vitpose.predict.{module}.missing_packages', lambda: ['mmcv', 'mmpose'])


@pytest.mark.parametrize(
    ('folder', 'count', 'last', 'codec'), [('coco25', 25, 'right_heel', ''), ('wholebody', 133, '', 'MSRA')]
)
def test_on_torch_alone_the_dataset_gives_keypoints_and_codec(
    little, tmp_path, monkeypatch, torch_alone, folder, count, last, codec
):
    """easy_ViTPose's files: with feet, and separated from ViTPose+; both have the classic codec."""
    cfg = single()
    cfg.model.head.out_channels = count
    little.files['/feet.pth'] = Path(write(cfg, tmp_path / 'model')[1]).read_bytes()
    config = f'configs/{folder}/vitpose-base_{folder.replace("w", "coco-w")}-256x192.py'
    (first, *_) = read_catalogue()
    entry = dict(name='easy/feet', short='feet', url=f'{little.address}/feet.pth', license=TERMS, config=config)
    monkeypatch.setattr(names, 'read_catalogue', lambda: [replace(first, keypoints=(count,), codec=codec, **entry)])
    model = load_model('feet', device='cpu')
    assert model.num_keypoints == count and model.metainfo['keypoint_id2name'][count - 1].startswith(last)
    assert model.codec.config_type == 'BatchMSRAHeatmap' and model.model.shift_heatmap
    assert not model.crop_rule.use_udp and len(model.metainfo['sigmas']) == count
    assert (model.metainfo['license'], model.metainfo['objects']) == (TERMS, 'person')
    monkeypatch.chdir(tmp_path)
    exported = []
    monkeypatch.setattr('vitpose.export.writing.write_file', lambda model, *_: exported.append(model) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        main('export feet --to onnx --out feet.onnx'.split())
    assert exported[0].codec.config_type == 'BatchMSRAHeatmap' and exported[0].num_keypoints == count
    with pytest.raises(ValueError, match=f'{config[8:]}: a config needs mmcv, mmpose, not installed here'):
        load_model('feet', cfg_options={'model.test_cfg.flip_test': False})


@pytest.mark.slow
def test_without_torch_a_name_uses_what_was_exported_into_the_cache(
    little, exported_once, tmp_path, monkeypatch, capsys
):
    expected = PosePredictor('little', detector=None)(dot(80, 60)).scores
    for _ in range(2):
        assert main('models export little'.split()) == 0
        assert f'{tmp_path}/cache/test--little.onnx: ' in capsys.readouterr().out
        monkeypatch.setattr('vitpose.export.writing.write_file', None)  # it is written once
    little.files.clear()
    monkeypatch.setattr(names, 'find_spec', lambda name: None if name == 'torch' else importlib.util.find_spec(name))
    for name in ('little', 'test/little'):
        predictor = PosePredictor(name, detector=None)
        assert isinstance(predictor.model, ExportedModel) and predictor.model.metainfo['license'] == TERMS
        np.testing.assert_allclose(predictor(dot(80, 60)).scores, expected, atol=1e-5)


def test_unknown_names_and_files(little, tiny, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cv2.imwrite('a.png', dot(80, 60))
    for words, message in (
        ('predict a.png --model litle', 'litle: no model has this name: little'),
        ('predict a.png --model none.onnx', 'none.onnx: no such file or model name'),
        ('app litle', 'litle: no model has this name: little'),
        ('app none.onnx', 'none.onnx: no such file or model name'),
        ('export litle --to onnx --out a.onnx', 'litle: no model has this name: little'),
        ('export tiny --to onnx --out a.onnx', 'tiny is an exported file already'),
    ):
        assert main(words.split()) == 2
        assert message in capsys.readouterr().err


def test_training_starts_from_a_name(little, tmp_path, monkeypatch):
    from vitpose.own_data import dataset_folder
    from vitpose.own_data.reading import annotation_format

    made = []
    monkeypatch.setattr(annotation_format, 'read_annotations', lambda *_: [None])
    monkeypatch.setattr(dataset_folder, 'make_dataset', lambda *_, start, **__: made.append(start))
    (tmp_path / 'mice.json').touch()
    for start in ('little', 'tiny'):
        (tmp_path / 'names.safetensors').touch()
        monkeypatch.setattr(names, '__file__', str(tmp_path / 'names.py'))
        (tmp_path / 'tiny.safetensors').touch()
        assert main(['dataset', str(tmp_path / 'mice.json'), '--out', str(tmp_path / 'out'), '--from', start]) == 0
    assert [Path(start).suffix for start in made] == ['.pth', '.safetensors'] and all(Path(s).is_file() for s in made)


def test_without_torch_a_name_is_refused_before_the_download(little, tiny, monkeypatch):
    monkeypatch.setattr(names, 'find_spec', lambda name: None if name == 'torch' else importlib.util.find_spec(name))
    with pytest.raises(
        ValueError,
        match='little needs torch .*without it, use tiny or `vitpose models export little` .*/test--little.onnx',
    ):
        PosePredictor('little')
    assert not little.asked
    check_name('tiny')
    with pytest.raises(FileNotFoundError, match='tiny: .*tiny.safetensors is missing; reinstall'):
        check_name('tiny', '.safetensors')


def test_the_shipped_model_needs_no_catalogue(tiny, monkeypatch):
    monkeypatch.setattr(names, 'read_catalogue', None)
    predictor = PosePredictor('tiny', detector=None)
    assert predictor.model.info.license == 'CC0-1.0' and predictor(dot(80, 60)).keypoints.shape == (1, 2, 2)


def test_what_is_a_name_and_what_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path('file').touch()
    Path('folder').mkdir()
    Path('folder/config.json').touch()  # of transformers
    Path('weights').mkdir()
    for name in 'tiny base plus-base:ap10k mmpose/vitpose-base_coco owner/model-1.5 folder ./folder'.split():
        assert is_name(name), name
    for path in ('a.onnx', 'b/a.xml', './tiny', './weights', 'a/b/c', 'file', 'c.py', 'b/FILE.PTH'):
        assert not is_name(path), path


def test_a_folder_hides_a_name_if_it_holds_a_model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ('tiny', 'base'):
        Path(name, 'drawn').mkdir(parents=True)  # of `vitpose predict --model base --out base`
        assert is_name(name)
        check_name(name)
    with pytest.raises(ValueError, match='tiny/drawn: no model has this name.*; and the folder .* holds neither'):
        check_name('tiny/drawn')
    Path('base/model-1-of-2.safetensors').touch()
    assert not is_name('base')
    for name in ('tiny', 'base'):
        Path(name, 'config.json').write_text(json.dumps(hub_config()))
        assert is_name(name)
    assert find_files('base').file == Path('base')
    assert find_files('./tiny').file == Path('./tiny') != find_files('tiny').file  # which is always the shipped one


def test_a_folder_is_exported_into_a_file_of_your_choice(capsys, tmp_path, monkeypatch):
    """In the cache, the file would stay that of the weights before the next training."""
    (tmp_path / 'config.json').touch()
    assert main(['models', 'export', str(tmp_path)]) == 2
    message = f'{tmp_path} is a folder: write its file with `vitpose export {tmp_path} --to onnx --out FILE`'
    assert message in capsys.readouterr().err
    monkeypatch.setattr(names, 'find_spec', lambda name: None)
    with pytest.raises(ValueError, match='without it, use tiny or what `vitpose export .* --to onnx` writes'):
        check_name(str(tmp_path))
