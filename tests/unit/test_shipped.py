import importlib
from pathlib import Path

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


def test_configs_of_the_package_are_found_from_any_folder(root, tmp_path, monkeypatch):
    name = 'configs/coco/vitpose-base_coco-256x192.py'
    monkeypatch.chdir(tmp_path)
    assert shipped.find_config(name) == shipped.find_config(f'./{name}') == root / name
    for other in ('configs/none.py', 'coco/vitpose-base_coco-256x192.py', f'a/{name}', 'a.py'):
        assert shipped.find_config(other) == Path(other)
    (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / name).touch()
    assert shipped.find_config(name) == Path(name)  # that of the user first


def test_every_exported_name_exists(root):
    packages = ['.'.join(file.parent.relative_to(root).parts) for file in root.glob('vitpose_mm/**/__init__.py')]
    assert len(packages) > 10
    for package in map(importlib.import_module, packages):
        assert [name for name in getattr(package, '__all__', ()) if not hasattr(package, name)] == []
