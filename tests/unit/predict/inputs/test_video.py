"""Videos are read completely, upright and with their times; damage is reported; what is written can be played."""

import struct
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest

from tests.unit.predict.frames import numbered_images, write_video
from vitpose.predict.inputs.video import VideoWriter, count_video_frames, read_video, read_video_size

av = pytest.importorskip('av')
ONE, W = 1 << 16, 1 << 30  # fixed-point numbers of MP4's display matrix


def corner(image):
    return image[2:14, 2:14].mean()


def write_frames(path, images, times):
    writer = VideoWriter(path)
    for image, time in zip(images, times, strict=True):
        writer.write(image, time)
    assert not path.exists()
    writer.close()


@pytest.mark.parametrize('suffix', ['mp4', 'mkv', 'avi', 'mov', 'ts', 'webm'])
def test_all_frames_with_times(tmp_path, suffix):
    path = tmp_path / f'a.{suffix}'
    write_video(path, numbered_images(30), codec='libvpx' if suffix == 'webm' else 'libx264')
    frames = list(read_video(str(path)))
    assert [(frame.index, frame.error) for frame in frames] == [(i, None) for i in range(30)]
    np.testing.assert_allclose([frame.time for frame in frames], np.arange(30) / 25, atol=1.1e-3)
    np.testing.assert_allclose([corner(frame.image) for frame in frames], np.arange(30) * 4, atol=6)
    assert count_video_frames(str(path)) == 30


@pytest.mark.parametrize(
    ('part', 'indices'),
    [
        (dict(start=0.4), range(10, 30)),
        (dict(end=0.4), range(10)),
        (dict(start=0.19, end=0.81, stride=5), [5, 10, 15, 20]),
        (dict(stride=7), [0, 7, 14, 21, 28]),
    ],
)
def test_parts_keep_the_index_and_time_of_the_whole_video(tmp_path, part, indices):
    path = tmp_path / 'a.mp4'
    write_video(path, numbered_images(30))
    frames = list(read_video(str(path), **part))
    assert [(frame.index, frame.error) for frame in frames] == [(i, None) for i in indices]
    np.testing.assert_allclose([frame.time for frame in frames], np.array(indices) / 25, atol=1e-3)
    np.testing.assert_allclose([corner(frame.image) for frame in frames], np.array(indices) * 4, atol=6)
    assert count_video_frames(str(path), **part) == len(indices)
    (frame,) = read_video(str(path), start=9)
    assert frame.error == 'no frame from 9 to inf s: it lasts 1.20 s; 30 frames were read'


LEAVE_EARLY = """
import sys, av
from vitpose.predict.inputs.video import read_video
av.logging.set_level(av.logging.ERROR)  # as importing older versions of torchvision does
for _ in range(5):
    assert len(list(read_video(sys.argv[1], end=0.2))) == 5
    frames = read_video(sys.argv[1])
    next(frames)
    frames.close()
"""


def test_a_video_that_is_left_early_does_not_hang_where_pyav_logs(tmp_path):
    """A thread of the decoder that logs waited for the lock that the freeing thread held (PyAV's issue 1861)."""
    path = tmp_path / 'a.mp4'
    write_video(path, numbered_images(60, 240, 320))
    subprocess.run([sys.executable, '-c', LEAVE_EARLY, str(path)], check=True, timeout=60)


@pytest.mark.parametrize('stride', [0, -2, 1.5, '5'])
def test_other_strides_are_refused(stride):
    with pytest.raises(ValueError, match=f'^stride={stride!r}: expected an integer >= 1$'):
        next(read_video('a.mp4', stride=stride))


@pytest.mark.parametrize(
    ('matrix', 'shown'),
    [
        ((ONE, 0, 0, 0, ONE, 0, 0, 0, W), lambda image: image),
        ((0, ONE, 0, -ONE, 0, 0, 0, 0, W), lambda image: np.rot90(image, 3)),  # clockwise: a phone held upright
        ((-ONE, 0, 0, 0, -ONE, 0, 0, 0, W), lambda image: np.rot90(image, 2)),
        ((0, -ONE, 0, ONE, 0, 0, 0, 0, W), np.rot90),
        ((-ONE, 0, 0, 0, ONE, 0, 0, 0, W), np.fliplr),  # a front camera
        ((ONE, 0, 0, 0, -ONE, 0, 0, 0, W), np.flipud),
        ((0, ONE, 0, ONE, 0, 0, 0, 0, W), lambda image: image.swapaxes(0, 1)),
        ((0, -ONE, 0, -ONE, 0, 0, 0, 0, W), lambda image: np.rot90(image.swapaxes(0, 1), 2)),
    ],
)
def test_rotation_and_mirroring_in_the_header_are_applied(tmp_path, matrix, shown):
    path = tmp_path / 'a.mp4'
    image = np.zeros((48, 64, 3), np.uint8)
    image[:16, :16] = 255  # upper left
    write_video(path, [image] * 3)
    data = bytearray(path.read_bytes())
    start = data.find(b'tkhd') + 44
    assert struct.unpack_from('>9i', data, start) == (ONE, 0, 0, 0, ONE, 0, 0, 0, W)
    struct.pack_into('>9i', data, start, *matrix)
    path.write_bytes(data)
    expected = shown(image)
    for frame in read_video(str(path)):
        assert frame.image.shape == expected.shape and frame.image.flags.c_contiguous
        assert np.abs(frame.image.astype(int) - expected).mean() < 5


