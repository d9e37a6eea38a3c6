"""Which files an input stands for, and the frames that are read from them."""

import os

import cv2
import numpy as np
import pytest

from vitpose.predict.inputs.sources import Source, count_frames, find_sources, read_frames
from vitpose.predict.poses import Frame


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ('b/2.png', 'b/1.JPG', 'a.jpg', 'b/c/3.jpeg', '.hidden/4.jpg', 'b/._1.jpg', 'b/notes.txt'):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def names(*inputs, **options):
    return [source.name for source in find_sources(inputs, **options)]


def test_folders_globs_and_files_are_taken_in_order_and_once(folder):
    assert names('.') == ['a.jpg', 'b/1.JPG', 'b/2.png', 'b/c/3.jpeg']  # without hidden and other files
    assert names(str(folder / 'b')) == [str(folder / 'b' / name) for name in ('1.JPG', '2.png', 'c/3.jpeg')]
    assert names('b/*') == ['b/1.JPG', 'b/2.png']
    assert names('**/*.jp*g') == ['a.jpg', 'b/c/3.jpeg']
    assert names('b/2.png', '.', str(folder / 'a.jpg')) == ['b/2.png', 'a.jpg', 'b/1.JPG', 'b/c/3.jpeg']
    os.replace('a.jpg', 'a[1].jpg')
    assert names('a[1].jpg') == ['a[1].jpg']  # no glob


def test_output_folder_is_not_searched(folder):
    assert names('.', leave_out=folder / 'b') == ['a.jpg']
    with pytest.raises(ValueError, match='b/2.png is in the output folder'):
        find_sources(['b/2.png'], leave_out=folder / 'b')


@pytest.mark.parametrize(
    ('text', 'error', 'message'),
    [
        ('absent.jpg', FileNotFoundError, 'absent.jpg: no such file, folder or camera'),
        ('b/notes.txt', ValueError, r'b/notes.txt: expected an image \(.bmp .jpeg'),
        ('*.gif', ValueError, r'\*.gif: found nothing of this name'),
        ('empty', ValueError, 'empty: found nothing in this folder or below'),
        ('7', ValueError, '7: no file has this name, and camera 7 cannot be opened'),
        ('b/c/**/*.png', ValueError, 'found nothing'),
    ],
)
def test_unusable_input_is_an_error(folder, monkeypatch, text, error, message):
    (folder / 'empty').mkdir()
    monkeypatch.setattr(cv2, 'VideoCapture', lambda index: Camera(0))
    with pytest.raises(error, match=message):
        find_sources([text])


def test_images_are_left_for_the_predictor_to_read():
    sources = [Source(name, 'image') for name in ('a.jpg', 'b/2.png')]
    assert list(read_frames(sources)) == [Frame('a.jpg', None), Frame('b/2.png', None)]
    assert count_frames(sources) == 2


class Camera:
    """Gives `left` images and then none."""

    def __init__(self, left):
        self.left, self.released = left, False

    def isOpened(self):
        return self.left > 0

    def read(self):
        self.left -= 1
        return (True, np.zeros((4, 6, 3), np.uint8)) if self.left >= 0 else (False, None)

    def release(self):
        self.released = True


def test_camera(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    camera = Camera(3)
    monkeypatch.setattr(cv2, 'VideoCapture', lambda index: camera)
    (source,) = find_sources(['1'])
    assert source == Source('camera 1', 'camera') and count_frames([source]) is None
    frames = list(read_frames([source]))
    assert [frame.index for frame in frames] == [0, 1, 2, 3]
    assert [frame.error for frame in frames] == [None, None, None, 'the camera gave no more images']
    times = [frame.time for frame in frames]
    assert times == sorted(times) and camera.released
