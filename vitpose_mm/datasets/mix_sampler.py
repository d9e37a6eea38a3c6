"""Batches with a fixed share of each dataset, in an order that a resumed run repeats."""

from collections.abc import Iterator, Sequence

import torch
from mmpose.datasets import MultiSourceSampler
from mmpose.registry import DATA_SAMPLERS

from .combined import CombinedPoseDataset, check_ratios


@DATA_SAMPLERS.register_module()
class FixedMixSampler(MultiSourceSampler):
    """Draws every batch with the same number of samples of each dataset.

    MMPose's ``MultiSourceSampler`` draws from streams that live as long as the process: after a
    resume they start anew. Here the place in a stream follows from the epoch. Each dataset's stream
    is one permutation after another, each seeded by its number, and an epoch goes on where the one
    before ended; so all of a dataset is seen before any of it is seen again, also over epochs.

    Use with ``EpochSeedHook``, which sets the seed, and MMEngine's default ``DistSamplerSeedHook``,
    which tells the epoch.

    Args:
        dataset: a ``CombinedPoseDataset`` without ``sample_ratio_factor``.
        batch_size: samples a batch and process; the loader's.
        source_ratio: one number a dataset. Its share of a batch is rounded down; the first dataset
            gets what is left.
        shuffle: whether each permutation is random.
        round_up: whether an epoch ends with a whole batch more rather than short of all samples.
        seed: of the permutations; None draws one that all processes share.

    Raises:
        TypeError: the dataset is another.
        ValueError: ratios that do not fit, or a dataset that would get no sample of a batch.
    """

    def __init__(
        self,
        dataset: CombinedPoseDataset,
        batch_size: int,
        source_ratio: Sequence[float],
        shuffle: bool = True,
        round_up: bool = True,
        seed: int | None = None,
    ):
        if not isinstance(dataset, CombinedPoseDataset):
            raise TypeError(f'FixedMixSampler mixes the members of a CombinedPoseDataset, got {type(dataset).__name__}')
        if dataset.resample:
            raise ValueError(
                'FixedMixSampler: the dataset has a sample_ratio_factor, but source_ratio alone says how '
                'datasets are mixed. Remove sample_ratio_factor'
            )
        check_ratios(source_ratio, len(dataset.datasets), 'source_ratio')
        super().__init__(dataset, batch_size, list(source_ratio), shuffle, round_up, seed)
        none = [name for name, n in zip(dataset.names, self.num_per_source, strict=True) if n < 1]
        if none:
            raise ValueError(
                f'FixedMixSampler: source_ratio={list(source_ratio)} gives {", ".join(map(repr, none))} '
                f'no sample in a batch of {batch_size} ({self.num_per_source}). Raise its ratio or '
                'batch_size, or leave the dataset out'
            )
        self.epoch = 0

    @property
    def batches(self) -> int:
        """Batches of a process an epoch."""
        more = self.batch_size - 1 if self.round_up else 0
        return (self.num_samples + more) // self.batch_size

    def set_epoch(self, epoch: int) -> None:
        """Called by ``DistSamplerSeedHook`` before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Samples of a process an epoch, whole batches."""
        return self.batches * self.batch_size

    def __iter__(self) -> Iterator[int]:
        """Global indices of this process, batch by batch, each batch in the order of the datasets."""
        streams = [self._stream(source, number) for source, number in enumerate(self.num_per_source)]
        for _ in range(self.batches):
            for stream, number in zip(streams, self.num_per_source, strict=True):
                for _ in range(number):
                    yield next(stream)

    def _stream(self, source: int, number: int) -> Iterator[int]:
        """This process's indices of one dataset in this epoch: every `world_size`-th of the stream."""
        size, first = self.dataset.lens[source], self.cumulative_sizes[source]
        drawn = self.batches * number * self.world_size  # an epoch, all processes
        turn, order = -1, []
        for place in range(self.epoch * drawn + self.rank, (self.epoch + 1) * drawn, self.world_size):
            if place // size != turn:
                turn = place // size
                order = self._permutation(size, turn)
            yield first + order[place % size]

    def _permutation(self, size: int, turn: int) -> list[int]:
        if not self.shuffle:
            return list(range(size))
        generator = torch.Generator().manual_seed(self.seed + turn)
        return torch.randperm(size, generator=generator).tolist()