@pytest.mark.parametrize(('ratio', 'height', 'width'), [('16/11', 48, 93), ('8/9', 54, 64), ('1/20', 48, 64)])
@pytest.mark.parametrize('suffix', ['mp4', 'mkv'])
def test_pixels_that_are_not_square_are_made_square(tmp_path, suffix, ratio, height, width):
    path = tmp_path / f'a.{suffix}'
    write_video(path, numbered_images(3), shape=Fraction(ratio))
    frames, problems = [], []
    for frame in read_video(str(path)):
        (frames if frame.error is None else problems).append(frame)
    assert [frame.image.shape for frame in frames] == [(height, width, 3)] * 3
    assert read_video_size(str(path)) == (width, height)
    assert [frame.error for frame in problems] == [
        'pixel aspect ratio 0.05 ignored: expected 1/8 to 8; 3 frames were read'
    ] * (ratio == '1/20')
    write_frames(tmp_path / 'b.mp4', [frame.image for frame in frames], (0, 1, 2))
    with av.open(str(tmp_path / 'b.mp4')) as container:
        (stream,) = container.streams
        assert stream.width / stream.height * float(stream.sample_aspect_ratio or 1) == pytest.approx(
            width / height, rel=0.03
        )


@pytest.mark.parametrize('suffix', ['mp4', 'mkv', 'avi', 'ts'])
def test_video_that_ends_early_keeps_its_frames(tmp_path, suffix):
    path = tmp_path / f'a.{suffix}'
    write_video(path, numbered_images(60), **({'movflags': '+faststart'} if suffix == 'mp4' else {}))
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    *frames, last = read_video(str(path))
    assert 30 < len(frames) < 40 and not any(frame.error for frame in frames)
    assert last.image is None and f'; {len(frames)} frames were read' in last.error
    assert ('of 2.40 s' if suffix in ('mp4', 'mkv') else 'damaged') in last.error


def test_damage_in_the_middle_costs_only_frames_near_it(tmp_path):
    path = tmp_path / 'a.mp4'
    write_video(path, numbered_images(60))
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 3000] = bytes(k * 7919 % 256 for k in range(3000))
    path.write_bytes(data)
    *frames, last = read_video(str(path))
    assert len(frames) > 45 and 'damaged part' in last.error
    assert corner(frames[-1].image) == pytest.approx(59 * 4, abs=6)


@pytest.mark.parametrize('content', ['', 'no video', 'sound', None])
def test_file_without_video_is_one_error(tmp_path, content):
    path = tmp_path / 'a.mp4'
    if content == 'sound':
        with av.open(str(path), 'w') as container:
            stream = container.add_stream('aac', rate=44100)
            sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), 'fltp', 'mono')
            sound.sample_rate = 44100
            container.mux(stream.encode(sound) + stream.encode())
    elif content is not None:
        path.write_text(content)
    (frame,) = read_video(str(path))
    assert frame.image is None and frame.error and '\n' not in frame.error
    assert count_video_frames(str(path)) == 0 and read_video_size(str(path)) == (0, 0)


@pytest.mark.parametrize(('height', 'width'), [(48, 64), (47, 63), (48, 63), (1, 1)])
def test_written_video_can_be_played(tmp_path, height, width):
    path = tmp_path / 'out' / 'a.mp4'
    images = [np.full((height, width, 3), (200, 100, 20 + 5 * i), np.uint8) for i in range(10)]
    write_frames(path, images, np.arange(10) / 20)
    assert [file.name for file in path.parent.iterdir()] == ['a.mp4']
    with av.open(str(path)) as container:
        (stream,) = container.streams
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ('h264', 'yuv420p')
        assert (stream.height, stream.width) == (height + height % 2, width + width % 2)
    data = path.read_bytes()
    assert data.find(b'moov') < data.find(b'mdat')  # it starts to play before all of it is loaded
    frames = list(read_video(str(path)))
    np.testing.assert_allclose([frame.time for frame in frames], np.arange(10) / 20, atol=1e-4)
    for frame, image in zip(frames, images, strict=True):
        assert np.abs(frame.image[:height, :width].astype(int) - image).max() < 12


@pytest.mark.slow
def test_browser_decodes_what_is_written(browser, tmp_path):
    writer = VideoWriter(tmp_path / 'a.mp4')
    for i in range(10):
        writer.write(np.zeros((47, 63, 3), np.uint8), i / 20)
    writer.close()
    path = tmp_path / 'p.html'
    path.write_text('<!DOCTYPE html><video src="a.mp4" muted preload="auto"></video>')
    page = browser.new_page()
    page.goto(path.as_uri())
    page.wait_for_function("document.querySelector('video').readyState >= 2")  # a frame is decoded
    assert page.evaluate("(v => [v.videoWidth, v.videoHeight])(document.querySelector('video'))") == [64, 48]


