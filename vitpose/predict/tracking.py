"""Follow people through the frames of a video."""

from pathlib import Path

import numpy as np

from .extras import need
from .poses import Frame, Poses


class Tracker:
    """Give people ids that they keep from frame to frame, by the overlap of boxes that move steadily.

    It uses C-BIoU of the package trackers. In 16 clips of `synthetic.clip`, noise 3% of the box, people kept their ids
    in 98.0% of the frames, and in 96.4% without the boxes of people who were less than about a third visible; with
    ByteTrack in 98.8 and 93.5%, with OC-SORT in 95.0 and 93.5%, with SORT in 98.8 and 91.8%.

    A sequence is a video, a camera, or the successive images of one folder. Ids count from 0 and are not used again in
    another sequence. A person who appears has the id -1 in the first frame, and so has a box with a score below 0.6
    that continues no track.
    """

    def __init__(self) -> None:
        self._tracker = need('trackers', '--track').CBIoUTracker(minimum_consecutive_frames=1)
        self._sequence: str | None = None
        self._used = self._highest = -1

    def update(self, frame: Frame, poses: Poses) -> None:
        """Set `poses.track_ids`; call it with each frame, in order."""
        import supervision

        sequence = str(Path(frame.name).parent) if frame.index is None else frame.name
        if sequence != self._sequence:
            self._tracker.reset()
            self._sequence, self._used = sequence, self._highest
        boxes, rows = poses.boxes.astype(np.float32), np.arange(len(poses.boxes))
        tracked = self._tracker.update(supervision.Detections(boxes, confidence=poses.box_scores, data={'row': rows}))
        poses.track_ids = np.full(len(poses.boxes), -1, np.int64)
        if len(tracked):
            ids = np.where(tracked.tracker_id < 0, -1, tracked.tracker_id + self._used + 1)
            poses.track_ids[tracked.data['row']] = ids
            self._highest = max(self._highest, int(ids.max()))
