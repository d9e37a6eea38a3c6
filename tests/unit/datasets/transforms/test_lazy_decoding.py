import cv2
import numpy as np

from vitpose_mm.datasets.transforms.image_file import decode_image
from vitpose_mm.datasets.transforms.lazy_decoding import jpeg_size, reduced_to_full_matrix, reduction_factor


def encoded(height, width, extension='.jpg'):
    return cv2.imencode(extension, np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8))[1].tobytes()


def test_sizes_other_formats_and_damaged_headers():
    for size in ((1, 1), (7, 300), (480, 640)):
        assert jpeg_size(encoded(*size)) == size
    whole = encoded(40, 50)
    start = whole.index(b'\xff\xc0')
    assert jpeg_size(encoded(9, 9, '.png')) is None and jpeg_size(b'') is None
    for end in range(2, start + 9):  # cut anywhere before the size
        assert jpeg_size(whole[:end]) is None
    assert jpeg_size(b'\xff\xd8' + b'\xff\xe0\x00\x00' * 50) is None
    assert jpeg_size(whole[: start + 5] + b'\0\0' + whole[start + 7 :]) is None
    assert jpeg_size(whole[:2] + b'\xff\xff\xff' + whole[3:]) == (40, 50)  # filling before a marker
    random = np.random.default_rng(1)
    for _ in range(300):
        damaged = bytearray(whole[:700])
        damaged[random.integers(2, 200)] = random.integers(256)
        size = jpeg_size(bytes(damaged))
        assert size is None or min(size) > 0


def test_reduction_never_enlarges():
    scales = (2, 1, 0.51, 0.5, 0.26, 0.25, 0.125, 0.01)
    assert [reduction_factor(np.eye(2, 3) * scale) for scale in scales] == [1, 1, 1, 2, 2, 4, 8, 8]
    assert reduction_factor(np.array([[0.0, -0.5, 9], [0.2, 0, 9]])) == 2  # the axis that shrinks least counts


def test_reduced_pixels_lie_where_their_average_lies():
    ramp = np.repeat(np.linspace(0, 255, 256, dtype=np.float32)[None], 64, 0)
    data = cv2.imencode('.jpg', np.repeat(ramp[..., None], 3, 2).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 100])[1]
    for factor in (2, 4, 8):
        reduced = decode_image(data.tobytes(), 'ramp.jpg', factor)
        assert reduced.shape == (64 // factor, 256 // factor, 3)
        columns = np.arange(256 // factor)
        where = reduced_to_full_matrix(factor)[0, 0] * columns + reduced_to_full_matrix(factor)[0, 2]
        np.testing.assert_allclose(reduced[3, :, 0], where, atol=1.5)
