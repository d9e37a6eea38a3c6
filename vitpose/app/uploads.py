"""Read an uploaded image or video, parse the boxes typed for it, and predict it into files."""

from contextlib import closing
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np

from ..predict.inputs.images import read_frame
from ..predict.inputs.sources import EXPECTED, IMAGES, VIDEOS, Source, read_frames
from ..predict.outputs.drawing import draw_poses
from ..predict.outputs.pictures import Pictures, file_names
from ..predict.outputs.results import JsonLines
from ..predict.poses import Frame
from ..predict.predictor import PosePredictor

MAX_FRAMES = 1800  # of a video: a minute at 30 frames per second
LINES = 'predictions.jsonl'


def first_image(file: str) -> np.ndarray:
    """The image, or the first frame of the video, (H, W, 3) uint8 BGR; ValueError if it is neither or unreadable."""
    frame = read_frame(next(read_frames([_source(file)])), 0)
    if frame.image is None:
        raise ValueError(f'{Path(file).name}: {_reason(frame)}')
    return frame.image


def parse_boxes(text: str) -> np.ndarray | None:
    """Boxes, one x1 y1 x2 y2 per line -> (N, 4) float32, or None without a line; ValueError if a line is not that."""
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
) -> tuple[Path, list[str]]:
    """Predict an image or a video, draw it without keypoints of scores below `threshold`, and write predictions.jsonl.

    Args:
        predictor: with or without a detector.
        file: image or video; ValueError if it is neither, or nothing in it can be read.
        boxes: (N, 4) x1 y1 x2 y2 in pixels, for all frames; by default from the detector, or the whole image.
        threshold: of the drawing; the lines have all keypoints.
        folder: an empty folder to write to.

    Returns:
        The image (.jpg) or video (.mp4) with poses, and notes: counts, and what was left out and why.
    """
    source = replace(_source(file), name=Path(file).name)
    frames, people, notes = 0, 0, dict[str, None]()
    with_boxes = (replace(frame, boxes=boxes) for frame in islice(read_frames([_source(file)]), MAX_FRAMES))
    with closing(JsonLines(folder / LINES)) as lines, closing(Pictures(folder, [source])) as pictures:
        for frame, poses in predictor.stream(with_boxes):
            frame = replace(frame, name=source.name, error=frame.error and _reason(frame))
            lines.write(frame, poses)
            notes.update(dict.fromkeys([*poses.dropped, *filter(None, [frame.error])]))
            if frame.image is not None:
                pictures.write(frame, draw_poses(frame.image, poses, predictor.model.metainfo, threshold))
                frames += 1
                people += len(poses.keypoints)
    if not frames:
        raise ValueError(f'{source.name}: {"; ".join(notes) or "no frame could be read"}')
    if frames == MAX_FRAMES:
        notes[f'a video is predicted up to its frame {MAX_FRAMES}; `vitpose predict` has no limit'] = None
    counts = f'{people} {"person" if people == 1 else "people"} in {frames} {"frame" if frames == 1 else "frames"}'
    return folder / file_names([source])[source.name], [counts, *notes]


def _source(file: str) -> Source:
    suffix = Path(file).suffix.lower()
    if suffix not in IMAGES | VIDEOS:
        raise ValueError(f'{Path(file).name}: expected {EXPECTED}')
    return Source(file, 'image' if suffix in IMAGES else 'video')


def _reason(frame: Frame) -> str:
    """Return the error of a frame without the folder that the upload was stored in."""
    return str(frame.error).removeprefix(f'{frame.name}: ')
