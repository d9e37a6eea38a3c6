"""`vitpose models`: the list as a table and as JSON, and what `fetch` says."""

import json

from vitpose.cli.main import main
from vitpose.published import download


def test_list(capsys):
    assert main(['models']) == 0
    lines = capsys.readouterr().out.splitlines()
    (line,) = [line for line in lines if ' mmpose/vitpose-huge_humanart ' in line]
    config = 'humanart/vitpose-huge_humanart-256x192.py'
    assert line.split() == ['mmpose/vitpose-huge_humanart', '17', 'huge', 'AP', '46.8', 'Human-Art', config]
    assert main(['models', '--json']) == 0
    (model,) = [each for each in json.loads(capsys.readouterr().out) if each['name'] == 'mmpose/vitpose-huge_humanart']
    assert model['url'].startswith('https://download.openmmlab.com/') and model['config'] == f'configs/{config}'


def test_fetch(capsys, monkeypatch, tmp_path):
    def fake(model, folder):
        return folder / 'weights.pth', '' if 'plus' in model.name else '0123abcd'

    monkeypatch.setattr(download, 'download', fake)
    assert main(['models', 'fetch', 'mmpose/vitpose-huge_humanart', '--out', str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert f'{tmp_path}/weights.pth: SHA-256 begins with 0123abcd, as published' in out
    assert out.endswith('load it with configs/humanart/vitpose-huge_humanart-256x192.py\n')
    assert main(['models', 'fetch', 'transformers/vitpose-plus-base']) == 0
    assert 'no hash is published' in capsys.readouterr().out


def test_errors(capsys):
    assert main(['models', 'fetch', 'hrnet']) == 2
    assert 'vitpose models: hrnet: no model has this name' in capsys.readouterr().err
    assert main(['models', 'fetch', 'authors/vitpose-base_coco']) == 1
    assert 'requires a browser to download' in capsys.readouterr().err
