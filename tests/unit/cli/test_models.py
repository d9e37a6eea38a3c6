import json

from vitpose.cli.main import main
from vitpose.models import download, names

NAME, CONFIG = 'mmpose/vitpose-huge_humanart', 'humanart/vitpose-huge_humanart-256x192.py'


def test_list(capsys):
    assert main(['models']) == 0
    out = capsys.readouterr().out
    lines = out.splitlines()
    (line,) = [line for line in lines if f' {NAME} ' in line]
    assert line.split() == ['huge-humanart', NAME, '17', 'huge', 'AP', '46.8', 'Human-Art', '3', CONFIG]  # 1 is tiny's
    assert (
        '  3  Apache-2.0; trained on ImageNet (non-commercial), COCO (CC-BY-4.0), Human-Art (non-commercial)' in lines
    )
    named = [line.startswith('  ') for line in lines[1:] if '/vitpose' in line]
    assert named == sorted(named) and not named[0] and named[-1]  # those with a name to type come first
    assert main(['models', '--json']) == 0
    (model,) = [model for model in json.loads(capsys.readouterr().out) if model['name'] == NAME]
    assert model['url'].startswith('https://download.openmmlab.com/') and model['config'] == f'configs/{CONFIG}'


def test_fetch(capsys, monkeypatch, tmp_path):
    digest = {NAME: '0123abcd', 'transformers/vitpose-plus-base': ''}
    monkeypatch.setattr(download, 'download', lambda model, folder: (tmp_path / 'weights.pth', digest[model.name]))
    assert main(['models', 'fetch', NAME, '--out', str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert f'{tmp_path}/weights.pth: SHA-256 begins with 0123abcd, as published' in out
    assert out.endswith(f'load it with configs/{CONFIG}\n')
    assert main(['models', 'fetch', 'transformers/vitpose-plus-base']) == 0
    assert 'no hash is published' in capsys.readouterr().out


def test_errors(refuses):
    refuses('models', 'fetch', 'hrnet', message='vitpose models: hrnet: no model has this name')
    refuses('models', 'fetch', 'authors/vitpose-base_coco', message='requires a browser to download', code=1)


def test_the_shipped_model_has_its_file_and_nothing_to_download(refuses, capsys):
    assert main(['models', 'export', 'tiny']) == 0
    assert f'{names.model_file("tiny")}: 11.7 MB; without torch, tiny uses it' in capsys.readouterr().out
    for words in (['fetch', 'tiny'], ['verify', 'tiny', '--data', '.']):
        refuses('models', *words, message='tiny is in the package: there is no file to download')


def test_a_shipped_model_comes_first_with_the_license_of_its_card(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(names, '__file__', str(tmp_path / 'names.py'))
    (tmp_path / 'tiny.md').write_text('# tiny\n\nLicense: CC0-1.0; rendered people\n')
    assert main(['models']) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ['tiny', 'shipped', '1'] and '  1  CC0-1.0; rendered people' in lines
