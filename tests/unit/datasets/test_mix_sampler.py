"""Every batch holds a fixed share of each dataset, in an order that depends only on seed and epoch."""

from collections import Counter
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mmpose.datasets import MultiSourceSampler, samplers
from mmpose.registry import DATA_SAMPLERS
from torch.utils.data import DataLoader

from vitpose_mm.datasets import CombinedPoseDataset, FixedMixSampler


class Members(CombinedPoseDataset):
    """A combined dataset that has only lengths and names, without files."""

    def __init__(self, lens, resample=False):
        self.datasets = [range(length) for length in lens]
        self._lens, self._len, self.resample = list(lens), sum(lens), resample

    @property
    def names(self):
        return [f'set{i}' for i in range(len(self._lens))]

    def source(self, index):
        return self._get_subset_index(index)[0]


def batches(sampler, epoch):
    sampler.set_epoch(epoch)
    drawn = list(sampler)
    assert len(drawn) == len(sampler)
    return [drawn[i : i + sampler.batch_size] for i in range(0, len(drawn), sampler.batch_size)]


def build(dataset, batch_size=8, ratio=(2, 1, 1), **kwargs):
    return FixedMixSampler(dataset, batch_size, ratio, **dict(dict(seed=3), **kwargs))


def test_every_batch_has_the_same_shares():
    dataset = Members((40, 10, 6))
    sampler = build(dataset)
    assert sampler.num_per_source == [4, 2, 2]
    for epoch in range(3):
        for batch in batches(sampler, epoch):
            assert Counter(map(dataset.source, batch)) == {0: 4, 1: 2, 2: 2}


def test_each_epoch_continues_where_the_previous_one_ended():
    """Every sample of a dataset is drawn once before any is drawn again, also across epochs."""
    dataset = Members((40, 10, 6))
    drawn = [index for epoch in range(10) for batch in batches(build(dataset), epoch) for index in batch]
    for source, first, size in ((0, 0, 40), (1, 40, 10), (2, 50, 6)):
        own = [index - first for index in drawn if dataset.source(index) == source]
        passes = [own[i : i + size] for i in range(0, len(own) - size + 1, size)]
        assert len(passes) >= 5
        assert all(sorted(indices) == list(range(size)) for indices in passes)
        assert len({tuple(indices) for indices in passes}) > 1


@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(1, 3)), min_size=1, max_size=3),
    st.integers(1, 3),
    st.booleans(),
    st.integers(0, 99),
)
def test_any_mix_in_any_number_of_processes(members, world, round_up, seed):
    """Together, the processes draw each sample once before any is drawn again; each batch has the same mix."""
    lens, ratio = zip(*members, strict=True)
    dataset, size = Members(lens), sum(ratio)
    drawn = [[] for _ in lens]
    for epoch in range(2):
        epochs = []
        for rank in range(world):
            with patch.object(samplers, 'get_dist_info', lambda rank=rank: (rank, world)):
                epochs.append(batches(build(dataset, size, ratio, seed=seed, round_up=round_up), epoch))
        for parts in zip(*epochs, strict=True):
            for batch in parts:
                assert Counter(map(dataset.source, batch)) == dict(enumerate(ratio))
        for source in range(len(lens)):
            own = [[i for batch in one for i in batch if dataset.source(i) == source] for one in epochs]
            drawn[source] += [index for step in zip(*own, strict=True) for index in step]
    for own, length in zip(drawn, lens, strict=True):
        for start in range(0, len(own), length):
            one_pass = own[start : start + length]
            assert len(set(one_pass)) == len(one_pass)


def test_order_is_the_same_in_a_resumed_run():
    """The third epoch of a resumed run is that of an uninterrupted run; with MMPose's sampler it is not."""
    dataset, sampler = Members((40, 10, 6)), build(Members((40, 10, 6)))
    epochs = [batches(sampler, epoch) for epoch in range(3)]
    assert batches(build(dataset), 2) == epochs[2]
    assert epochs[0] != epochs[2]
    assert batches(build(dataset, seed=4), 2) != epochs[2]

    theirs = MultiSourceSampler(dataset, 8, [2, 1, 1], seed=3)
    third = [list(theirs) for _ in range(3)][2]
    assert list(MultiSourceSampler(dataset, 8, [2, 1, 1], seed=3)) != third


def test_order_without_shuffling():
    assert batches(build(Members((5, 3)), 3, (2, 1), shuffle=False), 0)[:2] == [[0, 1, 5], [2, 3, 6]]


@pytest.mark.parametrize('round_up', [True, False])
@pytest.mark.parametrize('world', [1, 2, 3])
def test_ranks_split_the_samples(monkeypatch, world, round_up):
    """Ranks draw equally many samples; together they draw every sample once before any is drawn again."""
    drawn, lengths = [], set()
    for rank in range(world):
        monkeypatch.setattr(samplers, 'get_dist_info', lambda rank=rank: (rank, world))
        dataset = Members((40, 10, 7))
        sampler = build(dataset, round_up=round_up)
        loader = DataLoader(dataset, 8, sampler=sampler)
        lengths.add((len(sampler), len(loader), len(batches(sampler, 1))))
        drawn += [index for epoch in range(2) for batch in batches(sampler, epoch) for index in batch]
    ((length, steps, real),) = lengths
    whole = 57 / world / 8
    assert steps == real == length // 8 == (-int(-whole // 1) if round_up else int(whole))
    own = Counter(index for index in drawn if index < 40)
    total = 2 * steps * 4 * world
    assert sum(own.values()) == total
    assert set(own.values()) <= {total // 40, total // 40 + 1}


@pytest.mark.parametrize(
    ('ratio', 'message'),
    [
        ((1, 1), r'source_ratio=\[1, 1\] has 2 numbers for 3 datasets'),
        ((1, 1, -1), 'expected numbers >= 0'),
        ((0, 0, 0), 'at least one'),
        ((8, 1, 1), r"gives 'set1', 'set2' no sample in a batch of 8 \(\[8, 0, 0\]\)"),
        ((1, 4, 4), None),
    ],
)
def test_bad_ratio(ratio, message):
    if message is None:
        assert build(Members((9, 9, 9)), ratio=ratio).num_per_source == [2, 3, 3]
        return
    with pytest.raises(ValueError, match=message):
        build(Members((9, 9, 9)), ratio=ratio)


def test_other_datasets_are_an_error():
    with pytest.raises(TypeError, match='CombinedPoseDataset, got list'):
        build([1, 2, 3])
    with pytest.raises(ValueError, match='Remove sample_ratio_factor'):
        build(Members((9, 9, 9), resample=True))


def test_registered():
    assert DATA_SAMPLERS.get('FixedMixSampler') is FixedMixSampler
