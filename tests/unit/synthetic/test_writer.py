import hashlib
from pathlib import Path

import pytest

from vitpose.synthetic import writer
from vitpose.synthetic.keypoints import KINDS
from vitpose.synthetic.render_settings import RenderSettings
from vitpose.synthetic.writer import write_dataset


def digest(folder: Path) -> dict[str, str]:
    """Hash of every file by relative path."""
    files = sorted(path for path in folder.rglob('*') if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope='module')
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp('synthetic') / 'data'
    write_dataset(out, RenderSettings(20, 6, seed=5), workers=2)
    return out


def test_file_layout(data: Path) -> None:
    names = set(digest(data))
    assert names == {
        'annotations/train.json',
        'annotations/val.json',
        *(f'train/{i:06d}.jpg' for i in range(20)),
        *(f'val/{i:06d}.jpg' for i in range(6)),
    }


@pytest.mark.parametrize('kind', list(KINDS))
def test_same_seed_gives_the_same_files_for_any_number_of_workers(kind: str, tmp_path: Path) -> None:
    for workers in (0, 2):
        write_dataset(tmp_path / f'{workers}', RenderSettings(18, 2, seed=5, kind=kind), workers=workers)
    assert digest(tmp_path / '0') == digest(tmp_path / '2')
    if kind == 'mpii':  # scipy's own header contains the time
        assert b'Created' not in (tmp_path / '0/annotations/mpii_gt_val.mat').read_bytes()[:116]


def test_larger_dataset_starts_with_the_same_images(data: Path, tmp_path: Path) -> None:
    write_dataset(tmp_path / 'fewer', RenderSettings(3, 1, seed=5), workers=0)
    fewer, more = digest(tmp_path / 'fewer'), digest(data)
    assert all(more[name] == value for name, value in fewer.items() if name.endswith('.jpg'))


def test_images_differ_between_seeds_and_splits(data: Path, tmp_path: Path) -> None:
    write_dataset(tmp_path / 'other', RenderSettings(6, 6, seed=6), workers=0)
    every = digest(data), digest(tmp_path / 'other')
    images = [value for files in every for name, value in files.items() if name.endswith('.jpg')]
    assert len(set(images)) == len(images)


def test_interrupted_run_leaves_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(writer, 'annotation_files', fail)
    with pytest.raises(KeyboardInterrupt):
        write_dataset(tmp_path / 'data', RenderSettings(2, 1), workers=0)
    assert list(tmp_path.iterdir()) == []


def test_failed_replacement_keeps_the_old_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_dataset(tmp_path / 'data', RenderSettings(1, 1), workers=0)
    before = digest(tmp_path)

    def fail(*args: object) -> None:
        raise OSError('disk full')

    monkeypatch.setattr(writer, 'render_one', fail)
    with pytest.raises(OSError, match='disk full'):
        write_dataset(tmp_path / 'data', RenderSettings(2, 1), workers=0, overwrite=True)
    assert digest(tmp_path) == before


def test_overwrite(tmp_path: Path) -> None:
    out = tmp_path / 'data'
    out.mkdir()
    (out / 'precious.txt').write_text('mine')
    with pytest.raises(FileExistsError, match='not empty.*--overwrite'):
        write_dataset(out, RenderSettings(1, 0), workers=0)
    assert (out / 'precious.txt').read_text() == 'mine'
    write_dataset(out, RenderSettings(1, 0), workers=0, overwrite=True)
    assert sorted(path.name for path in out.iterdir()) == ['annotations', 'train', 'val']
    assert [path.name for path in tmp_path.iterdir()] == ['data']


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(train=-1), 'train is -1'),
        (dict(train=0, val=0), 'at least one image'),
        (dict(seed=-3), 'seed is -3'),
        (dict(width=8), 'width is 8'),
    ],
)
def test_bad_recipe(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RenderSettings(**{'train': 1, 'val': 1} | arguments)
