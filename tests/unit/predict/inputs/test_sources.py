"""Which files an input stands for, and the frames that are read from them."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, features

from tests.unit.predict.frames import numbered_images, write_video
from vitpose.predict.inputs.sources import Source, count_frames, find_sources, read_frames
from vitpose.predict.poses import Frame

av = pytest.importorskip('av')


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ('b/2.png', 'b/1.JPG', 'a.jpg', 'b/c/3.jpeg', '.hidden/4.jpg', 'b/._1.jpg', 'b/notes.txt'):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def test_a_suffix_that_only_the_libraries_know(tmp_path):
    for name, value in (('bright', 200), ('dark', 0)):  # without a zero the file looks like text
        cv2.imwrite(str(tmp_path / f'{name}.ppm'), np.full((20, 30, 3), value, np.uint8))
    assert [Path(source.name).name for source in find_sources([str(tmp_path)])] == ['bright.ppm', 'dark.ppm']


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


@pytest.mark.parametrize('encoding', ['utf-8', 'utf-8-sig', 'utf-16'])
def test_a_list_has_one_input_per_line(folder, encoding):
    (folder / 'list.TXT').write_text('b/c\n\n# not this one\n  a.jpg \nb/*.png\na.jpg\n', encoding)
    assert names('list.TXT', 'b/1.JPG') == ['b/c/3.jpeg', 'a.jpg', 'b/2.png', 'b/1.JPG']


def test_order_is_natural(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    wanted = [f'{a}/frame_{i}.jpg' for a in ('s2', 's10') for i in ('1', '2', '010', '10', '11')] + ['s10/z/1.jpg']
    for name in wanted:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert names('.') == names('**/*.jpg') == wanted
    assert names('s*/*.jpg') == wanted[:-1]


def test_libraries_decide_where_the_suffix_does_not(tmp_path, caplog):
    pictures = [Image.fromarray(np.full((8, 8, 3), value, np.uint8)) for value in (0, 99, 200)]
    if features.check('avif'):
        pictures[0].save(tmp_path / 'a.avif')
    pictures[0].save(tmp_path / 'b.gif')
    pictures[0].save(tmp_path / 'c.gif', save_all=True, append_images=pictures[1:])
    write_video(tmp_path / 'd.mp4', numbered_images(5))
    for suffix in ('mts', 'ogm', 'unknown'):
        os.link(tmp_path / 'd.mp4', tmp_path / f'd.{suffix}')
    with av.open(str(tmp_path / 'e.wav'), 'w') as container:
        stream = container.add_stream('pcm_s16le', rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), 's16', 'mono')
        sound.sample_rate = 8000
        container.mux(stream.encode(sound) + stream.encode())
    for name in ('list.m3u8', 'ansi.txt', 'b.txt', 'LICENSE'):
        (tmp_path / name).write_text('#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nd.mp4\n')
    (tmp_path / 'a.heic').write_bytes(b'\0\0\0\x18ftypheic' + bytes(50))
    (tmp_path / 'model.pth').write_bytes(np.random.default_rng(0).bytes(9999))
    kinds = {Path(source.name).name: source.kind for source in find_sources([str(tmp_path)])}
    kinds.pop('a.avif', None)
    assert kinds == {'b.gif': 'image', **dict.fromkeys(['c.gif', 'd.mp4', 'd.mts', 'd.ogm', 'd.unknown'], 'video')}
    (line,) = caplog.messages
    left_out = line.removeprefix('left out as neither image nor video: ').split(', ')
    others = ['1 .heic (pip install pillow-heif)', '1 .m3u8', '1 .pth', '1 .wav', '1 without suffix']
    assert left_out[0] == '2 .txt' and sorted(left_out[1:]) == others
    frames = list(read_frames(find_sources([str(tmp_path / 'c.gif')])))
    assert [frame.image.mean().round() for frame in frames] == [0, 99, 200]
    assert caplog.messages == [line]


def test_broken_links_are_named(tmp_path, caplog):
    for name in ('a.jpg', 'b.mp4', 'c.txt'):
        (tmp_path / name).symlink_to(tmp_path / f'gone/{name}')
    kinds = {Path(source.name).name: source.kind for source in find_sources([str(tmp_path)])}
    assert kinds == {'a.jpg': 'image', 'b.mp4': 'video'}  # they fail when they are read
    assert caplog.messages == ['left out as neither image nor video: 1 .txt']


def test_output_folder_is_not_searched(folder):
    assert names('.', leave_out=folder / 'b') == ['a.jpg']
    with pytest.raises(ValueError, match='b/2.png is in the output folder'):
        find_sources(['b/2.png'], leave_out=folder / 'b')


def test_drawings_of_an_earlier_prediction_are_not_searched(folder):
    os.replace('b/c', 'b/drawn')
    (folder / 'b/predictions.jsonl').touch()
    assert names('.', leave_out=folder / 'poses') == ['a.jpg', 'b/1.JPG', 'b/2.png']
    assert names('b/drawn') == names('b/d*/*') == ['b/drawn/3.jpeg']


@pytest.mark.parametrize(
    ('text', 'error', 'message'),
    [
        ('absent.jpg', FileNotFoundError, 'absent.jpg: no such file, folder or camera'),
        ('b/notes.md', ValueError, r'b/notes.md: found no image or video; expected an image \(.bmp .jpeg'),
        ('b/notes.txt', ValueError, 'b/notes.txt: expected one input per line'),
        ('list.txt', FileNotFoundError, 'absent.jpg: no such file, folder or camera'),
        ('*.gif', ValueError, r'\*.gif: found no image or video'),
        ('heic/a.HEIC', ValueError, r'Pillow \(.heic: pip install pillow-heif\) or PyAV opens'),
        ('heic', ValueError, r'heic: found no .*pip install pillow-heif\)'),
        ('empty', ValueError, 'empty: found no image or video'),
        ('7', ValueError, '7: no file has this name, and camera 7 cannot be opened'),
        ('20261130120000', ValueError, '20261130120000: no file has this name, and camera 20261130120000 cannot be'),
        ('b/c/**/*.png', ValueError, 'found no image'),
    ],
)
def test_unusable_input_is_an_error(folder, monkeypatch, text, error, message):
    (folder / 'empty').mkdir()
    (folder / 'b/notes.md').touch()
    (folder / 'list.txt').write_text('a.jpg\nabsent.jpg\n')
    (folder / 'heic').mkdir()
    (folder / 'heic/a.HEIC').write_bytes(b'\0\0\0\x18ftypheic' + bytes(50))
    opencv = cv2.VideoCapture  # it takes no larger number
    monkeypatch.setattr(cv2, 'VideoCapture', lambda index: Camera(0) if index < 2**31 else opencv(index))
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
    assert source == Source('camera 1', 'live') and count_frames([source]) is None
    frames = list(read_frames([source], every_frame=True, reconnect=0))
    assert [frame.index for frame in frames] == [0, 1, 2, 3]
    assert [frame.error for frame in frames[:3]] == [None] * 3
    assert frames[3].error == 'cannot be read: no more images; not back within 0 s; 3 frames were received'
    times = [frame.time for frame in frames[:3]]
    assert times == sorted(times) and camera.released
