import json

from vitpose.cli.main import main
from vitpose.models import download

NAME, CONFIG = 'mmpose/vitpose-huge_humanart', 'humanart/vitpose-huge_humanart-256x192.py'


def test_list(capsys):
    assert main(['models']) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if f' {NAME} ' in line]
    assert line.split() == [NAME, '17', 'huge', 'AP', '46.8', 'Human-Art', CONFIG]
    assert main(['models', '--json']) == 0
    (model,) = [model for model in json.loads(capsys.readouterr().out) if model['name'] == NAME]
    assert model['url'].startswith('https://download.openmmlab.com/') and model['config'] == f'configs/{CONFIG}'


def test_fetch(capsys, monkeypatch, tmp_path):
    digest = {NAME: '0123abcd', 'transformers/vitpose-plus-base': ''}
    monkeypatch.setattr(download, 'download', lambda model, folder: (folder / 'weights.pth', digest[model.name]))
    assert main(['models', 'fetch', NAME, '--out', str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert f'{tmp_path}/weights.pth: SHA-256 begins with 0123abcd, as published' in out
    assert out.endswith(f'load it with configs/{CONFIG}\n')
    assert main(['models', 'fetch', 'transformers/vitpose-plus-base']) == 0
    assert 'no hash is published' in capsys.readouterr().out


def test_errors(refuses):
    refuses('models', 'fetch', 'hrnet', message='vitpose models: hrnet: no model has this name')
    refuses('models', 'fetch', 'authors/vitpose-base_coco', message='requires a browser to download', code=1)
