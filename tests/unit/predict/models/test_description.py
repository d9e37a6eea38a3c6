"""Shipped datasets, and what checkpoints record."""

import pytest

from tests.unit.predict.models.dataset_descriptions import describe_all
from vitpose.predict.models.description import describe, read_datasets, recorded_dataset
from vitpose_mm.datasets.metainfo import parse_metainfo


def test_the_shipped_file_says_what_the_configs_say_through_mmpose():
    """To write it again: python -m tests.unit.predict.models.dataset_descriptions."""
    assert describe_all() == read_datasets()


@pytest.mark.parametrize('dataset', ['aic', 'crowdpose'])
def test_models_of_several_datasets_have_their_own_codecs(dataset):
    alone, shared = (describe({}, dataset, is_shared) for is_shared in (False, True))
    assert (alone.codec['type'], shared.codec['type']) == ('BatchUDPHeatmap', 'BatchMSRAHeatmap')
    assert (alone.crop['use_udp'], shared.crop['use_udp']) == (True, False)
    assert (alone.network, shared.network) == (dict(shift_heatmap=False), dict(shift_heatmap=True))


def test_an_unknown_dataset_is_refused():
    with pytest.raises(ValueError, match="dataset='cats': expected one of Human-Art, aic, .*, or the one that"):
        describe({}, 'cats', False)


@pytest.mark.parametrize('kind', [int, str])
def test_recorded_keypoints_count_under_a_shipped_name(kind):
    """Own keypoints often keep the dataset's name that a config was copied with; keys are strings in safetensors."""
    names = read_datasets()['coco']['keypoint_names']
    metainfo = parse_metainfo(dict(type='CocoDataset'))

    def described(names, is_shared=False):
        recorded = metainfo | dict(keypoint_id2name={kind(i): name for i, name in enumerate(names)})
        return describe(dict(dataset_meta=recorded), 'coco', is_shared)

    assert described(names) == describe({}, 'coco', False)
    own = described(names[::-1])
    assert own.keypoints['keypoint_names'] == names[::-1] and own.keypoints['category'] is None
    assert own.codec == described(names).codec
    assert described(names[::-1], is_shared=True) == describe({}, 'coco', True)
    assert describe(dict(dataset_meta=dict(dataset_name='coco')), 'coco', False) == described(names)


def test_an_incomplete_record_is_refused():
    meta = dict(cfg='model = dict(head=dict())\nval_dataloader = dict(dataset=dict())', dataset='coco')
    with pytest.raises(ValueError, match="its recorded config is incomplete: KeyError: 'pipeline'"):
        describe(meta, 'coco', False)


@pytest.mark.parametrize('meta', [{}, dict(dataset=1), dict(dataset_meta=[]), dict(dataset_meta=dict(dataset_name=1))])
def test_files_need_not_record_a_dataset(meta):
    assert recorded_dataset(meta) is None
