"""Read an uploaded image or video, parse the boxes typed for it, and predict it into files."""

from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from vitpose_base.image_files import upright_size

from ..errors import InputError
from ..predict.drawing import DrawStyle
from ..predict.inputs.images import read_frame
from ..predict.inputs.sources import EXPECTED, IMAGES, VIDEOS, Source, read_frames
from ..predict.inputs.video import read_video_size
from ..predict.outputs.drawn_files import file_names, write_jpeg
from ..predict.outputs.output_files import DRAWN, Outputs
from ..predict.outputs.results import count_objects
from ..predict.poses import Frame
from ..predict.predictor import PosePredictor
from . import MAX_IMAGE_PIXELS

MAX_FRAME_PIXELS = 4096 * 2304  # of a video; those of 8K have more
MAX_FRAMES = 1800  # of a video: a minute at 30 frames per second
MAX_PIXELS = 1800 * 1920 * 1080  # of all frames together: 15 seconds in 4K
NO_LIMIT = '`vitpose predict` has no limit'


def write_first_image(file: str, folder: Path) -> Path:
    """Write the image, or the first frame of the video, as a JPEG file. ValueError if it is neither or unreadable."""
    source = _source(file)
    with closing(read_frames([source])) as frames:
        frame = read_frame(next(frames), 0)
    if frame.image is None:
        raise InputError(f'{Path(file).name}: {str(frame.error).removeprefix(f"{file}: ")}')
    _check_pixels(source, frame.image.size // 3)
    path = folder / 'input.jpg'
    write_jpeg(path, frame.image)
    return path


def parse_boxes(text: str) -> np.ndarray | None:
    """Parse boxes, one x1 y1 x2 y2 per line, into (N, 4) float32; None without a line. ValueError for other text."""
    rows = [line.replace(',', ' ').split() for line in text.splitlines() if line.strip()]
    try:
        return np.array(rows, np.float32).reshape(len(rows), 4) if rows else None
    except ValueError:
        raise InputError(f'boxes {text[:200]!r}: expected four numbers per line, x1 y1 x2 y2') from None


def predict_upload(
    predictor: PosePredictor,
    file: str,
    boxes: np.ndarray | None,
    threshold: float,
    folder: Path,
    check: Callable[[], None] = lambda: None,
) -> tuple[Path, list[str]]:
    """Predict an image or a video, draw it without keypoints of scores below `threshold`, and write predictions.jsonl.

    All files are written into `folder`; `boxes` (N, 4), x1 y1 x2 y2 in pixels, are those of all frames; `check` is
    called before each frame, and what it raises ends the prediction. Returns the image (.jpg) or video (.mp4) with
    poses, and notes: counts, and what was left out and why. ValueError if nothing can be predicted or drawn.
    """
    upload = _source(file)
    source = replace(upload, name=Path(file).name)
    notes = dict[str, None]()

    def read() -> Iterator[Frame]:
        pixels = 0
        for count, frame in enumerate(read_frames([upload])):
            check()
            pixels += (size := 0 if frame.image is None else frame.image.size // 3)
            _check_pixels(upload, size)
            if frame.error is None and (count == MAX_FRAMES or pixels > MAX_PIXELS):
                limits = f'at most {MAX_FRAMES:,} frames with {MAX_PIXELS / 1e6:,.0f} million pixels together'
                notes[f'predicted up to frame {count}: the page takes {limits}; {NO_LIMIT}'] = None
                return
            yield replace(frame, boxes=boxes)

    outputs = Outputs(folder, [source], predictor.model.metainfo, style=DrawStyle(kpt_score=threshold))
    with closing(outputs), closing(predictor.stream(read())) as stream:
        for frame, poses in stream:
            error = frame.error and frame.error.removeprefix(f'{file}: ')  # without the folder of the upload
            frame = replace(frame, name=source.name, error=error)
            notes.update(dict.fromkeys([*poses.dropped, *filter(None, [error])]))
            outputs.write(frame, poses)
    notes.update(dict.fromkeys(outputs.broken.values()))
    drawn = folder / DRAWN / file_names([source])[source.name]
    if not drawn.is_file():
        raise InputError(f'{source.name}: {"; ".join(notes) or "no frame could be read"}')
    frames, objects = outputs.frames, count_objects(outputs.people, outputs.metainfo)
    return drawn, [f'{objects} in {frames:,} {"frame" if frames == 1 else "frames"}', *notes]


def _source(file: str) -> Source:
    """Return the source of an upload. ValueError if it is neither image nor video, or has too many pixels."""
    path = Path(file)
    suffix = path.suffix.lower()
    if suffix not in IMAGES | VIDEOS:
        raise InputError(f'{path.name}: expected {EXPECTED}')
    source, size = Source(file, 'image' if suffix in IMAGES else 'video'), (0, 0)
    with suppress(Exception):  # of any library; reading the file says what is wrong
        size = upright_size(path) if source.kind == 'image' else read_video_size(file)
    _check_pixels(source, size[0] * size[1])
    return source


def _check_pixels(source: Source, pixels: int) -> None:
    """Raise a ValueError if an image, or a frame of a video, has too many pixels."""
    is_image = source.kind == 'image'
    most = MAX_IMAGE_PIXELS if is_image else MAX_FRAME_PIXELS
    if pixels > most:
        has = f'{Path(source.name).name}: {pixels / 1e6:,.1f} million pixels'
        what = f'{most / 1e6:,.1f} million in {"an image" if is_image else "a frame of a video"}'
        raise InputError(f'{has}: the page takes at most {what}; {NO_LIMIT}')
