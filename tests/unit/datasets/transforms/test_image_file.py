import io
import re

import cv2
import numpy as np
import pytest
from mmpose.registry import DATASETS
from PIL import Image

from tests.unit.datasets.tiny_files import HEIGHT, WIDTH, build, person, write
from tests.unit.datasets.transforms.test_lazy_decoding import encoded
from vitpose.predict.inputs.images import read_image

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


@pytest.mark.parametrize('reader', ['LoadImage', 'LazyLoadImage'])
def test_webp_files_are_turned_upright_as_in_prediction(reader, tmp_path):
    """OpenCV applies the EXIF orientation to JPEG, PNG and TIFF files alone."""
    dataset = one_image(tmp_path, reader)
    noise = Image.effect_noise((HEIGHT, WIDTH), 80).convert('RGB')
    exif = Image.Exif()
    exif[0x112] = 6  # turn clockwise
    noise.save(tmp_path / 'one.jpg', 'WEBP', exif=exif, lossless=True)
    sample = dataset[0]
    expected = np.rot90(np.asarray(noise), -1)[..., ::-1]
    np.testing.assert_array_equal(sample['img' if reader == 'LoadImage' else 'image_file'], expected)
    assert tuple(sample['img_shape']) == expected.shape[:2] == (HEIGHT, WIDTH)
    np.testing.assert_array_equal(read_image(tmp_path / 'one.jpg'), expected)


def test_jpeg_that_opencv_cannot_decode(tmp_path):
    dataset = one_image(tmp_path, 'LazyLoadImage')
    whole = bytearray(encoded(HEIGHT, WIDTH))
    whole[whole.index(b'\xff\xc0') + 4] = 12  # bits per sample
    (tmp_path / 'one.jpg').write_bytes(whole)
    with pytest.raises(ValueError, match='one.jpg is not an image that OpenCV or Pillow can read: it starts with'):
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
