"""The frames that a model is least certain of, which are worth labeling next."""

import csv
from pathlib import Path

import numpy as np

from vitpose_base.files import replacing

from .results import LINES, read_lines

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
    with replacing(out / UNCERTAIN) as part, part.open('w', encoding='utf-8', newline='') as file:
        table = csv.writer(file, lineterminator='\n')
        table.writerow(['file', 'frame', 'time', 'score'])
        table.writerows([name, frame, time, round(score, 4)] for score, name, frame, time in rows)
    return [f'{score:.3f}  {name}' + ('' if frame is None else f', frame {frame}') for score, name, frame, _ in rows]
