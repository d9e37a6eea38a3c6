"""Videos, read and written with PyAV."""

import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from vitpose_base.files import replacing

from ...errors import InputError, one_line
from ..optional_imports import import_optional
from ..poses import Frame
from .urls import TIMEOUT_S

MAX_STRETCH = 8  # of pixels that are not square; what exceeds it is a damaged header
JOINT_S = 1.0  # by how much times go back at least where recordings were joined, such as .mts files of a camera
TICKS_PER_S = 90_000  # of the timestamps in written videos
OPTIONS = {'crf': '23', 'preset': 'veryfast'}  # of the H.264 encoder
SMALL_MEMORY = {'x264-params': 'bframes=0:rc-lookahead=0:sync-lookahead=0'}  # saves 400 MB at 3840x2160
LARGE_FRAME_PIXELS = 4_000_000  # above, decoder and encoder save memory
SOUND = {'aac', 'mp3', 'opus', 'flac', 'alac', 'ac3', 'eac3'}  # codecs that are copied into MP4


def is_video(path: Path) -> bool:
    """Answer whether PyAV, if installed, decodes a picture of a file that is neither a still image nor a cover."""
    with suppress(Exception):  # each format raises its own
        import av

        with path.open('rb') as file:
            if b'\0' not in file.read(4096):  # text, which PyAV draws, or follows as a playlist
                return False
        with av.open(str(path), options={'formatprobesize': '8192'}) as container:  # its default takes up to 0.3 s
            stream = container.streams.video[0]
            still = 'pipe' in container.format.name or stream.disposition & av.stream.Disposition.attached_pic
            return not still and next(container.decode(stream), None) is not None
    return False


def count_video_frames(name: str, start: float = 0, end: float = math.inf, stride: int = 1) -> int:
    """Estimate by the header of a video how many frames `read_video` reads; 0 if it has none or cannot be read."""
    av = import_optional('av', 'reading videos')
    with suppress(Exception), open_video(av, name) as container:  # reading it says what is wrong
        stream = container.streams.video[0]
        rate = stream.average_rate or 0
        count = stream.frames or round((_seconds(container, stream) or (container.duration or 0) / 1e6) * rate)
        return max(0, math.ceil((min(count, end * rate) - start * rate) / stride))
    return 0


def read_video_size(name: str) -> tuple[int, int]:
    """Return width and height of a video by its header, with square pixels; (0, 0) if it cannot be read."""
    av = import_optional('av', 'reading videos')
    with suppress(Exception), open_video(av, name) as container:  # reading it says what is wrong
        stream = container.streams.video[0]
        return _square_size(stream, find_stretch(stream))
    return 0, 0


def read_video(name: str, start: float = 0, end: float = math.inf, stride: int = 1) -> Iterator[Frame]:
    """Decode a video: frames as they are shown; their times count from the first one.

    Frames from `start` up to before `end`, in seconds, are read, and of these each `stride`-th one, at least 1; index
    and time are those in the whole video.

    They are turned and mirrored as the display matrix says. If the pixels are not square, the frames are enlarged along
    one side until they are. Times that start again, as in joined recordings, are continued. Damaged parts are skipped,
    and a ratio beyond `MAX_STRETCH` is ignored. If there are any, or if the video ends before the time in its header,
    or cannot be opened, the last item is a `Frame` without image whose `error` says so. ValueError for another stride.
    """
    av = import_optional('av', 'reading videos')
    if not isinstance(stride, int | np.integer) or stride < 1:
        raise InputError(f'stride={stride!r}: expected an integer >= 1')
    index, kept, damaged, first, now, until, problems = 0, 0, 0, 0.0, 0.0, 0.0, []
    try:
        with open_video(av, name) as container:
            if not container.streams.video:
                raise InputError('no video in this file')
            stream = container.streams.video[0]
            stream.thread_type = 'SLICE' if stream.width * stream.height > LARGE_FRAME_PIXELS else 'AUTO'  # less memory
            seconds, rate = _seconds(container, stream), float(stream.average_rate or 30)
            stretch, shape = find_stretch(stream), float(stream.sample_aspect_ratio or 1)
            if stretch != shape:
                problems.append(f'pixel aspect ratio {shape:g} ignored: expected 1/{MAX_STRETCH} to {MAX_STRETCH}')
            for picture in decode(av, container, stream):
                damaged += picture is None or picture.is_corrupt
                if picture is None:
                    continue
                time = index / rate if picture.time is None else picture.time
                first = time if index == 0 else first
                if time - first < now - JOINT_S:
                    first = time - until
                now = time - first
                if now >= end:
                    break
                until = now + (float(picture.duration * picture.time_base) if picture.duration else 1 / rate)
                if now >= start:
                    if kept % stride == 0:
                        yield Frame(name, as_shown(picture, stretch), index, now)
                    kept += 1
                index += 1
            if damaged:
                problems.append(f'damaged parts: {damaged}')
            if seconds and now < end and until < seconds - max(3 / rate, 0.1):
                problems.append(f'ends after {until:.2f} of {seconds:.2f} s')
            if index and not kept:
                problems.append(f'no frame from {start:g} to {end:g} s: it lasts {until:.2f} s')
    except Exception as problem:  # of any library, while it decodes
        problems = [describe_failure(problem)]
    if problems or not index:
        yield Frame(name, None, index, error='; '.join((*problems, f'{index} frames were read')))


