import json

import cv2
import pytest

from tests.unit.predict.tiny_models import rendered
from vitpose.cli.main import main
from vitpose.export import writing

DIFFERENCES = writing.Differences(17, (0, 0), (0, 0), (0, 0))


def test_bad_input(refuses, model_files, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'ten').mkdir()
    for i in range(10):
        cv2.imwrite(f'ten/{i}.png', rendered(0)[0])
    for words, message in (
        ('--to onnx --out a.xml', '--out a.xml: expected a name that ends in .onnx'),
        ('--to onnx --out a.onnx --precision bf16', 'expected fp32 or fp16 or int8; or use --to openvino'),
        ('--to openvino --out a.xml --precision int8', 'at least 200, and found 0: pass more with --images'),
        ('--to openvino --out a.xml --precision int8 --images ten', 'at least 200, and found 10: pass more'),
        ('--to onnx --out a.onnx --size 130 96', '130 is not a positive multiple of the stride 16'),
        ('--to onnx --out a.onnx --dataset aic', "dataset='aic': this model predicts coco"),
        ('--to onnx --out a.onnx --boxes b.json', '--boxes b.json: only with --images'),
        ('--to onnx --out a.onnx --category dog', '--category: only with --boxes FILE'),
        ('--to onnx --out a.onnx --accuracy-drop 0.01', "expected a number above 0 and below 1, with OpenVINO's int8"),
        ('--to onnx --out a.onnx --cfg-options model.a', '--cfg-options model.a: expected KEY=VALUE'),
    ):
        refuses('export', *model_files, *words.split(), message=message)
        assert [path.name for path in tmp_path.iterdir()] == ['ten']


@pytest.mark.parametrize('images', [0, 1, 10, 20])
def test_17_crops_are_compared_whatever_images_are_given(images, model_files, tmp_path, capsys, monkeypatch):
    compared = []
    monkeypatch.setattr(writing, 'write_file', lambda *words: compared.append(words[4]) or DIFFERENCES)
    monkeypatch.setattr(writing, 'written_files', lambda out: [])
    for i in range(images):
        cv2.imwrite(str(tmp_path / f'{i:02}.png'), rendered(i)[0])
    words = ['--images', str(tmp_path)] * bool(images)
    assert main(['export', *model_files, '--to', 'onnx', '--out', str(tmp_path / 'a.onnx'), *words]) == 0
    (crops,) = compared
    assert crops.shape == (17, 128, 96, 3) and len({crop.tobytes() for crop in crops}) == 17
    named = f'17 crops ({min(images, 17)} of --images):' if images else '17 crops:'
    assert f'differences from torch in fp32, {named}\n' in capsys.readouterr().out


def test_a_category_is_chosen_and_boxes_are_scaled(model_files, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(writing, 'write_file', lambda *words: DIFFERENCES)
    monkeypatch.setattr(writing, 'written_files', lambda out: [])
    image = rendered(0)[0]
    cv2.imwrite(str(tmp_path / 'a.png'), image)
    images = [dict(id=1, file_name='a.png', height=image.shape[0] // 2, width=image.shape[1] // 2)]
    annotations = [dict(image_id=1, category_id=kind, bbox=[10, 10, 40, 40]) for kind in (1, 2, 2)]
    categories = [dict(id=1, name='person'), dict(id=2, name='dog')]
    boxes = dict(images=images, annotations=annotations, categories=categories)
    (tmp_path / 'boxes.json').write_text(json.dumps(boxes))
    words = ['export', *model_files, '--to', 'onnx', '--out', str(tmp_path / 'a.onnx'), '--images', str(tmp_path)]
    words += ['--boxes', str(tmp_path / 'boxes.json'), '--category', 'dog']
    assert main(words) == 2 and 'pass --scale-boxes' in capsys.readouterr().err
    assert main([*words, '--scale-boxes']) == 0
    assert '17 crops (2 of --images):' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('out', 'existing'), [('a.onnx', 'a.onnx'), ('a.onnx', 'a.onnx.data'), ('a.xml', 'a.xml'), ('a.xml', 'a.bin')]
)
def test_existing_files_are_replaced_with_overwrite_only(refuses, out, existing, model_files, tmp_path, monkeypatch):
    (tmp_path / existing).write_text('old')
    words = ['export', *model_files, '--to', 'onnx' if out == 'a.onnx' else 'openvino', '--out', tmp_path / out]
    refuses(*words, message=f'{existing} exists: pass another --out, or --overwrite')
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [(existing, 'old')]

    def write(*words):
        next(word for word in words if getattr(word, 'name', None) == out).write_text('new')

    monkeypatch.setattr(writing, 'write_onnx', write)
    monkeypatch.setattr(writing, 'write_openvino', write)
    monkeypatch.setattr(writing, 'ExportedModel', lambda file, device: None)
    monkeypatch.setattr(writing, 'run_heatmaps', lambda *rest: None)
    monkeypatch.setattr(writing, 'compare', lambda *rest: DIFFERENCES)
    assert main([*map(str, words), '--overwrite']) == 0
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [(out, 'new')]  # nothing stale beside it


def test_a_file_that_differs_is_not_left(refuses, model_files, tmp_path, capsys, monkeypatch):
    out = tmp_path / 'out/a.onnx'
    monkeypatch.setattr(writing, 'write_onnx', lambda graph, example, file, *rest: file.write_bytes(b'onnx'))
    monkeypatch.setattr(writing, 'ExportedModel', lambda file, device: None)
    monkeypatch.setattr(writing, 'run_heatmaps', lambda *rest: None)
    monkeypatch.setattr(writing, 'compare', lambda *rest: writing.Differences(17, (9, 9), (9, 9), (1, 1)))
    words = ['export', *model_files, '--to', 'onnx', '--out', str(out)]
    refuses(*words, message='keypoints differ too much from torch in fp32', code=1)
    assert list(out.parent.iterdir()) == []
    monkeypatch.setattr(writing, 'compare', lambda *rest: writing.Differences(17, (9, 0), (9, 9), (1, 0)))
    assert main(words) == 0 and out.read_bytes() == b'onnx'
    assert '17 crops' in capsys.readouterr().out
