"""Follow people through the frames of a video."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import one_line
from .optional_imports import import_optional
from .poses import Frame, Poses

HIDDEN_S = 1.0  # after which a person gets a new id
FRAME_RATE = 30  # of frames without time, which includes image sequences


@dataclass
class _Sequence:
    """What is known of a video, a camera, or the images of a folder."""

    tracker: Any
    number: int = -1  # of the last frame, also of one with an error: its index, or that among the images
    time: float | None = None  # of the last frame, in seconds
    first: Any = None  # boxes of the first frame, until the second one tells the frame rate
    ids: dict[int, int] = field(default_factory=dict)  # ours, by the tracker's


class Tracker:
    """Give people ids that they keep from frame to frame, by the overlap of boxes that move steadily.

    It uses C-BIoU of the package trackers with the times of the frames: a person who is hidden for up to a second keeps
    the id at any frame rate; if frames are farther apart, only a person who is in both of them does. Every box with a
    score of at least `score_threshold`, that of the detector, can start a track, and counts the same; one with a lower
    score, above 0.1, only continues a track.

    A sequence is a video, a camera, or the images of one folder, also if other folders come in between. A video whose
    `index` does not rise starts again, as another sequence. Ids count from 0 and are not used again in another
    sequence. A person who appears has the id -1 in the first frame, except for the first frame of a sequence. If the
    package fails, the frame gets an `error`, and ids start again.
    """

    def __init__(self, score_threshold: float = 0.3) -> None:
        self._library = import_optional('trackers', '--track')
        self.score_threshold = score_threshold
        self._sequences: dict[str, _Sequence] = {}
        self._count = 0

    def update(self, frame: Frame, poses: Poses) -> None:
        """Set `poses.track_ids`; call it with each frame, in the order of its sequence."""
        poses.track_ids = np.full(len(poses.boxes), -1, np.int64)
        name = str(Path(frame.name).parent) if frame.index is None else frame.name
        sequence = self._sequences.get(name) or _Sequence(self._start())
        number = sequence.number + 1 if frame.index is None else frame.index
        if number <= sequence.number:  # the video, or a part of it, starts again
            sequence = _Sequence(self._start())
        sequence.number, self._sequences[name] = number, sequence
        try:
            if frame.error is None:
                self._update(sequence, frame, poses, poses.track_ids)
        except Exception as problem:
            frame.error = f'people cannot be tracked: {one_line(problem)}'
            del self._sequences[name]

    def _start(self, step: float = 1 / FRAME_RATE) -> Any:
        """Make a tracker for frames that are `step` seconds apart, which may be more than a second."""
        ticks = round(max(HIDDEN_S, 1.5 * step) * 30)  # of 1/30 s, whatever the frame rate
        thresholds = dict(track_activation_threshold=1.0, high_conf_det_threshold=1.0)
        return self._library.CBIoUTracker(ticks, min(1 / step, 240), minimum_consecutive_frames=1, **thresholds)

    def _update(self, sequence: _Sequence, frame: Frame, poses: Poses, track_ids: np.ndarray) -> None:
        import supervision

        time = sequence.number / FRAME_RATE if frame.time is None else frame.time
        # the library multiplies overlaps by scores, so that a sure person takes the track of an unsure one
        scores = np.where(poses.box_scores >= self.score_threshold, 1, poses.box_scores)
        data: dict[str, Any] = {'row': np.arange(len(scores))}
        people = supervision.Detections(poses.boxes.astype(np.float32), confidence=scores, data=data)
        if sequence.time is None:
            sequence.first = people
        else:
            time = max(time, sequence.time + 1e-3)  # the library skips frames that are not later
            if sequence.first is not None:  # its motion model is made for steps of one frame
                sequence.tracker = self._start(time - sequence.time)
                sequence.tracker.update(sequence.first, timestamp=sequence.time)
                sequence.first = None
        sequence.time = time
        tracked = sequence.tracker.update(people, timestamp=time)
        for row, track in zip(tracked.data.get('row', ()), tracked.tracker_id.tolist(), strict=True):
            if track >= 0:
                self._count += track not in sequence.ids
                track_ids[row] = sequence.ids.setdefault(track, self._count - 1)
