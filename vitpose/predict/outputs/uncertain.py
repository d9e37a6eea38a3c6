"""The frames that a model is least certain of, which are worth labeling next."""

from pathlib import Path

import numpy as np

from .results import LINES, read_lines, write_table

UNCERTAIN = 'uncertain.csv'
MIN_GAP = 10  # frames of a video between two that are listed: neighbors are alike


def write_uncertain(out: Path, count: int) -> list[str]:
    """Write the `count` frames with people and the lowest mean score of their keypoints; return a line about each."""
    scored = []
    for line, _ in read_lines(out / LINES):
        scores = np.array(line['keypoint_scores'], float)
        if scores.size:
            scored.append((float(np.nan_to_num(scores).mean()), line['file'], line.get('frame'), line.get('time')))
    chosen: dict[str, list[int]] = {}
    rows: list[tuple] = []
    for row in sorted(scored, key=lambda row: row[0]):
        near = chosen.setdefault(row[1], [])
        if len(rows) < count and not any(abs((row[2] or 0) - frame) < MIN_GAP for frame in near):
            near.append(row[2] or 0)
            rows.append(row)
    listed = ((name, frame, time, round(score, 4)) for score, name, frame, time in rows)
    write_table(out / UNCERTAIN, [('file', 'frame', 'time', 'score'), *listed])
    return [f'{score:.3f}  {name}' + ('' if frame is None else f', frame {frame}') for score, name, frame, _ in rows]
