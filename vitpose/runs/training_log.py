"""Read the logs and scalars that MMEngine writes during training."""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path

_LINE = re.compile(r'Epoch\(train\)\s+\[(\d+)\]\[\s*(\d+)/(\d+)\].*?\bloss: ([0-9.einf-]+)')
_SCORE = re.compile(r'coco/AP: (-?[0-9.]+)')


@dataclass(frozen=True)
class Step:
    """One training line of the log."""

    epoch: int  # counted from 1
    iteration: int  # in this epoch
    iterations: int  # per epoch
    loss: float


@dataclass
class Curve:
    """Loss and held-out AP over training time."""

    loss: list[tuple[float, float]] = field(default_factory=list)  # (minutes, loss)
    score: list[tuple[float, float]] = field(default_factory=list)  # (minutes, AP)
    iterations: int = 0  # of the whole training


def parse_step(line: str) -> Step | None:
    """Parse a line of the log; return None if it does not report a training step."""
    match = _LINE.search(line)
    return Step(int(match[1]), int(match[2]), int(match[3]), float(match[4])) if match else None


def parse_score(line: str) -> float | None:
    """Parse a line of the log; return None if it does not report COCO AP."""
    match = _SCORE.search(line)
    return float(match[1]) if match else None


def read_curve(work_dir: Path) -> Curve:
    """Read the curve of the latest run in MMEngine's work directory; FileNotFoundError if there is none."""
    files = sorted(work_dir.glob('*/vis_data/scalars.json'))
    if not files:
        raise FileNotFoundError(f'no */vis_data/scalars.json in {work_dir}: did a training run write to it?')
    curve, minutes, done = Curve(), 0.0, 0
    for record in map(json.loads, files[-1].read_text(encoding='utf-8').splitlines()):
        if 'loss' in record:
            minutes += record['time'] * (record['step'] - done) / 60
            done = record['step']
            curve.loss.append((minutes, record['loss']))
        elif 'coco/AP' in record:
            curve.score.append((minutes, record['coco/AP']))
    # the scalars do not count the iterations after the last logged one of an epoch
    (log,) = files[-1].parents[1].glob('*.log')
    for step in filter(None, map(parse_step, log.read_text(encoding='utf-8').splitlines())):
        curve.iterations = step.epoch * step.iterations
    return curve


def best_checkpoint(work_dir: Path) -> Path:
    """Return the path of the checkpoint with the best held-out AP; FileNotFoundError if there is none."""
    checkpoints = sorted(work_dir.glob('best_coco_AP_*.pth'), key=lambda path: path.stat().st_mtime)
    if not checkpoints:
        raise FileNotFoundError(f'no best_coco_AP_*.pth in {work_dir}: was validation enabled during training?')
    return checkpoints[-1]
