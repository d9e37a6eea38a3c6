"""Unreadable and truncated images give an error; complete images of any format are read."""

import io
import re

import cv2
import numpy as np
import pytest
from mmpose.registry import DATASETS
from PIL import Image

from tests.unit.datasets.tiny_files import HEIGHT, WIDTH, build, person, write

pytestmark = pytest.mark.usefixtures('mmpose_scope')


def noise():
    return np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)


def encoded(extension):
    return cv2.imencode(extension, noise())[1].tobytes()


def one_image(folder, reader='LoadImage'):
    return build('CocoDataset', pipeline=[dict(type=reader)], **write(folder, [person(1)]))


@pytest.mark.parametrize(
    ('data', 'message'),
    [
        (b'', 'is empty'),
        (b'<html>not found', "not an image.*starts with b'<html>"),
        (encoded('.jpg')[:-400], 'is truncated'),
        (encoded('.jpg')[:200], 'is truncated'),
        (encoded('.png')[:-400], 'is truncated'),
        (None, r'of .*annotations\.json is missing'),
    ],
    ids=['empty', 'text', 'truncated JPEG', 'JPEG header only', 'truncated PNG', 'missing'],
)
@pytest.mark.parametrize('reader', ['LoadImage', 'LazyLoadImage'])
def test_unreadable_image(data, message, reader, tmp_path):
    dataset, path = one_image(tmp_path, reader), tmp_path / 'one.jpg'
    path.unlink() if data is None else path.write_bytes(data)
    kind = FileNotFoundError if data is None else ValueError
    with pytest.raises(kind, match=f'image {re.escape(str(path))}.*{message}'):
        dataset[0]


def test_truncated_jpeg_with_a_complete_thumbnail(tmp_path):
    thumbnail = encoded('.jpg')
    dataset, path = one_image(tmp_path), tmp_path / 'one.jpg'
    Image.fromarray(noise()).save(path, comment=thumbnail)
    whole = path.read_bytes()
    assert thumbnail in whole
    assert dataset[0]['img'].shape == (HEIGHT, WIDTH, 3)
    path.write_bytes(whole[:-400])
    with pytest.raises(ValueError, match='is truncated'):
        dataset[0]


@pytest.mark.parametrize('extension', ['.jpg', '.png', '.bmp', '.webp'])
@pytest.mark.parametrize('tail', [b'', b'\0' * 32])
def test_complete_image_is_read(extension, tail, tmp_path):
    dataset = one_image(tmp_path)
    (tmp_path / 'one.jpg').write_bytes(encoded(extension) + tail)
    assert dataset[0]['img'].shape == (HEIGHT, WIDTH, 3)


def test_jpeg_that_opencv_cannot_decode(tmp_path):
    dataset = one_image(tmp_path, 'LazyLoadImage')
    whole = bytearray(encoded('.jpg'))
    whole[whole.index(b'\xff\xc0') + 4] = 12  # bits per sample
    (tmp_path / 'one.jpg').write_bytes(whole)
    with pytest.raises(ValueError, match='one.jpg is not an image that OpenCV can read: it starts with'):
        dataset[0]


@pytest.mark.parametrize('reader', ['LoadImage', 'LazyLoadImage'])
@pytest.mark.parametrize('name', ['CheckedCocoDataset', 'UnlabeledDataset'])
def test_each_image_is_read_once(name, reader, tmp_path, monkeypatch):
    """By `open`, which MMEngine and pathlib use, or by OpenCV."""
    files = write(tmp_path, [person(1)])
    options = dict(sources=[str(tmp_path)]) if name == 'UnlabeledDataset' else files
    dataset = DATASETS.build(dict(type=name, pipeline=[dict(type=reader)], **options))
    reads = []

    def counted(function):
        return lambda path, *args, **kwargs: (reads.append(str(path)), function(path, *args, **kwargs))[1]

    for module, function in (('builtins', 'open'), ('io', 'open'), ('cv2', 'haveImageReader'), ('cv2', 'imread')):
        original = dict(builtins=io, io=io, cv2=cv2)[module]
        monkeypatch.setattr(f'{module}.{function}', counted(getattr(original, function)))
    dataset[0]
    assert reads == [str(tmp_path / 'one.jpg')]
