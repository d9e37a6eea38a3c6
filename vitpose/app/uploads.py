"""An uploaded image or video: its first picture, the boxes typed for it, its predicted files."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np

from ..predict.inputs.sources import EXPECTED, IMAGES, VIDEOS, Source, read_frames
from ..predict.outputs.drawing import draw_poses
from ..predict.outputs.pictures import Pictures, file_names
from ..predict.outputs.results import JsonLines
from ..predict.poses import Frame
from ..predict.predictor import PosePredictor

LONGEST = 1800  # frames of a video that are predicted: a minute of 30 per second
LINES = 'predictions.jsonl'


@dataclass
class Predicted:
    """What was predicted.

    Attributes:
        drawn: image (.jpg) or video (.mp4) with poses.
        lines: `predictions.jsonl`, as `vitpose predict` writes it, with poses of any score.
        notes: counts, and what was left out and why; one per line.
    """

    drawn: Path
    lines: Path
    notes: list[str]


def first_image(file: str) -> np.ndarray:
    """The image, or the first frame of the video, (H, W, 3) uint8 BGR.

    Raises:
        ValueError: it is neither, or cannot be read.
    """
    from ..predict.inputs.images import read_frame

    frame = read_frame(next(_frames(file)), 0)
    if frame.image is None:
        raise ValueError(f'{Path(file).name}: {_reason(frame)}')
    return frame.image


def parse_boxes(text: str) -> np.ndarray | None:
    """One box per line, x1 y1 x2 y2, separated by spaces or commas -> (N, 4) float32, or None for no line.

    Raises:
        ValueError: a line is not four numbers.
    """
    boxes = []
    for line in filter(str.strip, text.splitlines()):
        try:
            x1, y1, x2, y2 = map(float, line.replace(',', ' ').split())
        except ValueError:
            raise ValueError(f'box {line.strip()[:80]!r}: expected four numbers, x1 y1 x2 y2') from None
        boxes.append((x1, y1, x2, y2))
    return np.array(boxes, np.float32) if boxes else None


def predict_upload(
    predictor: PosePredictor, file: str, boxes: np.ndarray | None, threshold: float, folder: Path
) -> Predicted:
    """Predict, draw and write an image or a video.

    Args:
        predictor: with a detector or without.
        file: image or video.
        boxes: (N, 4) x1 y1 x2 y2 in pixels, for all frames; None: the detector, or else the whole image.
        threshold: keypoints with a lower score are not drawn.
        folder: to write into; it has no other files.

    Raises:
        ValueError: the file is neither image nor video, or nothing in it can be read.
        OSError: a file cannot be written.
    """
    source = replace(_source(file), name=Path(file).name)
    lines, pictures = JsonLines(folder / LINES), Pictures(folder, [source])
    frames, people, notes = 0, 0, dict[str, None]()
    given = (replace(frame, boxes=boxes) for frame in islice(_frames(file), LONGEST))
    with closing(lines), closing(pictures):
        for frame, poses in predictor.stream(given):
            frame = replace(frame, name=source.name, error=frame.error and _reason(frame))
            lines.write(frame, poses)
            notes.update(dict.fromkeys([*poses.dropped, *([frame.error] if frame.error else [])]))
            if frame.image is not None:
                pictures.write(frame, draw_poses(frame.image, poses, predictor.model.metainfo, threshold))
                frames += 1
                people += len(poses.keypoints)
    if not frames:
        raise ValueError(f'{source.name}: {"; ".join(notes) or "no frame could be read"}')
    if frames == LONGEST:
        notes[f'a video is predicted up to its frame {LONGEST}; `vitpose predict` has no limit'] = None
    counts = f'{people} {"person" if people == 1 else "people"} in {frames} {"frame" if frames == 1 else "frames"}'
    return Predicted(folder / file_names([source])[source.name], folder / LINES, [counts, *notes])


def _frames(file: str) -> Iterator[Frame]:
    return read_frames([_source(file)])


def _source(file: str) -> Source:
    suffix = Path(file).suffix.lower()
    if suffix not in IMAGES | VIDEOS:
        raise ValueError(f'{Path(file).name}: expected {EXPECTED}')
    return Source(file, 'image' if suffix in IMAGES else 'video')


def _reason(frame: Frame) -> str:
    """The error of a frame without the folder that the upload was stored in."""
    return str(frame.error).removeprefix(f'{frame.name}: ')
