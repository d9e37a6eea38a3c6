"""Every kind of image becomes (H, W, 3) uint8 BGR, as MMPose reads it; damaged files are refused in one line."""

import io
import struct
import sys

import cv2
import numpy as np
import pytest
from mmpose.datasets.transforms import LoadImage
from PIL import Image, features

from vitpose.predict.inputs.images import as_bgr, read_frame, read_image, report_range
from vitpose.predict.inputs.sources import find_sources
from vitpose.predict.poses import Frame

NOISE = np.random.default_rng(0).integers(0, 255, (6, 8, 3), np.uint8)
BGR = cv2.resize(NOISE, (64, 48), interpolation=cv2.INTER_CUBIC)
RGB = Image.fromarray(BGR[..., ::-1])
GRAY = np.repeat(np.asarray(RGB.convert('L'))[..., None], 3, 2)
RGBA = RGB.copy()
RGBA.putalpha(0)
JPEG = dict(quality=100, subsampling=0)


def turned(orientation):
    exif = Image.Exif()
    exif[0x112] = orientation
    return dict(exif=exif)


@pytest.mark.parametrize(
    ('name', 'image', 'options', 'expected'),
    [
        ('color.png', RGB, {}, BGR),
        ('color.bmp', RGB, {}, BGR),
        ('rgba.png', RGBA, {}, BGR),
        ('gray.png', RGB.convert('L'), {}, GRAY),
        ('cmyk.jpg', RGB.convert('CMYK'), JPEG, BGR),
        ('exif-6.png', RGB, turned(6), np.rot90(BGR, -1)),  # shown after turning clockwise
        ('exif-2.jpg', RGB, dict(JPEG, **turned(2)), BGR[:, ::-1]),
        ('1-pixel.png', RGB.crop((0, 0, 1, 1)), {}, BGR[:1, :1]),
        ('16-bit.png', None, {}, BGR),
    ],
)
def test_kinds_of_images(tmp_path, name, image, options, expected):
    path = tmp_path / name
    image.save(path, **options) if image else cv2.imwrite(str(path), BGR.astype(np.uint16) * 256 + 255)
    found = read_image(path)
    assert (found.dtype, found.shape) == (np.uint8, expected.shape)
    assert np.abs(found.astype(int) - expected).max() <= (8 if name.endswith('jpg') else 0)
    np.testing.assert_array_equal(found, LoadImage()(dict(img_path=str(path)))['img'])


TURNS = {
    2: np.fliplr,
    3: lambda image: np.rot90(image, 2),
    4: np.flipud,
    5: lambda image: image.swapaxes(0, 1),
    6: lambda image: np.rot90(image, -1),
    7: lambda image: np.rot90(image.swapaxes(0, 1), 2),
    8: np.rot90,
}


@pytest.mark.parametrize('kind', ['jpeg', 'png', 'webp', 'tiff', 'avif'])
@pytest.mark.parametrize('orientation', TURNS)
def test_exif_orientation_of_every_kind_of_file(tmp_path, kind, orientation):
    if kind in ('webp', 'avif') and not features.check(kind):
        pytest.skip(f'this Pillow cannot write {kind}')
    RGB.save(tmp_path / f'a.{kind}', **turned(orientation))
    found = read_image(tmp_path / f'a.{kind}')
    expected = TURNS[orientation](BGR)
    assert found.shape == expected.shape and found.flags.c_contiguous
    assert np.abs(found.astype(int) - expected).mean() < 12


@pytest.mark.parametrize('suffix', ['png', 'tif'])
@pytest.mark.parametrize(('bits', 'line'), [(10, '1,023 are read as 10 bits'), (12, '4,095 are read as 12'), (16, '')])
@pytest.mark.parametrize('gray', [False, True])
def test_range_of_16_bit_files_is_that_of_their_values(tmp_path, suffix, bits, line, gray, caplog, capfd):
    report_range.cache_clear()  # a run starts
    image = (GRAY[..., 0] if gray else BGR).astype(np.uint16) << (bits - 8)
    image.flat[0] = 2**bits - 1
    cv2.imwrite(str(tmp_path / f'a.{suffix}'), image)
    for found in (read_image(tmp_path / f'a.{suffix}'), as_bgr(image)):
        expected = (np.repeat(image[..., None], 3, 2) if gray else image) >> (bits - 8)
        assert found.dtype == np.uint8 and np.abs(found.astype(int) - expected).max() <= 1
    assert [line in note for note in caplog.messages] == [True] * bool(line)
    assert not capfd.readouterr().err  # of libraries