class VideoWriter:
    """Write an H.264 video that browsers play: MP4, yuv420p, BT.709, index at the start.

    The file appears under its name when `close` is called. Images with an odd width or height get one more column or
    row; images of another size than the first one's are scaled to it. `sound` is a video whose first audio stream, if
    its codec is in `SOUND`, is copied up to the last image, or until its times start again.
    """

    def __init__(self, path: Path, sound: str | None = None) -> None:
        self._av = import_optional('av', 'writing videos')
        self._stack = ExitStack()
        part, options = self._stack.enter_context(replacing(path)), {'movflags': '+faststart'}
        self._container = self._stack.enter_context(self._av.open(str(part), 'w', format='mp4', options=options))
        self._stream: Any = None
        self._last = -1
        self._sound, self._start, self._shift = sound, 0.0, 0.0
        self._audio: Any = None
        self._packets: Any = iter(())
        self._last_packet = -math.inf  # its time in ticks

    def write(self, image: np.ndarray, time: float) -> None:
        """Append an image (H, W, 3) uint8 BGR; `time` is in seconds, those of the first image become 0."""
        height, width = image.shape[:2]
        if height % 2 or width % 2:
            image = cv2.copyMakeBorder(image, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
        if self._stream is None:
            options = OPTIONS | (SMALL_MEMORY if image.size > 3 * LARGE_FRAME_PIXELS else {})
            self._stream = stream = self._container.add_stream('libx264', rate=30, options=options)
            stream.height, stream.width = image.shape[:2]
            stream.pix_fmt, context = 'yuv420p', stream.codec_context
            context.time_base = Fraction(1, TICKS_PER_S)
            context.color_primaries = context.color_trc = context.colorspace = 1  # BT.709
            self._start = time
            with suppress(OSError, self._av.error.FFmpegError):  # the file is gone
                self._open_sound()
        if image.shape[1::-1] != (size := (self._stream.width, self._stream.height)):
            image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        picture = self._av.VideoFrame.from_ndarray(image, 'bgr24')
        picture = picture.reformat(format='yuv420p', dst_colorspace='ITU709', dst_color_range='MPEG')
        picture.pts = self._last = max(round((time - self._start) * TICKS_PER_S), self._last + 1)
        picture.time_base = Fraction(1, TICKS_PER_S)
        self._container.mux(self._stream.encode(picture))
        self._copy_sound(time - self._start)

    def _open_sound(self) -> None:
        if not self._sound:
            return
        source = self._stack.enter_context(open_video(self._av, self._sound))
        for stream in source.streams.audio[:1]:
            if stream.codec_context.name in SOUND:
                video = source.streams.video[0]
                self._shift = self._start + float((video.start_time or 0) * video.time_base)
                self._audio = self._container.add_stream_from_template(stream)
                self._packets = source.demux(stream)

    def _copy_sound(self, until: float) -> None:
        """Copy the packets up to a time in seconds since the first image; a damaged rest is left out."""
        while self._audio:
            packet = None
            with suppress(self._av.error.FFmpegError):
                packet = next(self._packets, None)
            if not packet or packet.pts is None or packet.dts is None or packet.dts <= self._last_packet:
                break
            self._last_packet = packet.dts
            shift = round(self._shift / packet.time_base)
            packet.pts, packet.dts, packet.stream = packet.pts - shift, packet.dts - shift, self._audio
            if packet.pts >= 0:
                self._container.mux(packet)
            if packet.pts * packet.time_base >= until:
                return
        self._audio = None

    def close(self) -> None:
        """Finish the file."""
        with self._stack:
            if self._stream is not None:
                self._container.mux(self._stream.encode())


@contextmanager
def open_video(av: Any, name: str, **options: str) -> Iterator[Any]:
    """Open a video or stream with PyAV, whose exceptions it raises, also after `TIMEOUT_S` without an answer."""
    with av.open(name, options=options, timeout=TIMEOUT_S if '://' in str(name) else None) as container:
        try:
            yield container
        finally:
            # threads still decode a video that is left early: PyAV would wait for them with the GIL held, and they for
            # the GIL if PyAV logs, which older versions of torchvision turn on
            for stream in container.streams.video:
                if stream.codec_context:
                    stream.codec_context.flush_buffers()


def describe_failure(problem: Exception) -> str:
    """Say in one line why a video or stream cannot be read."""
    if type(problem).__name__ == 'ExitError':  # PyAV's, whose text is 'Immediate exit requested'
        return f'no answer for {TIMEOUT_S} s'
    return getattr(problem, 'strerror', None) or one_line(problem)


def find_stretch(stream: Any) -> float:
    """Return width / height of a pixel by the header; 1 if it exceeds `MAX_STRETCH`."""
    shape = float(stream.sample_aspect_ratio or 1)
    return shape if 1 / MAX_STRETCH <= shape <= MAX_STRETCH else 1.0


def _square_size(picture: Any, stretch: float) -> tuple[int, int]:
    """Compute width and height of a decoded frame, or of a video stream by its header, with square pixels."""
    return round(picture.width * max(stretch, 1)), round(picture.height / min(stretch, 1))


def as_shown(picture: Any, stretch: float) -> np.ndarray:
    """Convert a decoded frame to (H, W, 3) uint8 BGR with square pixels, turned and mirrored by its display matrix."""
    width, height = _square_size(picture, stretch)
    image = picture.to_ndarray(format='bgr24', width=width, height=height)
    matrix = picture.side_data.get('DISPLAYMATRIX')
    if matrix is not None:  # rows a b u, c d v, x y w: a pixel x y is shown at a x + c y, b x + d y
        a, b, _, c, d = np.frombuffer(matrix, np.int32)[:5].tolist()
        if abs(b) + abs(c) > abs(a) + abs(d):
            image, a, d = image.swapaxes(0, 1), c, b
        image = image[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]
    return np.ascontiguousarray(image)


def decode(av: Any, container: Any, stream: Any) -> Iterator[Any]:
    """Yield the decoded frames, and None for each packet that cannot be decoded."""
    for packet in container.demux(stream):
        try:
            yield from packet.decode()
        except av.error.EOFError:
            return
        except av.error.FFmpegError:
            yield None


def _seconds(container: Any, stream: Any) -> float | None:
    """Return the duration of the video stream by the headers; None if they only tell that of the whole file."""
    is_alone = len(container.streams) == 1
    if stream.duration and (is_alone or container.format.name != 'asf'):  # in which all streams have the file's
        return float(stream.duration * stream.time_base)
    try:  # Matroska's tag counts from the start of the file
        hours, minutes, seconds = map(float, stream.metadata.get('DURATION', '').split(':'))
        return hours * 3600 + minutes * 60 + seconds - float((stream.start_time or 0) * stream.time_base)
    except ValueError:
        return container.duration / 1e6 if is_alone and container.duration else None
