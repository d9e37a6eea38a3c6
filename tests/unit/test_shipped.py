import importlib

import pytest

from vitpose import shipped


def test_file_is_found_in_a_checkout_and_in_an_installation(root, tmp_path, monkeypatch):
    assert shipped.shipped('model-index.yml') == root / 'model-index.yml'
    monkeypatch.setattr(shipped, 'TOP', tmp_path)
    file = tmp_path / 'vitpose_mm/.mim/model-index.yml'
    with pytest.raises(FileNotFoundError, match=rf'neither {tmp_path}/model-index.yml nor {file}'):
        shipped.shipped('model-index.yml')
    file.parent.mkdir(parents=True)
    file.touch()
    assert shipped.shipped('model-index.yml') == file


def test_every_exported_name_exists(root):
    packages = ['.'.join(file.parent.relative_to(root).parts) for file in root.glob('vitpose_mm/**/__init__.py')]
    assert len(packages) > 10
    for package in map(importlib.import_module, packages):
        assert [name for name in getattr(package, '__all__', ()) if not hasattr(package, name)] == []
