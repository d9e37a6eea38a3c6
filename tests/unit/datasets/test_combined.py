"""Each member of a combined dataset keeps its own metainfo and pipeline; members that cannot be routed are an error."""

import numpy as np
import pytest
from mmpose.registry import DATASETS

import vitpose_mm  # noqa: F401, registers

pytestmark = pytest.mark.usefixtures('mmpose_scope')


def pipeline(codec_type, input_size, test=False):
    width, height = input_size
    codec = dict(type=codec_type, input_size=input_size, heatmap_size=(width // 4, height // 4), sigma=2)
    crop = dict(type='TopdownAffine', input_size=input_size, use_udp=codec_type == 'UDPHeatmap')
    flip = [] if test else [dict(type='RandomFlip', prob=1.0, direction='horizontal')]
    target = [] if test else [dict(type='GenerateTarget', encoder=codec)]
    return [dict(type='LoadImage'), dict(type='GetBBoxCenterScale'), *flip, crop, *target, dict(type='PackPoseInputs')]


@pytest.fixture
def coco(coco_files):
    return dict(type='CheckedCocoDataset', pipeline=pipeline('UDPHeatmap', (48, 64)), **coco_files('coco', 5, 17))


@pytest.fixture
def aic(coco_files):
    return dict(type='CheckedAicDataset', pipeline=pipeline('MSRAHeatmap', (96, 64)), **coco_files('aic', 3, 14))


def combine(*members, **kwargs):
    return DATASETS.build(dict(type='CombinedPoseDataset', datasets=list(members), **kwargs))


def test_samples_are_those_of_the_member_alone(coco, aic):
    whole, parts = combine(coco, aic), [DATASETS.build(coco), DATASETS.build(aic)]
    assert len(whole) == 8 and whole.names == ['coco', 'aic']
    for i in range(len(whole)):
        sample, alone = whole[i], parts[i >= 5][i % 5]
        assert set(sample) == {'inputs', 'data_samples'}
        assert np.array_equal(sample['inputs'], alone['inputs'])
        ours, theirs = sample['data_samples'], alone['data_samples']
        np.testing.assert_equal(ours.metainfo, theirs.metainfo)
        assert (ours.gt_fields.heatmaps == theirs.gt_fields.heatmaps).all()
        assert (ours.gt_instance_labels.keypoint_weights == theirs.gt_instance_labels.keypoint_weights).all()
        name, shape = ('coco', (17, 16, 12)) if i < 5 else ('aic', (14, 16, 24))
        assert (ours.dataset_name, len(ours.flip_indices), ours.gt_fields.heatmaps.shape) == (name, shape[0], shape)


@pytest.mark.parametrize(('order', 'name', 'keypoints'), [((0, 1), 'coco', 17), ((1, 0), 'aic', 14)])
def test_metainfo_is_that_of_the_first_member(coco, aic, order, name, keypoints):
    members = [(coco, aic)[i] for i in order]
    meta = combine(*members).metainfo
    assert (meta['dataset_name'], meta['num_keypoints']) == (name, keypoints)
    chosen = combine(*members, metainfo=dict(from_file='configs/_base_/datasets/mpii.py')).metainfo
    assert (chosen['dataset_name'], chosen['num_keypoints']) == ('mpii', 16)
    for parts in (meta['members'], chosen['members']):
        assert {part: parts[part]['num_keypoints'] for part in parts} == dict(coco=17, aic=14)


def test_in_test_mode(coco, aic):
    test = dict(test_mode=True, pipeline=pipeline('UDPHeatmap', (48, 64), test=True))
    whole = combine(coco | test, aic | test, pipeline=[dict(type='LoadImage')])
    assert [whole[i]['data_samples'].metainfo['id'] for i in range(8)] == [1, 2, 3, 4, 5, 1, 2, 3]
    assert whole[0]['data_samples'].metainfo['raw_ann_info']['num_keypoints'] == 17


def test_ratios(coco, aic):
    whole = combine(coco, aic, sample_ratio_factor=[0.4, 2])
    assert whole.lens == [2, 6] and len(whole) == 8
    assert [whole[i]['data_samples'].metainfo['dataset_name'] for i in range(8)] == ['coco'] * 2 + ['aic'] * 6
    assert {whole[i]['data_samples'].metainfo['id'] for _ in range(20) for i in range(2)} == {1, 2, 3, 4, 5}
    assert combine(coco, aic, sample_ratio_factor=[1, 0]).lens == [5, 0]


def test_bad_members_and_ratios(coco, aic):
    for ratios, message in (
        ([1], 'has 1 numbers for 2 datasets'),
        ([1, -0.5], r'\[1, -0.5\]: expected numbers >= 0'),
        ([float('nan'), 1], 'expected numbers >= 0'),
        ([0, 0], 'at least one of them > 0'),
        ([1, 0.1], "sample_ratio_factor=0.1 leaves none of the 3 samples of 'aic'"),
    ):
        with pytest.raises(ValueError, match=message):
            combine(coco, aic, sample_ratio_factor=ratios)
    with pytest.raises(ValueError, match=r"several members are named 'coco' \(all: \['coco', 'aic', 'coco'\]\)"):
        combine(coco, aic, dict(coco, type='CocoDataset'))
    with pytest.raises(ValueError, match='datasets is empty'):
        combine()


def test_empty_member(coco, coco_files):
    """Checked datasets raise an error themselves; MMPose's datasets do not."""
    files = coco_files('none', 0, 14)
    for more in ({}, dict(serialize_data=False)):
        with pytest.raises(ValueError, match=r'AicDataset has no sample in annotations\.json below .*none'):
            combine(coco, dict(type='AicDataset', **files, **more))
    with pytest.raises(ValueError, match=r'no instance is left of .*none/annotations\.json'):
        combine(coco, dict(type='CheckedAicDataset', **files))
