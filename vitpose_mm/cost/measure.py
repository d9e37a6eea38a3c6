"""Measured time and peak memory of training steps and inference."""

import ctypes
import multiprocessing
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

import torch
from mmengine import Config, ConfigDict
from mmengine.registry import init_default_scope
from mmpose.registry import MODELS

from .count import input_size

MODES = ('train', 'inference')
M_MMAP_THRESHOLD = -3  # from glibc's malloc.h


@dataclass(frozen=True)
class Measurement:
    """Median seconds per step, and peak memory in bytes above that of a process without the model."""

    seconds: float
    peak_bytes: int


def measure(
    models: list[ConfigDict],
    mode: str,
    batch: int,
    device: str = 'cpu',
    dtype: str = 'float32',
    steps: int = 5,
    progress: Callable[[], None] = lambda: None,
) -> list[Measurement]:
    """Measure the peak memory of each model in a separate process, then the time of all models in this process.

    A training step is forward, squared error, backward and AdamW on random images, without data loading. Timed steps
    alternate between the models, so that other load on the machine slows all of them equally. RuntimeError if a memory
    measurement was killed, most likely because memory ran out.

    Args:
        models: configs of top-down estimators.
        mode: 'train' or 'inference'.
        batch: images per step.
        device: 'cpu' or a CUDA device.
        dtype: 'float32', or 'bfloat16' for autocast.
        steps: timed steps per model, after one warm-up step.
        progress: called after each memory measurement and each timed or warm-up step.
    """
    peaks = []
    for model in models:
        with ProcessPoolExecutor(1, multiprocessing.get_context('spawn')) as pool:
            peak = pool.submit(_peak_bytes, ConfigDict(model).to_dict(), mode, batch, device, dtype)
            try:
                peaks.append(peak.result())
            except BrokenProcessPool as error:
                raise RuntimeError(
                    f'{mode} at a batch of {batch} was killed, most likely because memory ran out: use a smaller batch'
                ) from error
        progress()
    runs = [make_step(model, mode, batch, device, dtype) for model in models]
    seconds: list[list[float]] = [[] for _ in models]
    for i in range(steps + 1):
        for run, times in zip(runs, seconds, strict=True):
            start = time.perf_counter()
            run()
            if i:
                times.append(time.perf_counter() - start)
            progress()
    return [Measurement(statistics.median(times), peak) for times, peak in zip(seconds, peaks, strict=True)]


def make_step(model: ConfigDict, mode: str, batch: int, device: str, dtype: str) -> Callable[[], None]:
    """Return a function that runs one step and waits for the device."""
    built = MODELS.build(model).to(device).train(mode == 'train')
    image = torch.randn(batch, 3, *input_size(model), device=device)
    parameters = [p for p in built.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=1e-6)
    autocast = torch.autocast(torch.device(device).type, torch.bfloat16, enabled=dtype == 'bfloat16')

    def step() -> None:
        with torch.set_grad_enabled(mode == 'train'), autocast:
            outputs = built(image, None, mode='tensor')
        if mode == 'train':
            outputs = outputs if isinstance(outputs, tuple) else (outputs,)  # SimCC predicts x and y
            torch.stack([output.square().mean() for output in outputs]).sum().backward()
            optimizer.step()
            optimizer.zero_grad()
        if torch.device(device).type == 'cuda':
            torch.cuda.synchronize(device)

    return step


def _peak_bytes(model: dict, mode: str, batch: int, device: str, dtype: str) -> int:
    import vitpose_mm  # noqa: F401

    init_default_scope('mmpose')
    config = Config(dict(model=model)).model
    return peak_bytes(lambda: make_step(config, mode, batch, device, dtype), device)


def peak_bytes(make: Callable[[], Callable[[], None]], device: str) -> int:
    """Return the peak memory of two steps in bytes, above the memory at the start; call it in a fresh process.

    `make` allocates what a step needs and returns the step; the device is 'cpu' or a CUDA device.
    """
    if torch.device(device).type == 'cuda':
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
    else:
        # glibc keeps freed blocks of up to 32 MiB in its fragmented heap. A lower threshold maps blocks separately and
        # returns them when they are freed, so that the peak counts memory in use, as on CUDA.
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, 2**16)
        before = _resident('VmRSS')
        Path('/proc/self/clear_refs').write_text('5')  # resets VmHWM
    step = make()
    for _ in range(2):
        step()
    if torch.device(device).type == 'cuda':
        return torch.cuda.max_memory_allocated(device) - before
    return _resident('VmHWM') - before


def _resident(field: str) -> int:
    """Return VmRSS (current) or VmHWM (peak) of this process in bytes; Linux only."""
    for line in Path('/proc/self/status').read_text().splitlines():
        if line.startswith(field + ':'):
            return int(line.split()[1]) * 1024
    raise OSError(f'/proc/self/status has no {field}: CPU memory can only be measured on Linux')
