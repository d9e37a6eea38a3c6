"""Random numbers that depend on the epoch alone, so that a resumed run repeats them."""

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
    """Seeds every random number of a training epoch from (seed, epoch, rank).

    A run that is killed in mid-epoch and resumed from the last epoch's checkpoint then draws
    what the uninterrupted run drew, and ends with the same weights. Without it MMEngine seeds
    once at the start, and gives its data workers the same numbers every epoch.

    Before each training epoch it seeds python, numpy and torch on all devices, sets the
    sampler's seed and hands the data workers of that epoch their own. It needs an epoch-based
    loop and a training loader with ``persistent_workers=False``, since living workers cannot be
    reached. A sampler that keeps a state over epochs (MMPose's ``MultiSourceSampler``) is not
    rewound; ``FixedMixSampler`` replaces it.

    Args:
        seed: integer >= 0, or None for the runner's seed: ``randomness.seed`` of the config, after a
            resume the checkpoint's.

    Raises:
        ValueError: seed is neither; at the start of training: persistent workers or an
            iteration-based loop.
    """

    priority = 'VERY_HIGH'

    def __init__(self, seed: int | None = None) -> None:
        if seed is not None and (not isinstance(seed, int) or isinstance(seed, bool) or seed < 0):
            raise ValueError(f"EpochSeedHook: seed={seed!r}, expected an integer >= 0, or None for the runner's seed.")
        self.seed = seed
        self._run_seed = 0
        self._user_init_fn: Callable[[int], None] | None = None

    def before_train(self, runner: Runner) -> None:
        """Refuse what cannot be seeded each epoch; fix the order in which samples are drawn."""
        if isinstance(runner.train_loop, IterBasedTrainLoop):
            raise ValueError(
                'EpochSeedHook seeds at the start of each epoch, but the training loop is '
                'iteration-based. Use train_cfg=dict(by_epoch=True, max_epochs=...) or drop the '
                'hook.'
            )
        loader = runner.train_dataloader
        if loader.num_workers > 0 and loader.persistent_workers:
            raise ValueError(
                f'EpochSeedHook cannot seed workers that outlive an epoch: train_dataloader has '
                f'num_workers={loader.num_workers} and persistent_workers=True. Set '
                f'train_dataloader.persistent_workers=False, or drop the hook.'
            )
        self._user_init_fn = loader.worker_init_fn
        # randomness.diff_rank_seed adds the rank to the runner's seed: all processes take rank 0's, which is the
        # config's, since samplers split one order among them.
        seeds = [runner.seed if self.seed is None else self.seed]
        broadcast_object_list(seeds)
        self._run_seed = seeds[0]
        for sampler in (loader.sampler, getattr(loader.batch_sampler, 'sampler', None)):
            if sampler is not None and hasattr(sampler, 'seed'):
                sampler.seed = self._run_seed

    def before_train_epoch(self, runner: Runner) -> None:
        """Seed this process, and the workers that the coming epoch's iterator starts."""
        seed_all(self._run_seed, runner.epoch, runner.rank)
        runner.train_dataloader.worker_init_fn = partial(
            seed_worker, seed=self._run_seed, epoch=runner.epoch, rank=runner.rank, user_init_fn=self._user_init_fn
        )


def seed_all(seed: int, epoch: int, rank: int, worker: int | None = None) -> None:
    """Seed python, numpy and torch (every device) for one process of one epoch.

    Args:
        seed: the run's seed.
        epoch: epoch, from 0.
        rank: rank of the process group's member.
        worker: data worker of that rank, or None for the training process itself.
    """
    # SeedSequence pads its entropy with zeros, so a trailing 0 would change nothing there; in
    # spawn_key it does.
    key = (epoch, rank, 0 if worker is None else worker + 1)
    states = np.random.SeedSequence(seed, spawn_key=key).generate_state(3, np.uint64)
    random.seed(int(states[0]))
    np.random.seed(int(states[1]) % 2**32)
    torch.manual_seed(int(states[2]))


def seed_worker(
    worker_id: int, seed: int, epoch: int, rank: int, user_init_fn: Callable[[int], None] | None = None
) -> None:
    """``worker_init_fn`` of one epoch: the loader's own first, then our seeds.

    OpenCV's threads are off: with several workers they fight over the same cores.
    """
    if user_init_fn is not None:
        user_init_fn(worker_id)
    cv2.setNumThreads(0)
    seed_all(seed, epoch, rank, worker_id)
