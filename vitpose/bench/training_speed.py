"""Speed of training: loading, the step and both, of one or more configs in one run; as tables and a sentence."""

import math
import pickle
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmpose.registry import DATASETS, MODELS

from vitpose_mm.datasets.combined import find_members
from vitpose_mm.hooks.compile_network import compile_network
from vitpose_mm.noise import quiet

from ..errors import InputError
from ..runs.table import figures_table

WARM_UP_STEPS = 2  # batches or steps before the time is taken


@dataclass
class Speed:
    """What was measured for one config; each list has one entry per round."""

    transforms: dict[str, list[float]] = field(default_factory=dict)  # ms per sample, for 'record' and each transform
    bytes: int = 0  # size of a packed sample, which a worker sends
    loading: dict[int, list[float]] = field(default_factory=dict)  # samples per second, by number of workers
    step: list[float] = field(default_factory=list)  # samples per second of the training step alone
    both: list[float] = field(default_factory=list)  # of training with the largest number of workers


def measure(
    configs: Mapping[str, Config],
    workers: Sequence[int],
    seconds: float,
    rounds: int,
    device: torch.device,
    batch_size: int | None = None,
    with_step: bool = True,
    progress: Callable[[str], None] = lambda name: None,
) -> dict[str, Speed]:
    """Measure configs, alternating; the order is reversed in every other round.

    Samples of the training set are drawn at random, without end, so it may be smaller than a batch. Loading is measured
    with each number of worker processes; the largest one also loads for both. A measurement takes `seconds` per round;
    `progress` is called with its name. ValueError if a config has no training set, OSError if it lacks a file.
    """
    built = {}
    for name, cfg in configs.items():
        init_default_scope(cfg.get('default_scope', 'mmpose'))
        if not cfg.get('train_dataloader'):
            raise InputError(f'{name}: the config has no train_dataloader')
        built[name] = _Built(cfg, batch_size, device, with_step)
    speeds = {name: Speed() for name in configs}
    for i in range(rounds):
        for name in list(configs)[:: -1 if i % 2 else 1]:
            training, speed = built[name], speeds[name]
            progress(f'{name}: transforms')
            for step, milliseconds in training.profile(seconds).items():
                speed.transforms.setdefault(step, []).append(milliseconds)
            speed.bytes = training.bytes
            for number in sorted(set(workers)):
                progress(f'{name}: loading, workers={number}')
                rate = training.rate(training.batches(number), lambda batch: None, seconds)
                speed.loading.setdefault(number, []).append(rate)
            if with_step:
                progress(f'{name}: step')
                speed.step.append(training.rate(repeat(training.fixed), training.step, seconds))
                progress(f'{name}: both')
                speed.both.append(training.rate(training.batches(max(workers)), training.step, seconds))
    return speeds