def test_times_that_do_not_grow_and_other_sizes_are_accepted(tmp_path):
    path = tmp_path / 'a.mp4'
    images = [np.zeros((size * 3 // 4, size, 3), np.uint8) for size in (64, 32, 65, 64)]
    write_frames(path, images, (0, 0.5, 0.5, 0.2))
    frames = list(read_video(str(path)))
    assert [frame.image.shape for frame in frames] == [(48, 64, 3)] * 4
    times = [frame.time for frame in frames]
    assert times == sorted(set(times))


def write_with_sound(path, codec='aac', seconds=2, rate=10, late=0):
    """A video, whose frames begin `late` seconds after its sound."""
    with av.open(str(path), 'w') as container:
        video, audio = container.add_stream('libx264', rate=rate), container.add_stream(codec, rate=48_000)
        video.width, video.height, video.pix_fmt = 64, 48, 'yuv420p'
        video.options = {'x264-params': 'bframes=0'}
        for i, image in enumerate(numbered_images(seconds * rate)):
            frame = av.VideoFrame.from_ndarray(image, 'bgr24')
            frame.pts, frame.time_base = i + late * rate, Fraction(1, rate)
            container.mux(video.encode(frame))
        container.mux(video.encode())
        sine = np.sin(np.arange(48_000 * (seconds + late)) * 0.05).astype(np.float32)[None]
        samples = av.AudioFrame.from_ndarray(sine, 'fltp', 'mono')
        samples.sample_rate, samples.pts = 48_000, 0
        for part in av.AudioResampler(audio.format, 'mono', 48_000).resample(samples):
            container.mux(audio.encode(part))
        container.mux(audio.encode())
    return path


def sound(path):
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(container.streams.audio) if packet.size]


@pytest.mark.parametrize(('count', 'late', 'start'), [(20, 0, 0), (10, 0, 0), (20, 1, 0), (10, 0, 1)])
def test_sound_is_copied_from_the_first_to_the_last_image(tmp_path, count, late, start):
    source = write_with_sound(tmp_path / 'a.mkv', late=late)
    writer = VideoWriter(tmp_path / 'b.mp4', str(source))
    for frame in list(read_video(str(source), start=start))[:count]:
        writer.write(frame.image, frame.time)
    writer.close()
    original, copied = sound(source), sound(tmp_path / 'b.mp4')
    first = next(i for i, packet in enumerate(original) if packet == copied[0])
    assert copied == original[first : first + len(copied)]
    assert len(copied) * 1024 / 48_000 == pytest.approx(count / 10, abs=0.15)
    assert first * 1024 / 48_000 == pytest.approx(late + start, abs=0.05)
    times = [frame.time for frame in read_video(str(tmp_path / 'b.mp4'))]
    np.testing.assert_allclose(times, np.arange(count) / 10, atol=1e-3)


@pytest.mark.parametrize('suffix', ['mkv', 'flv', 'asf', 'mp4'])
def test_sound_that_is_longer_than_the_images_is_no_damage(tmp_path, suffix):
    path = tmp_path / f'a.{suffix}'
    frames = list(read_video(str(write_with_sound(path, late=1))))
    assert [frame.error for frame in frames] == [None] * 20
    assert 20 <= count_video_frames(str(path)) <= 31


@pytest.mark.parametrize(('codec', 'suffix'), [('pcm_s16le', 'mkv'), (None, 'mp4')])
def test_sound_that_mp4_does_not_hold_is_left_out(tmp_path, codec, suffix):
    source = tmp_path / f'a.{suffix}'
    write_with_sound(source, codec) if codec else write_video(source, numbered_images(3))
    writer = VideoWriter(tmp_path / 'b.mp4', str(source))
    writer.write(numbered_images(1)[0], 0)
    writer.close()
    with av.open(str(tmp_path / 'b.mp4')) as container:
        assert len(container.streams.video) == 1 and not container.streams.audio


def test_joined_recordings_have_times_that_grow_and_the_sound_of_the_first(tmp_path):
    source = write_with_sound(tmp_path / 'a.ts')
    count = len(list(read_video(str(source))))
    (tmp_path / 'b.ts').write_bytes(source.read_bytes() * 2)
    writer = VideoWriter(tmp_path / 'b.mp4', str(tmp_path / 'b.ts'))
    frames = list(read_video(str(tmp_path / 'b.ts')))
    np.testing.assert_allclose([frame.time for frame in frames], np.arange(2 * count) / 10, atol=1e-3)
    for frame in frames:
        writer.write(frame.image, frame.time)
    writer.close()
    times = [frame.time for frame in read_video(str(tmp_path / 'b.mp4'))]
    np.testing.assert_allclose(times, np.arange(2 * count) / 10, atol=1e-3)
    assert sound(tmp_path / 'b.mp4')
