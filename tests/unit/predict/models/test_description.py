"""Shipped datasets, and what checkpoints record."""

import pytest

from tests.unit.predict.models.dataset_descriptions import describe_all
from vitpose.predict.models.description import describe, read_datasets, recorded_dataset


def test_the_shipped_file_says_what_the_configs_say_through_mmpose():
    """To write it again: python -m tests.unit.predict.models.dataset_descriptions."""
    assert describe_all() == read_datasets()


def test_multi_dataset_models_have_their_own_codecs():
    alone, shared = (describe({}, 'aic', is_shared) for is_shared in (False, True))
    assert (alone.codec['type'], shared.codec['type']) == ('BatchUDPHeatmap', 'BatchMSRAHeatmap')
    assert (alone.crop['use_udp'], shared.crop['use_udp']) == (True, False)
    assert (alone.network, shared.network) == (dict(shift_heatmap=False), dict(shift_heatmap=True))


def test_an_unknown_dataset_is_refused():
    with pytest.raises(ValueError, match="dataset='cats': expected one of Human-Art, aic, .*, or the one that"):
        describe({}, 'cats', False)


def test_an_incomplete_record_is_refused():
    meta = dict(cfg='model = dict(head=dict())\nval_dataloader = dict(dataset=dict())', dataset='coco')
    with pytest.raises(ValueError, match="its recorded config is incomplete: KeyError: 'pipeline'"):
        describe(meta, 'coco', False)


@pytest.mark.parametrize('meta', [{}, dict(dataset=1), dict(dataset_meta=[]), dict(dataset_meta=dict(dataset_name=1))])
def test_files_need_not_record_a_dataset(meta):
    assert recorded_dataset(meta) is None
