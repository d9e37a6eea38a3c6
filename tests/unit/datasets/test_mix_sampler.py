"""Every batch holds a fixed share of each dataset, in an order that depends only on seed and epoch."""

import math
from collections import Counter
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mmpose.datasets import samplers

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


def test_each_epoch_continues_where_the_previous_one_ended():
    drawn = [index for epoch in range(10) for batch in batches(build(Members((40, 10, 6))), epoch) for index in batch]
    for first, end in ((0, 40), (40, 50), (50, 56)):
        indices = [index for index in drawn if first <= index < end]
        passes = list(zip(*[iter(indices)] * (end - first), strict=False))
        assert len(passes) >= 5 and len(set(passes)) > 1
        assert all(sorted(one_pass) == list(range(first, end)) for one_pass in passes)


MEMBERS = st.lists(st.tuples(st.integers(1, 9), st.integers(1, 3)), min_size=1, max_size=3)


@given(MEMBERS, st.integers(1, 3), st.booleans(), st.integers(0, 99))
def test_any_mix_in_any_number_of_processes(members, world, round_up, seed):
    lens, ratio = zip(*members, strict=True)
    dataset, size = Members(lens), sum(ratio)
    drawn = [[] for _ in lens]
    for epoch in range(2):
        epochs = []
        for rank in range(world):
            with patch.object(samplers, 'get_dist_info', lambda rank=rank: (rank, world)):
                sampler = build(dataset, size, ratio, seed=seed, round_up=round_up)
                epochs.append(batches(sampler, epoch))
                assert len(sampler) == size * (math.ceil if round_up else math.floor)(sum(lens) / world / size)
        for parts in zip(*epochs, strict=True):
            for batch in parts:
                assert Counter(map(dataset.source, batch)) == dict(enumerate(ratio))
        for source in range(len(lens)):
            ranks = [[i for batch in one for i in batch if dataset.source(i) == source] for one in epochs]
            drawn[source] += [index for step in zip(*ranks, strict=True) for index in step]
    for indices, length in zip(drawn, lens, strict=True):
        for start in range(0, len(indices), length):
            one_pass = indices[start : start + length]
            assert len(set(one_pass)) == len(one_pass)


def test_order_is_the_same_in_a_resumed_run():
    dataset, sampler = Members((40, 10, 6)), build(Members((40, 10, 6)))
    epochs = [batches(sampler, epoch) for epoch in range(3)]
    assert batches(build(dataset), 2) == epochs[2]
    assert epochs[0] != epochs[2]
    assert batches(build(dataset, seed=4), 2) != epochs[2]
    assert batches(build(Members((5, 3)), 3, (2, 1), shuffle=False), 0)[:2] == [[0, 1, 5], [2, 3, 6]]


def test_bad_ratios_and_datasets_are_refused():
    assert build(Members((9, 9, 9)), ratio=(1, 4, 4)).num_per_source == [2, 3, 3]  # the first gets the remainder
    for ratio, message in (
        ((1, 1), r'source_ratio=\[1, 1\] has 2 numbers for 3 datasets'),
        ((1, 1, -1), 'expected numbers >= 0'),
        ((0, 0, 0), 'at least one'),
        ((8, 1, 1), r"gives 'set1', 'set2' no sample in a batch of 8 \(\[8, 0, 0\]\)"),
    ):
        with pytest.raises(ValueError, match=message):
            build(Members((9, 9, 9)), ratio=ratio)
    with pytest.raises(TypeError, match='CombinedPoseDataset, got list'):
        build([1, 2, 3])
    with pytest.raises(ValueError, match='Remove sample_ratio_factor'):
        build(Members((9, 9, 9), resample=True))
