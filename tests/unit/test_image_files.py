import io
import re

import pytest
from PIL import Image

from vitpose_base.image_files import check_complete, exif_orientation, open_image, upright_size


def encoded(kind, **options):
    file = io.BytesIO()
    Image.effect_noise((64, 48), 50).save(file, kind, **options)
    return file.getvalue()


def test_complete_files_pass():
    for kind in ('JPEG', 'PNG', 'BMP', 'WEBP'):
        for tail in (0, 32, 100):  # with 100, no end marker is near the end, but Pillow decodes it
            check_complete(encoded(kind) + bytes(tail))


@pytest.mark.parametrize('kind', ['JPEG', 'PNG'])
def test_truncated_files_are_refused(kind, monkeypatch):
    data = encoded(kind)[:-100]
    with pytest.raises(ValueError, match=f'^truncated: {len(data)} bytes without an end marker'):
        check_complete(data)
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 100)  # too many to decode
    with pytest.raises(ValueError, match=r'^truncated: .*exceeds limit of 200 pixels'):
        check_complete(data)


def test_pillow_is_required(root):
    """Without it intact JPEG files with bytes after their end would be refused as truncated."""
    assert re.search(r"install_requires=\[.*'pillow>=", (root / 'setup.py').read_text())
    check_complete(encoded('JPEG') + b'\xff\xda trailing bytes')


def test_programs_that_pillow_calls_are_never_started():
    data = encoded('EPS')
    with pytest.raises(OSError, match='cannot identify'):
        open_image(data)


@pytest.mark.parametrize(('orientation', 'size'), [(1, (64, 48)), (3, (64, 48)), (6, (48, 64))])
def test_size_is_that_of_the_upright_image(tmp_path, orientation, size):
    exif = Image.Exif()
    exif[0x112] = orientation
    (tmp_path / 'a.webp').write_bytes(encoded('WEBP', exif=exif))
    assert upright_size(tmp_path / 'a.webp') == size


def test_the_end_marker_of_a_thumbnail_does_not_count():
    data = encoded('JPEG', exif=b'Exif\x00\x00' + encoded('JPEG'))
    assert data.count(b'\xff\xd9') == 2
    with pytest.raises(ValueError, match='truncated'):
        check_complete(data[:-100])


def test_orientation():
    exif = Image.Exif()
    exif[0x112] = 6
    for options, orientation in (({}, 1), ({'exif': exif}, 6)):
        assert exif_orientation(Image.open(io.BytesIO(encoded('JPEG', **options)))) == orientation


def test_formats_are_tried_in_pillows_order(monkeypatch):
    """TGA has no mark: in any other order it could take files of formats that come before it, such as ICO."""
    asked = []
    monkeypatch.setattr(Image, 'open', lambda file, formats: asked.extend(formats))
    open_image(b'')
    assert asked == [name for name in Image.ID if name in asked] and {'ICO', 'JPEG', 'TGA'} <= set(asked)
