"""Seeding per epoch, so that a resumed run repeats the random numbers of an uninterrupted one."""

import random
from collections.abc import Callable
from functools import partial

import cv2
import numpy as np
import torch
from mmengine.dist import broadcast_object_list
from mmengine.hooks import Hook
from mmengine.runner import IterBasedTrainLoop, Runner
from mmpose.registry import HOOKS


@HOOKS.register_module()
class EpochSeedHook(Hook):
    """Seeds all random numbers of a training epoch from (seed, epoch, rank).

    A run that is killed and resumed from the last epoch's checkpoint then draws the same random numbers as an
    uninterrupted run and ends with the same weights. MMEngine alone seeds once at the start of a run and gives its
    data workers the same numbers in every epoch.

    Before training, the hook sets the sampler's seed. Before each epoch, it seeds Python, NumPy and torch on all
    devices, and the data workers that the epoch starts. Gradient accumulation starts anew in each epoch, whose last
    update may therefore have fewer steps, because accumulated gradients are not in a checkpoint. The hook needs an
    epoch-based loop and a training loader with ``persistent_workers=False``, since running workers cannot be seeded
    again. The state that MMPose's ``MultiSourceSampler`` keeps between epochs is not restored; use ``FixedMixSampler``
    instead.

    Args:
        seed: integer >= 0, or None for the runner's seed: ``randomness.seed`` of the config or, after a resume,
            of the checkpoint.

    Raises:
        ValueError: the seed is invalid; or, at the start of training, the workers are persistent or the loop is
            iteration-based.
    """

    priority = 'VERY_HIGH'

    def __init__(self, seed: int | None = None) -> None:
        if seed is not None and (not isinstance(seed, int) or isinstance(seed, bool) or seed < 0):
            raise ValueError(f"EpochSeedHook: seed={seed!r}, expected an integer >= 0, or None for the runner's seed.")
        self.seed = seed
        self._run_seed = 0
        self._user_init_fn: Callable[[int], None] | None = None

    def before_train(self, runner: Runner) -> None:
        """Check that every epoch can be seeded, and seed the sampler."""
        if isinstance(runner.train_loop, IterBasedTrainLoop):
            raise ValueError(
                'EpochSeedHook seeds at the start of each epoch, but the training loop is '
                'iteration-based. Use train_cfg=dict(by_epoch=True, max_epochs=...), or '
                'remove the hook.'
            )
        loader = runner.train_dataloader
        if loader.num_workers > 0 and loader.persistent_workers:
            raise ValueError(
                'EpochSeedHook cannot seed workers that run for several epochs: train_dataloader has '
                f'num_workers={loader.num_workers} and persistent_workers=True. Set '
                'train_dataloader.persistent_workers=False, or remove the hook.'
            )
        self._user_init_fn = loader.worker_init_fn
        # The samplers of all ranks split the same order, so they need the same seed. With randomness.diff_rank_seed
        # MMEngine adds the rank to the runner's seed; rank 0 has the config's.
        seeds = [runner.seed if self.seed is None else self.seed]
        broadcast_object_list(seeds)
        self._run_seed = seeds[0]
        for sampler in (loader.sampler, getattr(loader.batch_sampler, 'sampler', None)):
            if sampler is not None and hasattr(sampler, 'seed'):
                sampler.seed = self._run_seed

    def before_train_epoch(self, runner: Runner) -> None:
        """Seed this process and the data workers of the coming epoch."""
        seed_all(self._run_seed, runner.epoch, runner.rank)
        runner.train_dataloader.worker_init_fn = partial(
            seed_worker, seed=self._run_seed, epoch=runner.epoch, rank=runner.rank, user_init_fn=self._user_init_fn
        )
        if getattr(runner.optim_wrapper, '_accumulative_counts', 1) > 1:
            runner.optim_wrapper.initialize_count_status(runner.model, 0, len(runner.train_dataloader))


def seed_all(seed: int, epoch: int, rank: int, worker: int | None = None) -> None:
    """Seed Python, NumPy and torch (all devices) for one process and epoch.

    Args:
        seed: the run's seed.
        epoch: number of the epoch, >= 0.
        rank: rank of the training process.
        worker: number of a data worker of that rank, or None for the training process itself.
    """
    # A trailing 0 changes the numbers in spawn_key, but not in SeedSequence's entropy, which is padded with zeros.
    key = (epoch, rank, 0 if worker is None else worker + 1)
    states = np.random.SeedSequence(seed, spawn_key=key).generate_state(3, np.uint64)
    random.seed(int(states[0]))
    np.random.seed(int(states[1]) % 2**32)
    torch.manual_seed(int(states[2]))


def seed_worker(
    worker_id: int, seed: int, epoch: int, rank: int, user_init_fn: Callable[[int], None] | None = None
) -> None:
    """Initialise a data worker for one epoch: call the loader's own ``worker_init_fn``, then seed.

    OpenCV's threads are turned off, because with several workers they compete for the same cores.
    """
    if user_init_fn is not None:
        user_init_fn(worker_id)
    cv2.setNumThreads(0)
    seed_all(seed, epoch, rank, worker_id)
