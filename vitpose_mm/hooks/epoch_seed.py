"""Seeding per batch, so that a resumed run repeats the random numbers of an uninterrupted one."""

import itertools
import logging
import random
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.dist import broadcast_object_list
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import IterBasedTrainLoop, Runner
from mmpose.registry import HOOKS
from torch.utils.data import get_worker_info

POSITION = 'epoch_position'  # in the message hub: which epoch started at which iteration, with how many batches


@HOOKS.register_module()
class EpochSeedHook(Hook):
    """Seeds all random numbers of a training batch from (seed, epoch, rank, batch), and continues within an epoch.

    A run that is killed and resumed from a checkpoint, of the end of an epoch or of an iteration, then draws the same
    samples and random numbers as an uninterrupted run and ends with the same weights, also with another number of data
    workers. MMEngine alone seeds once at the start of a run and repeats the interrupted epoch from its first batch.

    Before training, the hook sets the sampler's seed. Python, NumPy and torch on all devices are seeded before a data
    worker (or, without workers, the process) loads a batch, and before each training step. Gradient accumulation
    starts anew in each epoch, whose last update may therefore have fewer steps, because accumulated gradients are not
    in a checkpoint. The hook needs an epoch-based loop. The state that MMPose's ``MultiSourceSampler`` keeps between
    epochs is not restored; use ``FixedMixSampler`` instead.

    If the number of batches per epoch is not that of the checkpoint, such as with another batch size, the run
    continues at the start of the interrupted epoch.

    Args:
        seed: integer >= 0, or None for the runner's seed: ``randomness.seed`` of the config or, after a resume,
            of the checkpoint.

    Raises:
        ValueError: the seed is invalid; or, at the start of training, the loop is iteration-based, or the run
            continues within an epoch and its batches do not come from a sampler.
    """

    priority = 'VERY_HIGH'

    def __init__(self, seed: int | None = None) -> None:
        if seed is not None and (not isinstance(seed, int) or isinstance(seed, bool) or seed < 0):
            raise ValueError(f"EpochSeedHook: seed={seed!r}, expected an integer >= 0, or None for the runner's seed.")
        self.seed = seed
        self._run_seed = 0
        self._done = 0  # batches of the current epoch before this run started
        self._user_init_fn: Callable[[int], None] | None = None
        self._user_collate_fn: Any = None
        self._whole_sampler: Any = None

    def before_train(self, runner: Runner) -> None:
        """Check that every epoch can be seeded, seed the sampler, and find the batch to continue with."""
        if isinstance(runner.train_loop, IterBasedTrainLoop):
            raise ValueError(
                'EpochSeedHook seeds at the start of each epoch, but the training loop is '
                'iteration-based. Use train_cfg=dict(by_epoch=True, max_epochs=...), or '
                'remove the hook.'
            )
        loader = runner.train_dataloader
        self._user_init_fn, self._user_collate_fn = loader.worker_init_fn, loader.collate_fn
        # The samplers of all ranks split the same order, so they need the same seed. With randomness.diff_rank_seed
        # MMEngine adds the rank to the runner's seed; rank 0 has the config's.
        seeds = [runner.seed if self.seed is None else self.seed]
        broadcast_object_list(seeds)
        self._run_seed = seeds[0]
        for sampler in (loader.sampler, getattr(loader.batch_sampler, 'sampler', None)):
            if sampler is not None and hasattr(sampler, 'seed'):
                sampler.seed = self._run_seed
        if loader.generator is None:  # a loader draws a number when an epoch starts, also in the middle
            loader.generator = torch.Generator()
        self._done = batches_done(runner)

    def before_train_epoch(self, runner: Runner) -> None:
        """Seed this process and the data workers of the coming epoch, and leave out the batches that are done."""
        loader, done = runner.train_dataloader, self._done
        position = dict(epoch=runner.epoch, first=runner.iter - done, batches=len(loader))
        runner.message_hub.update_info(POSITION, position)
        seed_all(self._run_seed, runner.epoch, runner.rank, done, loading=True)
        seeds = BatchSeeds(self._run_seed, runner.epoch, runner.rank, done, len(loader))
        loader.worker_init_fn = partial(seed_worker, seeds=seeds, user_init_fn=self._user_init_fn)
        if loader.num_workers:
            loader.collate_fn = SeededCollate(self._user_collate_fn, seeds)
        if done:
            self._whole_sampler = getattr(loader.batch_sampler, 'sampler', None)
            if self._whole_sampler is None:
                kind = type(loader.batch_sampler).__name__
                raise ValueError(
                    f'EpochSeedHook cannot continue after batch {done} of an epoch with {kind}, which has no sampler: '
                    'use a torch BatchSampler, or resume from the end of an epoch'
                )
            loader.batch_sampler.sampler = Remaining(self._whole_sampler, done * loader.batch_sampler.batch_size)
        if getattr(runner.optim_wrapper, '_accumulative_counts', 1) > 1:
            runner.optim_wrapper.initialize_count_status(runner.model, done, len(loader))

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None) -> None:
        """Seed the training step."""
        seed_all(self._run_seed, runner.epoch, runner.rank, self._done + batch_idx, loading=False)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None, outputs: dict | None = None
    ) -> None:
        """Without workers, seed the loading of the next batch."""
        if not runner.train_dataloader.num_workers:
            seed_all(self._run_seed, runner.epoch, runner.rank, self._done + batch_idx + 1, loading=True)

    def after_train_epoch(self, runner: Runner) -> None:
        """The next epoch has all batches."""
        self._done = 0
        if self._whole_sampler is not None:
            runner.train_dataloader.batch_sampler.sampler, self._whole_sampler = self._whole_sampler, None


