"""All output files together: what is finished stays, and a folder that cannot be used is an error."""

import os

import pytest

from tests.unit.predict.frames import METAINFO, make_frame, make_poses
from vitpose.predict.inputs.sources import Source
from vitpose.predict.outputs.output_files import Outputs, prepare_folder
from vitpose.predict.poses import Frame

SOURCES = [Source(f'd/{name}.jpg', 'image') for name in 'abc']


def write_all(out, **options):
    prepare_folder(out)
    outputs = Outputs(out, SOURCES, METAINFO, **options)
    outputs.write(make_frame('d/a.jpg'), make_poses(2))
    outputs.write(Frame('d/b.jpg', None, error='not an image'), make_poses(0))
    outputs.write(make_frame('d/c.jpg'), make_poses(1, dropped=['box 1: no area']))
    outputs.close()
    return outputs


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob('*') if path.is_file())


def test_all_files_and_an_earlier_prediction_is_replaced(tmp_path):
    out = tmp_path / 'out'
    outputs = write_all(out, page=True)
    assert (outputs.frames, outputs.people, outputs.dropped) == (2, 3, 1)
    assert outputs.broken == {'d/b.jpg': 'not an image'}
    pictures = ['drawn/a.jpg', 'drawn/c.jpg']
    assert files(out) == [*pictures, 'images.json', 'index.html', 'keypoints.json', 'predictions.jsonl']
    assert outputs.written()[1:] == ['keypoints.json', 'images.json', 'index.html', 'drawn/ (2 images)']
    (out / 'notes').write_text('')
    write_all(out, draw=False)
    assert files(out) == ['images.json', 'keypoints.json', 'notes', 'predictions.jsonl']


def test_folder_that_cannot_be_used(tmp_path):
    (tmp_path / 'file').write_text('')
    (tmp_path / 'full').mkdir()
    (tmp_path / 'full' / 'mine').write_text('')
    with pytest.raises(FileExistsError, match='file is a file: pass a folder'):
        prepare_folder(tmp_path / 'file')
    with pytest.raises(FileExistsError, match='full has files that are not predictions'):
        prepare_folder(tmp_path / 'full')
    with pytest.raises(OSError, match='below: cannot write into this folder'):
        prepare_folder(tmp_path / 'file' / 'below')
    assert files(tmp_path) == ['file', 'full/mine']


@pytest.mark.skipif(os.getuid() == 0, reason='root can write anywhere')
def test_read_only_folder(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(OSError, match='cannot write into this folder: Permission denied'):
        prepare_folder(tmp_path)


def test_error_in_the_writing_thread_is_raised_and_the_other_files_are_finished(tmp_path, monkeypatch):
    outputs = Outputs(tmp_path, SOURCES, METAINFO, page=True)

    def fail(*_):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(outputs._pictures, 'write', fail)
    monkeypatch.setattr(outputs._results, 'close', fail)
    with pytest.raises(OSError, match='No space left'):
        for _ in range(20):
            outputs.write(make_frame('d/a.jpg'), make_poses(1))
    with pytest.raises(OSError, match='No space left'):
        outputs.close()
    assert files(tmp_path) == ['images.json.part', 'index.html', 'keypoints.json.part', 'predictions.jsonl']
