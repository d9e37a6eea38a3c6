import io
import re

import cv2
import pytest
from mmpose.registry import DATASETS

from tests.unit.datasets.tiny_files import HEIGHT, WIDTH, build, person, write
from tests.unit.datasets.transforms.test_jpeg import encoded

pytestmark = pytest.mark.usefixtures('mmpose_scope')


def one_image(folder, reader='LoadImage'):
    return build('CocoDataset', pipeline=[dict(type=reader)], **write(folder, [person(1)]))


@pytest.mark.parametrize('reader', ['LoadImage', 'LazyLoadImage'])
def test_unreadable_image(reader, tmp_path):
    dataset, path = one_image(tmp_path, reader), tmp_path / 'one.jpg'
    for data, message in (
        (b'', 'is empty'),
        (b'<html>not found', "not an image.*starts with b'<html>"),
        (encoded(HEIGHT, WIDTH)[:-400], 'is truncated'),
        (encoded(HEIGHT, WIDTH)[:200], 'is truncated'),
        (encoded(HEIGHT, WIDTH, '.png')[:-400], 'is truncated'),
        (None, r'of .*annotations\.json is missing'),
    ):
        path.unlink() if data is None else path.write_bytes(data)
        with pytest.raises(ValueError if data is not None else FileNotFoundError) as raised:
            dataset[0]
        assert re.search(f'image {re.escape(str(path))}.*{message}', str(raised.value))


def test_jpeg_that_opencv_cannot_decode(tmp_path):
    dataset = one_image(tmp_path, 'LazyLoadImage')
    whole = bytearray(encoded(HEIGHT, WIDTH))
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
