import hashlib
from pathlib import Path

import pytest

from vitpose.synthetic import writer
from vitpose.synthetic.keypoints import KINDS
from vitpose.synthetic.render_settings import RenderSettings
from vitpose.synthetic.writer import write_dataset


def digest(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob('*') if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def small(train: int, val: int, **options: object) -> RenderSettings:
    return RenderSettings(train, val, width=96, height=72, **options)


@pytest.mark.slow
@pytest.mark.parametrize('kind', list(KINDS))
def test_same_seed_gives_the_same_files_for_any_number_of_workers(kind: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(writer, 'IMAGES_PER_TASK', 4)
    for workers in (0, 2):
        write_dataset(tmp_path / f'{workers}', small(6, 2, seed=5, kind=kind), workers=workers)
    assert digest(tmp_path / '0') == digest(tmp_path / '2')
    if kind == 'mpii':  # scipy's own header contains the time
        assert b'Created' not in (tmp_path / '0/annotations/mpii_gt_val.mat').read_bytes()[:116]


def test_images_depend_on_split_index_and_seed_alone(tmp_path: Path) -> None:
    for name, settings in dict(data=small(8, 4, seed=5), fewer=small(3, 1, seed=5), other=small(4, 4, seed=6)).items():
        write_dataset(tmp_path / name, settings, workers=0)
    data, fewer, other = (digest(tmp_path / name) for name in ('data', 'fewer', 'other'))
    names = {*(f'train/{i:06d}.jpg' for i in range(8)), *(f'val/{i:06d}.jpg' for i in range(4))}
    assert set(data) == {*names, 'annotations/train.json', 'annotations/val.json'}
    assert all(data[name] == value for name, value in fewer.items() if name.endswith('.jpg'))
    images = [files[name] for files in (data, other) for name in names & set(files)]
    assert len(set(images)) == len(images) == 20


@pytest.mark.parametrize(('step', 'error'), [('annotation_files', KeyboardInterrupt), ('render_one', OSError)])
def test_failed_run_keeps_the_old_files_or_none(step: str, error: type, tmp_path: Path, monkeypatch) -> None:
    def fail(*args: object) -> None:
        raise error('disk full')

    write_dataset(tmp_path / 'data', small(1, 1), workers=0)
    before = digest(tmp_path)
    monkeypatch.setattr(writer, step, fail)
    for name in ('data', 'new'):
        with pytest.raises(error, match='disk full'):
            write_dataset(tmp_path / name, small(2, 1), workers=0, overwrite=True)
    assert digest(tmp_path) == before and [path.name for path in tmp_path.iterdir()] == ['data']


def test_overwrite(tmp_path: Path) -> None:
    out = tmp_path / 'data'
    out.mkdir()
    (out / 'precious.txt').write_text('mine')
    with pytest.raises(FileExistsError, match='not empty.*--overwrite'):
        write_dataset(out, small(1, 0), workers=0)
    assert (out / 'precious.txt').read_text() == 'mine'
    write_dataset(out, small(1, 0), workers=0, overwrite=True)
    assert sorted(path.name for path in out.iterdir()) == ['annotations', 'train', 'val']
    assert [path.name for path in tmp_path.iterdir()] == ['data']
