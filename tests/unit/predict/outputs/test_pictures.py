"""Where images and videos are drawn, and that what is finished stays."""

import cv2
import numpy as np
import pytest

from tests.unit.predict.frames import make_frame
from vitpose.predict.inputs.sources import Source
from vitpose.predict.inputs.video import read_video
from vitpose.predict.outputs.pictures import Pictures, file_names


def names(*files):
    kinds = {'jpg': 'image', 'png': 'image', 'mp4': 'video', 'mov': 'video'}
    sources = [Source(file, kinds.get(file.rpartition('.')[2], 'camera')) for file in files]
    return [str(path) for path in file_names(sources).values()]


def test_folders_below_the_common_one_are_kept_and_no_two_files_get_the_same_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert names('d/a/1.jpg', 'd/b/1.png', 'd/2.mov') == ['a/1.jpg', 'b/1.jpg', '2.mp4']
    assert names('d/1.jpg', 'd/2.jpg', 'camera 0') == ['1.jpg', '2.jpg', 'camera_0.mp4']
    assert names('../x/1.jpg', str(tmp_path / '2.jpg')) == ['x/1.jpg', f'{tmp_path.name}/2.jpg']
    assert names('camera 1') == ['camera_1.mp4']
    images = names('a.jpg', 'a.png', 'a.png.jpg', 'A.jpg')
    assert images == ['a.jpg', 'a.png.jpg', 'a.png.jpg.jpg', 'A.jpg.jpg']
    assert names('a.mp4', 'a.mov') == ['a.mp4', 'a.mov.mp4']


def test_images_and_videos_are_written(tmp_path):
    pytest.importorskip('av')
    sources = [Source('d/1.png', 'image'), Source('d/e/v.mov', 'video'), Source('d/w.mp4', 'video')]
    pictures = Pictures(tmp_path, sources)
    image = np.full((60, 80, 3), 77, np.uint8)
    pictures.write(make_frame('d/1.png'), image)
    assert np.abs(cv2.imread(str(tmp_path / '1.jpg')).astype(int) - 77).max() < 3
    for index in range(3):
        pictures.write(make_frame('d/e/v.mov', index=index, time=index / 10), image)
    pictures.close()
    assert len(list(read_video(str(tmp_path / 'e/v.mp4')))) == 3
    pictures.write(make_frame('d/w.mp4', index=0, time=0), image)
    pictures.close()
    assert len(list(read_video(str(tmp_path / 'w.mp4')))) == 1
