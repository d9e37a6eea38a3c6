"""Truncated image files, and their EXIF orientation."""

import io
import sys

import pytest
from PIL import Image

from vitpose_base.image_files import check_complete, exif_orientation


def encoded(kind, **options):
    file = io.BytesIO()
    Image.effect_noise((64, 48), 50).save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize('kind', ['JPEG', 'PNG', 'BMP'])
def test_complete_files_pass(kind):
    check_complete(encoded(kind))


@pytest.mark.parametrize('kind', ['JPEG', 'PNG'])
def test_truncated_files_are_refused(kind, monkeypatch):
    data = encoded(kind)[:-100]
    with pytest.raises(ValueError, match=f'^truncated: {len(data)} bytes without an end marker'):
        check_complete(data)
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 100)  # too many to decode
    with pytest.raises(ValueError, match=r'^truncated: .*exceeds limit of 200 pixels'):
        check_complete(data)
    monkeypatch.setitem(sys.modules, 'PIL', None)
    with pytest.raises(ValueError, match=f'^truncated: {len(data)} bytes without an end marker'):
        check_complete(data)


def test_the_end_marker_of_a_thumbnail_does_not_count():
    data = encoded('JPEG', exif=b'Exif\x00\x00' + encoded('JPEG'))
    assert data.count(b'\xff\xd9') == 2
    with pytest.raises(ValueError, match='truncated'):
        check_complete(data[:-100])


def test_a_png_without_end_marker_near_its_end_passes_if_pillow_decodes_it():
    check_complete(encoded('PNG') + bytes(100))


@pytest.mark.parametrize('orientation', [1, 6])
def test_orientation(orientation):
    exif = Image.Exif()
    exif[0x112] = orientation
    data = encoded('JPEG', **({} if orientation == 1 else {'exif': exif}))
    assert exif_orientation(Image.open(io.BytesIO(data))) == orientation
