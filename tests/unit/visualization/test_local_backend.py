import re

import numpy as np
import pytest

from vitpose_mm.visualization import TolerantVisBackend


def write_all(backend):
    backend.add_scalar('loss', 0.5, step=1)
    backend.add_scalars(dict(loss=0.25), step=2, file_path='more.json')
    backend.add_image('picture', np.zeros((4, 4, 3), np.uint8), step=3)


def test_files_are_those_of_mmengine(tmp_path):
    write_all(TolerantVisBackend(save_dir=str(tmp_path / 'vis')))
    files = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob('*') if path.is_file())
    assert files == ['vis/more.json', 'vis/scalars.json', 'vis/vis_image/picture_3.png']
    assert (tmp_path / 'vis/scalars.json').read_text().count('loss') == 2


def test_a_refused_file_is_a_warning(tmp_path, logged):
    (tmp_path / 'vis').write_text('a file in place of the folder')
    write_all(TolerantVisBackend(save_dir=str(tmp_path / 'vis')))
    warnings = re.findall(rf'WARNING.* (\w+) of {tmp_path}/vis: \[Errno', logged())
    assert warnings == ['add_scalar', 'add_scalars', 'add_image']
    with pytest.raises(TypeError):  # other errors are raised
        TolerantVisBackend(save_dir=str(tmp_path / 'other')).add_scalar('loss', object())
