"""Made-up frames, predictions, images and videos."""

import numpy as np
import pytest

from vitpose.predict.poses import Frame, Poses

METAINFO = dict(
    dataset_name='three',
    keypoint_id2name={0: 'head', 1: 'left_foot', 2: 'right_foot'},
    skeleton_links=[(0, 1), (0, 2)],
    keypoint_colors=np.array([(255, 0, 0), (0, 255, 0), (0, 0, 255)]),
    skeleton_link_colors=np.array([(255, 255, 0), (0, 255, 255)]),
)


def make_frame(name='a.jpg', height=60, width=80, **values):
    return Frame(name, np.full((height, width, 3), 128, np.uint8), **values)


def make_poses(count=1, track=False, dropped=()):
    """People with three keypoints, each 15 pixels to the right of the one before."""
    shift = np.arange(count, dtype=np.float32)[:, None] * 15
    keypoints = np.float32([(10, 5), (8, 45), (14, 45)]) + shift[..., None] * np.float32([1, 0])
    boxes = np.float32([(4, 2, 18, 50)]) + shift * np.float32([1, 0, 1, 0])
    scores, box_scores = np.tile(np.float32([0.9, 0.8, 0.1]), (count, 1)), np.ones(count, np.float32)
    rows, tracks = np.arange(count), np.arange(count) if track else None
    return Poses(keypoints, scores, boxes, box_scores, rows, tracks, list(dropped))


def write_video(path, images, rate=25, codec='libx264', shape=None, **options):
    """Write a video with PyAV alone; `shape` is width / height of its pixels."""
    av = pytest.importorskip('av')
    with av.open(str(path), 'w', options=options) as container:
        stream = container.add_stream(codec, rate=rate)
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = 'yuv420p'
        if shape:
            stream.codec_context.sample_aspect_ratio = shape
        stream.options = {'preset': 'ultrafast', 'g': '5'}
        for image in images:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, 'bgr24')))
        container.mux(stream.encode())


def numbered_images(count, height=48, width=64):
    """Noise, so that a video of it is large, with the number as the brightness of the upper left corner."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (count, height, width, 3), np.uint8)
    images[:, :16, :16] = (np.arange(count) * 4 % 256)[:, None, None, None]
    return list(images)
