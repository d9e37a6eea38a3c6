"""Every kind of image becomes (H, W, 3) uint8 BGR, as MMPose reads it; damaged files are refused in one line."""

import cv2
import numpy as np
import pytest
from mmpose.datasets.transforms import LoadImage
from PIL import Image

from vitpose.predict.inputs.images import as_bgr, read_frame, read_image
from vitpose.predict.poses import Frame

BGR = cv2.resize(
    np.random.default_rng(0).integers(0, 255, (6, 8, 3), np.uint8), (64, 48), interpolation=cv2.INTER_CUBIC
)
RGB = Image.fromarray(BGR[..., ::-1])


def turned(orientation):
    exif = Image.Exif()
    exif[0x112] = orientation
    return dict(exif=exif)


def save(path, kind):
    if kind == '16-bit.png':
        cv2.imwrite(str(path), BGR.astype(np.uint16) * 256 + 255)
    elif kind == 'rgba.png':
        Image.fromarray(np.dstack((BGR[..., ::-1], np.zeros((48, 64), np.uint8)))).save(path)
    elif kind == 'grey.png':
        RGB.convert('L').save(path)
    elif kind == 'cmyk.jpg':
        RGB.convert('CMYK').save(path, quality=100, subsampling=0)
    elif kind == 'exif-6.png':
        RGB.save(path, **turned(6))
    elif kind == 'exif-2.jpg':
        RGB.save(path, quality=100, subsampling=0, **turned(2))
    elif kind == '1-pixel.png':
        RGB.crop((0, 0, 1, 1)).save(path)
    else:
        RGB.save(path)


GREY = np.repeat(np.asarray(RGB.convert('L'))[..., None], 3, 2)
EXPECTED = {
    'colour.png': BGR,
    'colour.bmp': BGR,
    '16-bit.png': BGR,
    'rgba.png': BGR,
    'grey.png': GREY,
    'cmyk.jpg': BGR,
    'exif-6.png': np.rot90(BGR, -1),  # shown after turning clockwise
    'exif-2.jpg': BGR[:, ::-1],
    '1-pixel.png': BGR[:1, :1],
}


@pytest.mark.parametrize('kind', EXPECTED)
def test_kinds_of_images(tmp_path, kind):
    path = tmp_path / kind
    save(path, kind)
    image = read_image(path)
    assert (image.dtype, image.shape) == (np.uint8, EXPECTED[kind].shape)
    assert np.abs(image.astype(int) - EXPECTED[kind]).max() <= (8 if kind.endswith('jpg') else 0)
    np.testing.assert_array_equal(image, LoadImage()(dict(img_path=str(path)))['img'])


@pytest.mark.parametrize('kind', ['colour.jpg', 'colour.png', 'colour.bmp', 'colour.tif'])
@pytest.mark.parametrize('part', [0.9, 0.3])
def test_truncated_files_are_refused(tmp_path, kind, part):
    save(tmp_path / kind, kind)
    data = (tmp_path / kind).read_bytes()
    (tmp_path / kind).write_bytes(data[: int(part * len(data))])
    with pytest.raises(ValueError, match=f'^{tmp_path / kind}: [^\n]*$'):
        read_image(tmp_path / kind)


def test_a_truncated_jpeg_that_opencv_accepts_is_refused(tmp_path, monkeypatch):
    save(tmp_path / 'a.jpg', 'a.jpg')
    data = (tmp_path / 'a.jpg').read_bytes()
    (tmp_path / 'a.jpg').write_bytes(data[:-200])
    monkeypatch.setattr(cv2, 'imdecode', lambda *_: BGR)
    with pytest.raises(ValueError, match='a.jpg: truncated: [0-9]+ bytes without an end marker'):
        read_image(tmp_path / 'a.jpg')


@pytest.mark.parametrize(
    ('data', 'message'), [(b'', r'empty file \(0 bytes\)'), (b'no image', "it starts with b'no image'")]
)
def test_other_files_are_refused(tmp_path, data, message):
    (tmp_path / 'a.jpg').write_bytes(data)
    with pytest.raises(ValueError, match=f'a.jpg: [^\n]*{message}$'):
        read_image(tmp_path / 'a.jpg')


def test_arrays():
    alpha = np.dstack((BGR, BGR[..., 0]))
    for array in (BGR, alpha, BGR.astype(np.uint16) * 256 + 7):
        np.testing.assert_array_equal(as_bgr(array), BGR)
    for array in (GREY[..., 0], GREY[..., :1]):
        np.testing.assert_array_equal(as_bgr(array), GREY)
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
    save(tmp_path / 'a.png', 'a.png')
    name = str(tmp_path / 'a.png')
    np.testing.assert_array_equal(read_frame(tmp_path / 'a.png', 0).image, BGR)
    assert read_frame(Frame(name, None, index=3), 0).index == 3
    assert read_frame(Frame(name, BGR[:5]), 0).image.shape == (5, 64, 3)
    assert read_frame(Frame(name, BGR, error='stale'), 0).image is None
    missing = read_frame(tmp_path / 'b.png', 0)
    assert (missing.image, missing.error) == (None, f'{tmp_path / "b.png"}: No such file or directory')
