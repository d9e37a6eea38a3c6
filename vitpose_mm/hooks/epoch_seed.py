"""Seed each batch, so that a resumed run repeats the random numbers of an uninterrupted run."""

import itertools
import logging
import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from mmengine.dist import broadcast_object_list
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import IterBasedTrainLoop, Runner
from mmpose.registry import HOOKS

EPOCH_POSITION = 'epoch_position'  # in the message hub: an epoch, its first iteration and its number of batches


@HOOKS.register_module()
class EpochSeedHook(Hook):
    """Seed all random numbers of a training batch from (seed, epoch, rank, batch), and resume within an epoch.

    A run that is resumed from any checkpoint then draws the same samples and random numbers as an uninterrupted run and
    ends with the same weights, even with a different number of data workers. Without it, MMEngine repeats the epoch.

    Sample indices carry the seed of their batch to the process that loads it. Gradient accumulation restarts in each
    epoch, because accumulated gradients are not saved. If the number of batches per epoch has changed, the interrupted
    epoch restarts. MMPose's `MultiSourceSampler` keeps a state that is not restored: use `FixedMixSampler`.

    Args:
        seed: integer >= 0, or None for `randomness.seed` of the config or, after a resume, of the checkpoint.

    Raises:
        ValueError: the seed is invalid; before training: the loop has no epochs or the batches have no sampler.
    """

    priority = 'VERY_HIGH'

    def __init__(self, seed: int | None = None) -> None:
        if seed is not None and (not isinstance(seed, int) or isinstance(seed, bool) or seed < 0):
            raise ValueError(f"EpochSeedHook: seed={seed!r}, expected an integer >= 0, or None for the runner's seed.")
        self.seed = seed

    def before_train(self, runner: Runner) -> None:
        """Check that every batch can be seeded, and seed the sampler."""
        loader = runner.train_dataloader
        if isinstance(runner.train_loop, IterBasedTrainLoop) or not hasattr(loader.batch_sampler, 'sampler'):
            raise ValueError(
                f'EpochSeedHook needs a loop with epochs, such as train_cfg=dict(by_epoch=True, max_epochs=...), and '
                f'batches from a sampler, which {type(loader.batch_sampler).__name__} lacks; otherwise remove the hook'
            )
        # The samplers of all ranks split the same order, so they need the same seed. With randomness.diff_rank_seed
        # MMEngine adds the rank to the runner's seed; rank 0 has the config's.
        seeds = [runner.seed if self.seed is None else self.seed]
        broadcast_object_list(seeds)
        self._run_seed = seeds[0]
        if hasattr(loader.batch_sampler.sampler, 'seed'):
            loader.batch_sampler.sampler.seed = self._run_seed
        loader.generator = torch.Generator()  # the loader draws when its workers start, which may be within an epoch
        loader.batch_sampler.sampler = SeedingSampler(loader.batch_sampler.sampler, loader.batch_sampler.batch_size)
        loader.dataset.__getitems__ = partial(load_batch, loader.dataset)  # torch calls it if there is one

    def before_train_epoch(self, runner: Runner) -> None:
        """Skip completed batches; seed the remaining ones, and samplers that draw from torch's generator."""
        loader, epoch, done = runner.train_dataloader, runner.epoch, count_completed_batches(runner)
        runner.message_hub.update_info(EPOCH_POSITION, dict(epoch=epoch, first=runner.iter - done, batches=len(loader)))
        self._done, sampler = done, loader.batch_sampler.sampler
        sampler.seeds, sampler.skipped = (self._run_seed, runner.epoch, runner.rank), done
        seed_all(self._run_seed, runner.epoch, runner.rank, 0, loading=True)
        if getattr(runner.optim_wrapper, '_accumulative_counts', 1) > 1:
            runner.optim_wrapper.initialize_count_status(runner.model, done, len(loader))

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None) -> None:
        """Seed the training step."""
        seed_all(self._run_seed, runner.epoch, runner.rank, self._done + batch_idx, loading=False)


class SeededIndex(int):
    """The index of a sample; `seeds`, the first arguments of `seed_all` for its batch, are pickled with it."""

    seeds: tuple[int, int, int, int]


@dataclass
class SeedingSampler:
    """A sampler of `SeededIndex` that skips the first batches of an epoch."""

    sampler: Any
    batch_size: int
    seeds: tuple[int, int, int] = (0, 0, 0)  # seed, epoch, rank
    skipped: int = 0  # batches

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of the sampler, such as `set_epoch`."""
        return getattr(vars(self).get('sampler'), name)

    def __len__(self) -> int:
        """Return the number of indices of a whole epoch."""
        return len(self.sampler)

    def __iter__(self) -> Iterator[SeededIndex]:
        """Yield the remaining indices."""
        for position, index in itertools.islice(enumerate(self.sampler), self.skipped * self.batch_size, None):
            seeded = SeededIndex(index)
            seeded.seeds = (*self.seeds, position // self.batch_size)
            yield seeded


def load_batch(dataset: Any, indices: list) -> list:
    """Seed with the seeds that the indices carry, then return the samples of a batch; runs in any process."""
    if isinstance(indices[0], SeededIndex):
        seed_all(*indices[0].seeds, loading=True)
        indices = [int(index) for index in indices]
    whole_batch = getattr(type(dataset), '__getitems__', None)
    return whole_batch(dataset, indices) if whole_batch else [dataset[index] for index in indices]


def count_completed_batches(runner: Runner) -> int:
    """Count the batches of the current epoch that are complete in the checkpoint of a resumed run."""
    position, batches = runner.message_hub.runtime_info.get(EPOCH_POSITION), len(runner.train_dataloader)
    if not position or position['epoch'] != runner.epoch:
        return 0
    done = runner.iter - position['first']
    if not done or position['batches'] == batches:
        return done
    saved = f'the checkpoint was saved after batch {done} of {position["batches"]} of epoch {runner.epoch + 1}'
    print_log(f'{saved}, which now has {batches} batches: the epoch starts anew', 'current', logging.WARNING)
    return 0


def seed_all(seed: int, epoch: int, rank: int, batch: int, loading: bool) -> None:
    """Seed Python, NumPy and torch (all devices) for loading a batch or for training on it."""
    # In spawn_key a trailing 0 changes the numbers; in SeedSequence's entropy, padded with zeros, it would not.
    key = (epoch, rank, batch, 2 if loading else 1)
    states = np.random.SeedSequence(seed, spawn_key=key).generate_state(3, np.uint64)
    random.seed(int(states[0]))
    np.random.seed(int(states[1]) % 2**32)
    torch.manual_seed(int(states[2]))
