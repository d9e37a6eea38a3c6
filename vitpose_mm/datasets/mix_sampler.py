"""A sampler with a fixed number of samples of each dataset per batch, reproducible after a resume."""

from collections.abc import Iterator, Sequence

import torch
from mmpose.datasets import MultiSourceSampler
from mmpose.registry import DATA_SAMPLERS

from .combined import CombinedPoseDataset, check_ratios


@DATA_SAMPLERS.register_module()
class FixedMixSampler(MultiSourceSampler):
    """Draw batches with a fixed number of samples of each dataset.

    The samples of a dataset come from a stream of permutations, the n-th of which is seeded by seed + n. An epoch
    continues the stream where the last epoch ended, so every sample is drawn once before any sample is drawn again.
    The position in the stream follows from the epoch number alone, so a resumed run draws what the uninterrupted run
    would draw; the streams of MMPose's `MultiSourceSampler` restart.

    Use it with `EpochSeedHook`, which sets the seed, and MMEngine's default `DistSamplerSeedHook`, which sets the
    epoch.

    Args:
        dataset: a `CombinedPoseDataset` without `sample_ratio_factor`.
        batch_size: samples per batch and process; must equal the loader's.
        source_ratio: one number >= 0 per dataset. The samples per batch are rounded down; the first dataset
            gets the remainder.
        shuffle: whether the permutations are random.
        round_up: whether the number of batches per epoch is rounded up or down.
        seed: seed of the permutations; None draws one that all processes share.

    Raises:
        TypeError: the dataset is not a `CombinedPoseDataset`.
        ValueError: the dataset has a `sample_ratio_factor`, the ratios are invalid, or a dataset would get no
            sample per batch.
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
                'FixedMixSampler: the dataset has a sample_ratio_factor, but source_ratio already sets the mix. '
                'Remove sample_ratio_factor'
            )
        check_ratios(source_ratio, len(dataset.datasets), 'source_ratio')
        super().__init__(dataset, batch_size, list(source_ratio), shuffle, round_up, seed)
        empty = [name for name, n in zip(dataset.names, self.num_per_source, strict=True) if n < 1]
        if empty:
            raise ValueError(
                f'FixedMixSampler: source_ratio={list(source_ratio)} gives {", ".join(map(repr, empty))} '
                f'no sample in a batch of {batch_size} ({self.num_per_source}). Raise its ratio or '
                'batch_size, or remove the dataset'
            )
        self.epoch = 0

    @property
    def batches(self) -> int:
        """Batches per process and epoch."""
        more = self.batch_size - 1 if self.round_up else 0
        return (self.num_samples + more) // self.batch_size

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch number; `DistSamplerSeedHook` calls this before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Return the samples per process and epoch, a multiple of the batch size."""
        return self.batches * self.batch_size

    def __iter__(self) -> Iterator[int]:
        """Yield the global indices of this process batch by batch, each batch in the order of the datasets."""
        streams = [self._stream(source, number) for source, number in enumerate(self.num_per_source)]
        for _ in range(self.batches):
            for stream, number in zip(streams, self.num_per_source, strict=True):
                for _ in range(number):
                    yield next(stream)

    def _stream(self, source: int, number: int) -> Iterator[int]:
        """Yield this process's indices of one dataset in this epoch: every `world_size`-th of the stream."""
        size, first = self.dataset.lens[source], self.cumulative_sizes[source]
        drawn = self.batches * number * self.world_size  # per epoch, by all processes
        current, order = -1, list[int]()
        for position in range(self.epoch * drawn + self.rank, (self.epoch + 1) * drawn, self.world_size):
            if position // size != current:
                current = position // size
                generator = torch.Generator().manual_seed(self.seed + current)
                order = torch.randperm(size, generator=generator).tolist() if self.shuffle else list(range(size))
            yield first + order[position % size]