class BatchSeeds:
    """Seeds the batches that one data worker loads: every n-th of an epoch, then those of the next epoch.

    Args:
        seed: the run's seed.
        epoch: number of the epoch, >= 0.
        rank: rank of the training process.
        first: number of the first batch that is loaded in this epoch.
        batches: batches per epoch.
    """

    def __init__(self, seed: int, epoch: int, rank: int, first: int, batches: int):
        self.seed, self.epoch, self.rank, self.batch, self.batches = seed, epoch, rank, first, batches

    def start(self, worker: int, workers: int) -> None:
        """Seed the first batch of a worker."""
        self.worker, self.workers = worker, workers
        self.batch += worker
        seed_all(self.seed, self.epoch, self.rank, self.batch, loading=True)

    def next(self) -> None:
        """Seed the next batch; a persistent worker goes on with the next epoch."""
        self.batch += self.workers
        if self.batch >= self.batches:
            self.epoch, self.batch = self.epoch + 1, self.worker
        seed_all(self.seed, self.epoch, self.rank, self.batch, loading=True)


class SeededCollate:
    """Collates a batch in a data worker, then seeds the worker for its next batch."""

    def __init__(self, collate_fn: Callable, seeds: BatchSeeds):
        self.collate_fn, self.seeds = collate_fn, seeds

    def __call__(self, samples: list) -> Any:
        """Return what the loader's own function returns."""
        batch = self.collate_fn(samples)
        if not hasattr(self.seeds, 'worker'):  # a worker process that was not forked has its own copy of the seeds
            info: Any = get_worker_info()
            self.seeds.start(info.id, info.num_workers)
        self.seeds.next()
        return batch


class Remaining:
    """The indices of a sampler without the first ones; its length stays that of the whole epoch."""

    def __init__(self, sampler: Any, skipped: int):
        self.sampler, self.skipped = sampler, skipped

    def __len__(self) -> int:
        """Return the number of indices of a whole epoch."""
        return len(self.sampler)

    def __iter__(self) -> Iterator[int]:
        """Return the remaining indices."""
        return itertools.islice(iter(self.sampler), self.skipped, None)


def batches_done(runner: Runner) -> int:
    """Return how many batches of the current epoch the checkpoint of a resumed run has seen."""
    position = runner.message_hub.runtime_info.get(POSITION)
    if not position or position['epoch'] != runner.epoch:
        return 0
    done, batches = runner.iter - position['first'], len(runner.train_dataloader)
    if done and position['batches'] != batches:
        print_log(
            f'the checkpoint was saved after batch {done} of {position["batches"]} of epoch {runner.epoch + 1}, which '
            f'now has {batches} batches: the epoch starts anew',
            logger='current',
            level=logging.WARNING,
        )
        return 0
    return done


def seed_all(seed: int, epoch: int, rank: int, batch: int, loading: bool) -> None:
    """Seed Python, NumPy and torch (all devices) for one batch.

    Args:
        seed: the run's seed.
        epoch: number of the epoch, >= 0.
        rank: rank of the training process.
        batch: number of the batch in the epoch, >= 0.
        loading: whether its samples are loaded or it is trained on.
    """
    # A trailing 0 changes the numbers in spawn_key, but not in SeedSequence's entropy, which is padded with zeros.
    key = (epoch, rank, batch, 2 if loading else 1)
    states = np.random.SeedSequence(seed, spawn_key=key).generate_state(3, np.uint64)
    random.seed(int(states[0]))
    np.random.seed(int(states[1]) % 2**32)
    torch.manual_seed(int(states[2]))


def seed_worker(worker_id: int, seeds: BatchSeeds, user_init_fn: Callable[[int], None] | None = None) -> None:
    """Initialise a data worker: call the loader's own ``worker_init_fn``, then seed.

    OpenCV's threads are turned off, because with several workers they compete for the same cores.
    """
    if user_init_fn is not None:
        user_init_fn(worker_id)
    cv2.setNumThreads(0)
    info: Any = get_worker_info()
    seeds.start(worker_id, info.num_workers)
