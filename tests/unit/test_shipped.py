"""Finding what ships with the package, in a checkout and in an installation."""

import pytest

from vitpose import shipped


def test_a_checkout_has_it_at_its_top(root):
    assert shipped.shipped('model-index.yml') == root / 'model-index.yml'


def test_an_installation_has_it_beside_the_plugin(tmp_path, monkeypatch):
    monkeypatch.setattr(shipped, '_TOP', tmp_path)
    file = tmp_path / 'vitpose_mm/.mim/model-index.yml'
    with pytest.raises(FileNotFoundError, match=rf'neither {tmp_path}/model-index.yml nor {file}'):
        shipped.shipped('model-index.yml')
    file.parent.mkdir(parents=True)
    file.touch()
    assert shipped.shipped('model-index.yml') == file
