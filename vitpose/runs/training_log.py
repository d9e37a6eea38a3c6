"""Read the logs and scalars that MMEngine writes during training."""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import MissingFileError

AP = 'coco/AP'
_LINE = re.compile(r'Epoch\(train\)\s+\[(\d+)\]\[\s*(\d+)/(\d+)\].*?\bloss: (\S+)')
_LEFT = re.compile(r'\beta: ((?:\d+ days?, )?[\d:]+)')


@dataclass(frozen=True)
class Step:
    """One training line of the log."""

    epoch: int  # counted from 1
    iteration: int  # in this epoch
    iterations: int  # per epoch
    loss: float
    left: str = ''  # estimate of the remaining time, as h:mm:ss


@dataclass
class Curve:
    """Loss and held-out score over training time."""

    loss: list[tuple[float, float]] = field(default_factory=list)  # (minutes, loss)
    score: list[tuple[float, float]] = field(default_factory=list)  # (minutes, score)
    iterations: int = 0  # of the whole training


def parse_step(line: str) -> Step | None:
    """Parse a line of the log; return None if it does not report a training step."""
    if (match := _LINE.search(line)) is None or (loss := _parse_number(match[4])) is None:
        return None
    left = _LEFT.search(line)
    return Step(int(match[1]), int(match[2]), int(match[3]), loss, left[1] if left else '')


def parse_score(line: str, name: str = AP) -> float | None:
    """Parse a line of the log; return None if it does not report the score of this name."""
    match = re.search(rf'(?<!\S){re.escape(name)}: (\S+)', line)
    return _parse_number(match[1]) if match else None


def _parse_number(text: str) -> float | None:
    """Parse a number, perhaps nan or inf; return None for other text."""
    with suppress(ValueError):
        return float(text)
    return None


def read_curve(work_dir: Path, name: str = AP) -> Curve:
    """Read the curve of the last run in a work directory, with its resumed parts. FileNotFoundError without any."""
    if not (files := sorted(work_dir.glob('*/vis_data/scalars.json'))):
        raise MissingFileError(f'no */vis_data/scalars.json in {work_dir}: did a training run write to it?')
    texts = [path.read_text('utf-8') if (path := file.with_name('config.py')).is_file() else '' for file in files]
    starts = [i for i, text in enumerate(texts) if re.search('^resume ?= ?False', text, re.MULTILINE)]
    files = files[starts[-1] :] if starts else files
    curve, minutes, done = Curve(), 0.0, 0
    for record in _read_records(files):
        if 'loss' in record:
            minutes += record['time'] * max(record['step'] - done, 0) / 60
            done = record['step']
            curve.loss.append((minutes, record['loss']))
        elif name in record:
            curve.score.append((minutes, record[name]))
    # the scalars do not count the iterations after the last logged one of an epoch
    for log in files[-1].parents[1].glob('*.log'):
        for step in filter(None, map(parse_step, log.read_text(encoding='utf-8').splitlines())):
            curve.iterations = step.epoch * step.iterations
    return curve


def _read_records(files: list[Path]) -> Iterator[dict]:
    """Read the lines of scalars, except those that a full disk or a killed process has cut off."""
    for line in (line for file in files for line in file.read_text(encoding='utf-8').splitlines()):
        with suppress(ValueError):
            yield json.loads(line)


def best_checkpoint(work_dir: Path, name: str = AP) -> Path:
    """Return the path of the checkpoint with the best held-out score. FileNotFoundError if there is none."""
    pattern = f'best_{name.replace("/", "_")}_*.pth'
    checkpoints = sorted(work_dir.glob(pattern), key=lambda path: path.stat().st_mtime)
    if not checkpoints:
        raise MissingFileError(f'no {pattern} in {work_dir}: was validation enabled during training?')
    return checkpoints[-1]
