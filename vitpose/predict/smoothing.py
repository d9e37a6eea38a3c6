"""Smooth the keypoints of tracked people in videos: short gaps are filled, and a One-Euro filter removes jitter."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from ..errors import InputError
from .poses import EXTRAS, Frame, Poses
from .tracking import FRAME_RATE

MAX_GAP = 5  # frames
MIN_CUTOFF_HZ = 1.5  # for a keypoint at rest; lower: less jitter
BETA_HZ = 5.0  # what a speed of one box per second adds to it; higher: less lag
SPEED_CUTOFF_HZ = 1.0  # for the speed itself


def smooth(results: Iterable[tuple[Frame, Poses]], max_gap: int = MAX_GAP) -> Iterator[tuple[Frame, Poses]]:
    """Smooth what `PosePredictor.stream` yields, after `Tracker.update`; images stay as they are.

    The One-Euro filter is that of Casiez et al. (CHI 2012), with speeds relative to the longer side of the box. People
    whose track is missing in at most `max_gap` frames are added there, in between the poses before and after; their
    scores are the lower ones of both, and their `rows` -1. Frames come `max_gap` + 1 later for that. ValueError if
    poses have no `track_ids`.
    """
    waiting: list[tuple[Frame, Poses]] = []
    states: dict[int, Any] = {}
    for frame, poses in results:
        if poses.track_ids is None:
            raise InputError('smooth: poses without track_ids: pass each frame to Tracker.update before')
        before = waiting[-1][0] if waiting else None
        if before and (not frame.index or before.name != frame.name or frame.index <= (before.index or 0)):
            yield from (_filter(*one, states) for one in waiting)
            waiting, states = [], {}
        waiting.append((frame, poses))
        for row, track in enumerate(poses.track_ids.tolist()):
            _fill_gap(waiting, row, track)
        if len(waiting) > max_gap + 1:
            yield _filter(*waiting.pop(0), states)
    yield from (_filter(*one, states) for one in waiting)


def _fill_gap(waiting: list[tuple[Frame, Poses]], row: int, track: int) -> None:
    """Add a person of the last frame to the frames since the one where the track was seen before."""
    *earlier, (_, last) = waiting
    found = [np.flatnonzero(poses.track_ids == track) for _, poses in earlier]
    start = max((i for i, rows in enumerate(found) if len(rows)), default=len(earlier))
    begin, end = (_seconds(waiting[i][0]) for i in (start, -1))
    for frame, poses in earlier[start + 1 :] if track >= 0 else ():
        part = (_seconds(frame) - begin) / max(end - begin, 1e-3)
        names = ('rows', 'track_ids', 'keypoints', 'boxes', 'scores', 'box_scores', *EXTRAS)
        is_empty, first = not len(poses.rows), earlier[start][1]
        for name in names if frame.error is None else ():
            if getattr(first, name) is None or getattr(last, name) is None:
                continue
            if is_empty and getattr(poses, name) is None:  # extras of nobody
                setattr(poses, name, getattr(first, name)[:0])
            values, old, new = getattr(poses, name), getattr(first, name)[found[start]], getattr(last, name)
            mixed = np.minimum(old, new[row]) if 'scores' in name else old + part * (new[row] - old)
            setattr(poses, name, np.append(values, np.where(name == 'rows', -1, mixed).astype(values.dtype), 0))


def _filter(frame: Frame, poses: Poses, states: dict[int, Any]) -> tuple[Frame, Poses]:
    """Filter the keypoints of a frame; `states` has keypoints, speeds (K, 2) and time of each track before it."""
    now = _seconds(frame)
    tracks = np.asarray(poses.track_ids)
    for row in np.flatnonzero(tracks >= 0):
        points, box, track = poses.keypoints[row], poses.boxes[row], int(tracks[row])
        before, speed, time = states.get(track, (points, np.zeros_like(points), now))
        seconds = max(now - time, 1e-3)
        speed = speed + _weight(SPEED_CUTOFF_HZ, seconds) * ((points - before) / seconds - speed)
        relative = np.linalg.norm(speed, axis=1, keepdims=True) / max((box[2:] - box[:2]).max(), 1)
        points = before + _weight(MIN_CUTOFF_HZ + BETA_HZ * relative, seconds) * (points - before)
        poses.keypoints[row], states[track] = points, (points, speed, now)
    return frame, poses


def _seconds(frame: Frame) -> float:
    return (frame.index or 0) / FRAME_RATE if frame.time is None else frame.time


def _weight(cutoff_hz: Any, seconds: float) -> Any:
    """Compute the weight of a new value in a low-pass filter."""
    return 1 / (1 + 1 / (2 * np.pi * cutoff_hz * seconds))
