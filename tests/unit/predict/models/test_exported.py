"""Exported files: what is read from them, what they predict, and which are refused."""

import json
import sys

import cv2
import numpy as np
import pytest

from tests.unit.predict.tiny_files import INFO, dot, write_dots
from vitpose import PosePredictor
from vitpose.cli.main import main
from vitpose.predict.models.file_info import FORMAT, read_info


@pytest.fixture(scope='module')
def file(tmp_path_factory):
    return write_dots(tmp_path_factory.mktemp('dots') / 'dots.onnx')


def test_a_file_predicts_in_image_pixels(file):
    predictor = PosePredictor.load(file, batch_size=2)
    boxes = [[10, 10, 110, 90], [40, 20, 120, 110], [0, 0, 160, 120]]
    poses = predictor(dot(70, 50), boxes)
    assert poses.keypoints.shape == (3, 2, 2) and poses.scores.shape == (3, 2)
    pixel = max(predictor.model.crop_rule.regions(np.array(boxes, np.float32))[1][:, 0]) / INFO.input_size[0]
    np.testing.assert_allclose(poses.keypoints, np.broadcast_to([70, 50], (3, 2, 2)), atol=1.5 * pixel)
    assert list(predictor.model.metainfo['keypoint_id2name'].values()) == ['one', 'two']
    assert predictor.model.info == INFO == read_info(INFO.texts() | {'someone_elses': 'x'}, 'f')


def test_predict_writes_files_and_inspect_prints_the_metadata(file, tmp_path, capsys):
    cv2.imwrite(str(tmp_path / 'a.png'), dot(70, 50))
    out = tmp_path / 'poses'
    assert main(['predict', str(tmp_path / 'a.png'), '--model', str(file), '--out', str(out), '--html']) == 0
    head, row = map(json.loads, (out / 'predictions.jsonl').read_text().splitlines())
    assert (head['model'], head['keypoint_names'], head['license']) == (file.name, ['one', 'two'], None)
    licensed = PosePredictor.load(write_dots(tmp_path / 'b.onnx', license='CC BY-NC 4.0'))
    assert licensed.model.metainfo['license'] == 'CC BY-NC 4.0'
    assert np.abs(np.array(row['keypoints']) - [70, 50]).max() < 6
    assert (out / 'drawn/a.jpg').is_file()
    capsys.readouterr()
    assert main(['inspect', str(file), '--json']) == 0
    info = json.loads(capsys.readouterr().out)
    assert (info['dataset'], info['sha256'], info['use_udp']) == ('dots', INFO.sha256, True)
    assert main(['inspect', str(file)]) == 0
    assert 'one, two' in capsys.readouterr().out


def test_a_device_of_torch_is_that_of_its_name(file):
    torch = pytest.importorskip('torch')
    assert PosePredictor.load(file, device=torch.device('cpu')).model.device == 'cpu'