class _Built:
    """Dataset, model and optimizer of a config."""

    def __init__(self, cfg: Config, batch_size: int | None, device: torch.device, with_step: bool):
        self.loader_cfg = deepcopy(cfg.train_dataloader.to_dict())
        with quiet():
            self.loader_cfg['dataset'] = self.dataset = DATASETS.build(self.loader_cfg['dataset'])
        self.batch_size = self.loader_cfg['batch_size'] = batch_size or self.loader_cfg['batch_size']
        self.loader_cfg['sampler'] = dict(type='InfiniteSampler', shuffle=True, seed=0)
        self.loader_cfg.pop('batch_sampler', None)
        self.device, self.bytes = device, 0
        if with_step:
            self.model = MODELS.build(cfg.model).to(device).train()
            options = dict(deepcopy(cfg.optim_wrapper.to_dict()), accumulative_counts=1)  # each step is a whole one
            self.optimizer = build_optim_wrapper(self.model, options)
            if cfg.get('compile'):
                compile_network(self.model, cfg.compile)
            self.fixed = next(self.batches(0))

    def profile(self, seconds: float) -> dict[str, float]:
        """Measure the mean milliseconds of each transform over random samples of the training set or its members."""
        spent: dict[str, float] = {}
        sets = find_members(self.dataset)
        random, count, start = np.random.default_rng(0), 0, time.perf_counter()

        def timed(name: str, function: Callable, argument: Any) -> Any:
            before = time.perf_counter()
            result = function(argument)
            spent[name] = spent.get(name, 0) + time.perf_counter() - before
            return result

        while time.perf_counter() - start < seconds or count < WARM_UP_STEPS:
            chosen = sets[count % len(sets)]
            sample = timed('record', chosen.get_data_info, int(random.integers(len(chosen))))
            for transform in chosen.pipeline.transforms:
                sample = timed(type(transform).__name__, transform, sample)
            self.bytes = len(pickle.dumps(sample))
            count += 1
        return {name: 1000 * total / count for name, total in spent.items()}

    def step(self, batch: dict) -> None:
        """Train on a batch."""
        self.model.train_step(dict(batch), self.optimizer)
        if self.device.type == 'cuda':
            torch.cuda.synchronize(self.device)

    def batches(self, workers: int) -> Iterator[dict]:
        """Return an endless iterator over batches of the training set."""
        options = dict(self.loader_cfg, num_workers=workers, persistent_workers=False)
        if not workers:
            options.pop('prefetch_factor', None)
        return iter(Runner.build_dataloader(options, seed=0))

    def rate(self, batches: Iterator[dict], use: Callable[[dict], None], seconds: float) -> float:
        """Measure the samples per second of taking batches and using them."""
        for _ in range(WARM_UP_STEPS):
            use(next(batches))
        count, start = 0, time.perf_counter()
        while time.perf_counter() - start < seconds or not count:
            use(next(batches))
            count += 1
        return count * self.batch_size / (time.perf_counter() - start)


def transforms_table(speeds: Mapping[str, Speed]) -> Any:
    """Make a rich table of the milliseconds per sample, one row per transform."""
    shown = figures_table('ms per sample, in one process: median over the rounds', '', *speeds, fold_names=False)
    for step in dict.fromkeys(step for speed in speeds.values() for step in speed.transforms):
        cells = [speed.transforms.get(step) for speed in speeds.values()]
        shown.add_row(step, *(f'{np.median(cell):.2f}' if cell else '' for cell in cells))
    totals = [np.median(np.sum(list(speed.transforms.values()), axis=0)) for speed in speeds.values()]
    shown.add_row('total', *(f'{total:.2f}' for total in totals), end_section=True)
    shown.add_row('MB sent per sample', *(f'{speed.bytes / 1e6:.2f}' for speed in speeds.values()))
    return shown


def table(speeds: Mapping[str, Speed]) -> Any:
    """Make a rich table of the samples per second of loading, of the step and of both."""
    title = 'samples per second: median over the rounds, and the lowest to the highest'
    shown = figures_table(title, '', *speeds, fold_names=False)
    first = next(iter(speeds.values()))
    for number in first.loading:
        name = f'loading, {number} worker{"s" if number > 1 else ""}'
        shown.add_row(name, *(_range(speed.loading[number]) for speed in speeds.values()))
    if first.step:
        shown.add_row('step', *(_range(speed.step) for speed in speeds.values()))
        shown.add_row(f'both, workers: {max(first.loading)}', *(_range(speed.both) for speed in speeds.values()))
    return shown


def describe(speed: Speed, gpus: Sequence[float]) -> str:
    """Say which part is slower, and how many cores a device needs that trains as fast as measured, or as one of `gpus`.

    `gpus` are speeds in samples per second.
    """
    workers = max(speed.loading)
    loaded = float(np.median(speed.loading[workers]))
    per_core = loaded / workers  # while as many workers run as there are
    says = [f'one core loads {per_core:,.0f} samples per second']
    if speed.step:
        trained = float(np.median(speed.step))
        slower = 'loading' if loaded < trained else 'the step'
        says.insert(0, f'{slower} is the bottleneck with {workers} workers')
        gpus = [trained, *gpus]
    says += [f'a device that trains {gpu:,.0f} per second needs {math.ceil(gpu / per_core)} cores' for gpu in gpus]
    return '; '.join(says)


def _range(rates: Sequence[float]) -> str:
    return f'{np.median(rates):,.4g} ({min(rates):,.4g}-{max(rates):,.4g})'
