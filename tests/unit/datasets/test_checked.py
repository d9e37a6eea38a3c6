import pickle

import mmpose.datasets
import numpy as np
import pytest
from mmpose.registry import DATASETS

from tests.unit.datasets.tiny_files import NAMES, build, person, write_for

pytestmark = pytest.mark.usefixtures('mmpose_scope')


@pytest.mark.parametrize('name', NAMES)
def test_good_data_is_read_as_by_mmpose(name, tmp_path):
    data = write_for(name, tmp_path, person(1), person(2))
    for test_mode in (False, True):
        ours = build(name, test_mode=test_mode, **data)
        theirs = getattr(mmpose.datasets, name)(test_mode=test_mode, **data)
        assert len(ours) == len(theirs) > 0
        np.testing.assert_equal(ours.get_data_info(0), theirs.get_data_info(0))
        np.testing.assert_equal(ours.metainfo, theirs.metainfo)


REAL = dict(Coco='coco', CocoWholeBody='coco', CocoWholeBodyHand='coco', Aic='aic', Mpii='mpii', AP10K='ap10k')


@pytest.mark.parametrize('kind', REAL)
def test_real_data_is_read_as_by_mmpose(kind, photographs):
    name, folder = f'{kind}Dataset', REAL[kind]
    file = 'test_coco_wholebody.json' if 'Whole' in kind else f'test_{folder}.json'
    data = dict(data_root=str(photographs / folder), ann_file=file, test_mode=True)
    ours, theirs = build(name, **data), getattr(mmpose.datasets, name)(**data)
    assert len(ours) == len(theirs) > 0
    for index in range(len(ours)):
        np.testing.assert_equal(ours.get_data_info(index), theirs.get_data_info(index))


def test_real_detections_are_accepted(photographs):
    data = dict(data_root=str(photographs / 'coco'), ann_file='test_coco.json', test_mode=True)
    assert len(build('CocoDataset', bbox_file=str(photographs / 'coco' / 'test_coco_det_AP_H_56.json'), **data)) == 118


@pytest.mark.parametrize('name', (*NAMES, 'APT36KDataset'))
def test_pickle_finds_the_class_by_its_name_in_the_module(name):
    kind = DATASETS.get(f'Checked{name}')
    assert pickle.loads(pickle.dumps(kind)) is kind and kind.__doc__
