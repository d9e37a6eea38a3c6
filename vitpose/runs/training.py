"""Train with MMPose's own script: command, progress line, memory, and what went wrong."""

import math
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import FailedError, one_line
from .command import run_logged
from .training_log import parse_score, parse_step

LOG = 'train.log'
ESTIMATE = 'estimate: '  # in a line of the log, before text that is also shown
MEMORY_SHARE = 0.85  # share of the free memory that a batch may fill
MEASURED_BATCHES = (2, 6)  # from whose memory and time those of larger batches are extrapolated
# -9: on Linux, killed most likely because memory ran out
_NO_MEMORY = re.compile(r"out of memory|OutOfMemory|can't allocate memory|exitcode: -9\b", re.IGNORECASE)


def report_name(dataset: str | None) -> str:
    """Return the name of a run's report, or of that of one of several datasets."""
    return f'report_{dataset}.html' if dataset else 'report.html'


def train_command(config: Path, work_dir: Path, count: int, words: Sequence[str]) -> list[str]:
    """Return the command line of MMPose's training script; several processes start through torchrun."""
    launcher = ['-m', 'torch.distributed.run', '--standalone', f'--nproc_per_node={count}'] if count > 1 else []
    options = ['--work-dir', str(work_dir), '--launcher', 'pytorch' if count > 1 else 'none']
    return [sys.executable, *launcher, '-m', 'vitpose.runs.mmpose_train', str(config), *options, *words]


@contextmanager
def progress_line(epochs: int, score: str, rule: str = 'greater') -> Iterator[Callable[[str], None]]:
    """Show one line with epoch, loss, best score and time left; yield the function that takes the lines of the log."""
    from rich.progress import BarColumn, Progress

    texts, scores = {'step': 'starting', 'score': '', 'left': ''}, list[float]()
    with Progress('training', BarColumn(), '{task.description}') as progress:
        task = progress.add_task('starting', total=float(epochs))

        def show(line: str) -> None:
            if ESTIMATE in line:
                progress.console.print(line.partition(ESTIMATE)[2].strip(), markup=False, highlight=False)
            if step := parse_step(line):
                left = f'  {step.left} left' if step.left else ''
                texts.update(step=f'epoch {step.epoch}/{epochs}  loss {step.loss:.3g}', left=left)
                progress.update(task, completed=step.epoch - 1 + step.iteration / step.iterations)
            if (value := parse_score(line, score)) is not None and not math.isnan(value):
                scores.append(value)
                texts['score'] = f'  best {score} {(min if rule == "less" else max)(scores):.3f}'
            progress.update(task, description=''.join(texts.values()))

        yield show


def train(command: Sequence[str], work_dir: Path, show: Callable[[str], None]) -> None:
    """Run a training; its output goes to train.log in the work directory.

    MemoryError if memory ran out; FailedError with the error lines of the log if the training failed; KeyboardInterrupt
    after Ctrl-C or SIGTERM, once the training has saved its checkpoint, which the message names.
    """
    work_dir.mkdir(parents=True, exist_ok=True)
    log = work_dir / LOG
    try:
        run_logged(command, log, show)
    except KeyboardInterrupt as stop:
        files = [path for name in ('epoch', 'iter') for path in work_dir.glob(f'{name}_*.pth')]
        saved = max(files, key=lambda path: path.stat().st_mtime, default=None)
        hint = f'{saved} is kept: continue with the same options and --resume'
        raise KeyboardInterrupt(hint if saved else 'no checkpoint was saved yet') from stop
    except RuntimeError as problem:
        if 'exit code -9' in str(problem) or _NO_MEMORY.search(log.read_text(encoding='utf-8', errors='replace')):
            raise MemoryError from problem
        raise FailedError(one_line(problem)) from problem


def find_batch(config: Any, most: int) -> int:
    """Return the largest batch size, at most `most`, whose training steps fit into the free memory of the device.

    Two small batches tell the memory per sample. FailedError if one sample does not fit, or none can be measured.
    """
    import torch
    from mmengine.registry import init_default_scope

    from vitpose_mm.cost import measure

    init_default_scope('mmpose')
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    dtype = 'float32' if config.optim_wrapper.get('dtype') == 'float32' else 'bfloat16'
    try:
        peaks = [measure([config.model], 'train', size, device, dtype, 1)[0].peak_bytes for size in MEASURED_BATCHES]
    except Exception as problem:  # of a detector, for example
        reason = f'{type(problem).__name__}: {one_line(problem)}'
        raise FailedError(f'this model cannot be measured ({reason}): pass --batch N of at most {most}') from problem
    per_sample = max((peaks[1] - peaks[0]) / (MEASURED_BATCHES[1] - MEASURED_BATCHES[0]), 1)
    room = MEMORY_SHARE * (torch.cuda.mem_get_info()[0] if device == 'cuda' else available_bytes())
    if (fits := int(MEASURED_BATCHES[0] + (room - peaks[0]) / per_sample)) < 1:
        raise FailedError(f'not one sample fits into {room / 2**30:.1f} GiB of memory: use a smaller network')
    return min(fits, most)


def available_bytes() -> int:
    """Return the memory that is available to the CPU, as Linux says."""
    lines = dict(line.split(':') for line in Path('/proc/meminfo').read_text(encoding='utf-8').splitlines())
    return int(lines['MemAvailable'].split()[0]) * 1024