@pytest.mark.parametrize('installed', [True, False])
def test_heic_with_and_without_pillow_heif(tmp_path, installed, monkeypatch):
    data = b'\0\0\0\x18ftypheic' + bytes(50)
    if installed:
        module = pytest.importorskip('pillow_heif')
        file = io.BytesIO()
        module.from_pillow(RGB).save(file, quality=100)
        data = file.getvalue()
    else:
        monkeypatch.setitem(sys.modules, 'pillow_heif', None)
    (tmp_path / 'a.heic').write_bytes(data)
    if installed:
        assert np.abs(read_image(tmp_path / 'a.heic').astype(int) - BGR).mean() < 12
        assert find_sources([str(tmp_path)])[0].kind == 'image'
    else:
        with pytest.raises(ValueError, match='a.heic: HEIC files need .*: pip install pillow-heif'):
            read_image(tmp_path / 'a.heic')


def test_dark_images_of_8_bits_stay_dark(tmp_path):
    cv2.imwrite(str(tmp_path / 'a.png'), BGR // 16)
    np.testing.assert_array_equal(read_image(tmp_path / 'a.png'), BGR // 16)


def test_pillow_reads_what_opencv_cannot(tmp_path, monkeypatch):
    for suffix in ('tga', 'gif'):
        RGB.save(tmp_path / f'a.{suffix}')
    assert np.abs(read_image(tmp_path / 'a.gif').astype(int) - BGR).mean() < 20
    monkeypatch.setattr(cv2, 'imdecode', lambda *_: None)
    np.testing.assert_array_equal(read_image(tmp_path / 'a.tga'), BGR)


@pytest.mark.parametrize('suffix', ['jpg', 'png', 'bmp', 'tif'])
@pytest.mark.parametrize('part', [0.9, 0.3])
def test_truncated_files_are_refused(tmp_path, suffix, part, monkeypatch):
    path = tmp_path / f'a.{suffix}'
    RGB.save(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(part * len(data))])
    if suffix == 'jpg':  # OpenCV accepts some
        monkeypatch.setattr(cv2, 'imdecode', lambda *_: BGR)
    expected = 'truncated: [0-9]+ bytes without an end marker' if suffix in ('jpg', 'png') else 'not an image'
    with pytest.raises(ValueError, match=f'^{path}: {expected}[^\n]*$'):
        read_image(path)


@pytest.mark.parametrize(
    ('data', 'message'),
    [
        (b'', r'empty \(0 bytes\)'),
        (b'no image', "it starts with b'no image'"),
        (struct.pack('<2s8x2I2i2H24x', b'BM', 54, 40, 65536, 65536, 1, 24), 'pixels <= CV_IO_MAX_IMAGE_PIXELS.*'),
    ],
)
def test_other_files_are_refused(tmp_path, data, message):
    (tmp_path / 'a.jpg').write_bytes(data)
    with pytest.raises(ValueError, match=f'a.jpg: [^\n]*{message}$'):
        read_image(tmp_path / 'a.jpg')


@pytest.mark.parametrize('dtype', [np.float32, np.int32])
def test_32_bits_are_refused_rather_than_cut_off(tmp_path, dtype):
    Image.fromarray(GRAY[..., 0].astype(dtype)).save(tmp_path / 'a.tif')
    with pytest.raises(ValueError, match='a.tif: expected 8-bit or unsigned 16-bit pixels'):
        read_image(tmp_path / 'a.tif')


def test_arrays():
    for array in (BGR, np.dstack((BGR, BGR[..., 0])), BGR.astype(np.uint16) * 256 + 7):
        np.testing.assert_array_equal(as_bgr(array), BGR)
    for array in (GRAY[..., 0], GRAY[..., :1]):
        np.testing.assert_array_equal(as_bgr(array), GRAY)
    assert as_bgr(BGR[:, ::2]).flags.c_contiguous


@pytest.mark.parametrize(
    ('array', 'message'),
    [
        (np.zeros((4, 4, 3), np.float32), r'shape \(4, 4, 3\) and type float32: expected uint8'),
        (np.zeros((4, 4, 2), np.uint8), r'shape \(4, 4, 2\) .*1, 3 \(BGR\) or 4'),
        (np.zeros((0, 4, 3), np.uint8), r'shape \(0, 4, 3\)'),
        (np.zeros(4, np.uint8), r'shape \(4,\)'),
    ],
)
def test_other_arrays_are_refused(array, message):
    with pytest.raises(ValueError, match=message):
        as_bgr(array)
    assert read_frame(array, 3).error.startswith('image 3: image of shape')


def test_a_frame_is_read_from_its_name_unless_it_has_an_image_or_an_error(tmp_path):
    RGB.save(tmp_path / 'a.png')
    name = str(tmp_path / 'a.png')
    np.testing.assert_array_equal(read_frame(tmp_path / 'a.png', 0).image, BGR)
    assert read_frame(Frame(name, None, index=3), 0).index == 3
    assert read_frame(Frame(name, BGR[:5]), 0).image.shape == (5, 64, 3)
    assert read_frame(Frame(name, BGR, error='stale'), 0).image is None
    missing = read_frame(tmp_path / 'b.png', 0)
    assert (missing.image, missing.error) == (None, f'{tmp_path / "b.png"}: No such file or directory')
