"""A backend of logs and pictures that survives a file system that refuses files."""

import numpy as np
import pytest

from vitpose_mm.visualization import TolerantVisBackend


def write_all(backend):
    backend.add_scalar('loss', 0.5, step=1)
    backend.add_scalars(dict(loss=0.25), step=2, file_path='more.json')
    backend.add_image('picture', np.zeros((4, 4, 3), np.uint8), step=3)


def test_files_are_those_of_mmengine(tmp_path):
    write_all(TolerantVisBackend(save_dir=str(tmp_path / 'vis')))
    found = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob('*') if path.is_file())
    assert found == ['vis/more.json', 'vis/scalars.json', 'vis/vis_image/picture_3.png']
    assert (tmp_path / 'vis/scalars.json').read_text().count('loss') == 2


def test_a_refused_file_is_a_warning(tmp_path, logged):
    (tmp_path / 'vis').write_text('a file in place of the folder')
    write_all(TolerantVisBackend(save_dir=str(tmp_path / 'vis')))
    warnings = [
        line for line in logged().splitlines() if 'WARNING' in line and f'of {tmp_path / "vis"}: [Errno' in line
    ]
    assert [line.split(' of ')[0].split()[-1] for line in warnings] == ['add_scalar', 'add_scalars', 'add_image']


def test_other_errors_are_raised(tmp_path):
    with pytest.raises(TypeError):
        TolerantVisBackend(save_dir=str(tmp_path)).add_scalar('loss', object())