@pytest.mark.parametrize(
    ('changes', 'arguments', 'message'),
    [
        (dict(outputs='heatmaps', inputs='images'), {}, 'returns heatmaps, and keypoints are needed: .*--no-decode'),
        ({}, dict(dataset='aic'), "dataset='aic': this file was exported with 'dots'"),
        ({}, dict(precision='bf16'), "precision='bf16': this file was exported with 'fp32'"),
        ({}, dict(compile=True), 'with compile=True: only with a config'),
        ({}, dict(cfg_options={'a': 1}), 'with cfg_options={.*}: only with a config'),
        ({}, dict(flip_test=True), 'flip_test=True: this file was exported with False'),
        ({}, dict(checkpoint='a.pth'), 'with checkpoint=a.pth: only with a config; an exported file is complete'),
        ({}, dict(device='tpu'), "device='tpu': unknown device; expected 'auto', 'cpu', 'cuda'"),
        ({}, dict(device=0), "device='0': unknown device; expected 'auto', 'cpu', 'cuda'"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, changes, arguments, message):
    file = write_dots(tmp_path / 'a.onnx', **changes)
    with pytest.raises(ValueError, match=message if 'device' in arguments else f'a.onnx.*{message}'):
        PosePredictor.load(file, **arguments)


@pytest.mark.parametrize(
    ('texts', 'message'),
    [
        (dict(author='x'), 'f: not written by `vitpose export`'),
        (dict(vitpose_format='1'), 'f: damaged metadata: TypeError: .*missing'),
        (INFO.texts() | dict(vitpose_padding='1.'), 'f: damaged metadata: JSONDecodeError: '),
        (INFO.texts() | dict(vitpose_keypoint_names='2'), 'f: damaged metadata: keypoint_names=2; export it again'),
        (INFO.texts() | dict(vitpose_skeleton='[[0, 2]]'), r'f: damaged metadata: skeleton=\[\[0, 2\]\]; export it'),
        (INFO.texts() | dict(vitpose_input_size='[0, 64]'), 'f: damaged metadata: input_size'),
        (INFO.texts() | dict(vitpose_padding='NaN'), 'f: damaged metadata: padding=nan'),
        (INFO.texts() | dict(vitpose_dataset='"a\\u001b[2J"'), r"f: damaged metadata: dataset='a\\x1b"),
        (INFO.texts() | dict(vitpose_format='1e999'), 'f: damaged metadata: format=inf'),
        (INFO.texts() | dict(vitpose_dataset=f'"{"x" * 1000}"'), "f: damaged metadata: dataset='x{190,200}; export"),
        (INFO.texts() | dict(vitpose_metric='{"foo": null}'), "f: damaged metadata: metric={'foo'"),
        (INFO.texts() | dict(vitpose_metric='{"score_mode": "x"}'), "f: damaged metadata: metric={'score_mode'"),
        (dict(vitpose_format='2', vitpose_version='"\\u001b[2J"'), r'f: format 2, written by version \\x1b\[2J; this'),
        (
            dict(vitpose_format=f'{FORMAT + 1}', vitpose_version='"9.9"'),
            f'f: format {FORMAT + 1}, written by version 9.9; .*pip install -U',
        ),
    ],
)
def test_foreign_newer_and_damaged_metadata_are_refused(texts, message):
    with pytest.raises(ValueError, match=message):
        read_info(texts, 'f')


@pytest.mark.parametrize('modes', [dict(nms_mode='none'), dict(nms_mode='soft_oks_nms', score_mode='bbox_rle')])
def test_scoring_options_may_be_zero_and_integers_and_modes_those_of_mmpose(modes):
    metric = dict(keypoint_score_thr=0.0, nms_thr=1) | modes
    assert read_info(INFO.texts() | dict(vitpose_metric=json.dumps(metric)), 'f').metric == metric


def test_foreign_and_damaged_files_are_refused(file, tmp_path):
    foreign = write_dots(tmp_path / 'foreign.onnx', texts={'author': 'x'})
    (tmp_path / 'half.onnx').write_bytes(file.read_bytes()[:500])
    (tmp_path / 'empty.onnx').touch()
    damaged = 'damaged or not an ONNX file'
    for name, message in (('foreign', 'not written by `vitpose export`'), ('half', damaged), ('empty', damaged)):
        with pytest.raises(ValueError, match=message):
            PosePredictor.load(tmp_path / f'{name}.onnx')
    assert main(['predict', str(tmp_path), '--model', str(foreign), '--out', str(tmp_path / 'out')]) == 2
    with pytest.raises(FileNotFoundError, match='nowhere.onnx: no such file'):
        PosePredictor.load('nowhere.onnx')
    with pytest.raises(ValueError, match='expected a checkpoint with a config; only an exported file'):
        PosePredictor.load('config.py')


def test_a_missing_runtime_names_the_extra(file, monkeypatch):
    monkeypatch.setitem(sys.modules, 'onnxruntime', None)
    with pytest.raises(ValueError, match=r"needs the package onnxruntime .*pip install 'vitpose_mm\[onnx\]'"):
        PosePredictor.load(file)


@pytest.mark.parametrize('words', [['--config', 'a'], ['--model', 'a.onnx', '--config', 'b']])
def test_config_with_checkpoint_or_a_model(words, tmp_path, capsys):
    assert main(['predict', str(tmp_path), '--out', str(tmp_path / 'out'), *words]) == 2
    assert 'expected --config with --checkpoint, or --model' in capsys.readouterr().err
