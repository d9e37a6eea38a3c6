r"""APT-36K's annotation file as published (Windows paths, video clips, `is_crowd`), and as split by others."""

import numpy as np
import pytest
from mmpose.datasets import AP10KDataset
from mmpose.evaluation import MultiDatasetEvaluator
from mmpose.registry import DATASETS

import vitpose_mm  # noqa: F401, registers

pytestmark = pytest.mark.usefixtures('mmpose_scope')

FRAME = '29wolf/v3c2/frame7.jpg'
PUBLISHED = 'D:\\Animal_pose\\AP-36k-patr1\\29wolf\\v3c2\\frame7.jpg'


@pytest.fixture(params=['APT36KDataset', 'CheckedAPT36KDataset'])
def build(request):
    return lambda **kwargs: DATASETS.build(dict(type=request.param, **kwargs))


@pytest.mark.parametrize('name', [PUBLISHED, PUBLISHED.replace('\\', '/'), FRAME])
@pytest.mark.parametrize('prefix', ['', 'frames'])
def test_images_are_found(build, coco_files, name, prefix):
    files = coco_files('apt', 2, 17, image=f'{prefix}/{FRAME}'.lstrip('/'), file_name=name, track_id=1, video_id=7)
    dataset = build(pipeline=[dict(type='LoadImage')], **dict(files, data_prefix=dict(img=prefix)))
    assert len(dataset) == 2
    assert dataset[0]['img'].shape == (96, 128, 3)
    assert dataset[0]['img_path'].endswith(f'apt/{prefix}/{FRAME}'.replace('//', '/'))


@pytest.mark.parametrize('test_mode', [False, True])
def test_crowds_are_skipped(build, coco_files, test_mode):
    """The published file marks them with `is_crowd`, which MMPose does not read."""
    assert len(build(test_mode=test_mode, **coco_files('alone', 2, 17, is_crowd=0))) == 2
    crowd = coco_files('crowd', 2, 17, is_crowd=1)
    with pytest.raises(ValueError, match='no instance is left|at least one array'):
        build(test_mode=test_mode, **crowd)


def test_keypoints_are_those_of_ap10k(build, coco_files, tmp_path, monkeypatch):
    """In any working directory; MMPose's evaluator accepts the dataset."""
    monkeypatch.chdir(tmp_path)
    dataset = build(**coco_files('apt', 1, 17))
    ours, theirs = dict(dataset.metainfo), AP10KDataset(lazy_init=True).metainfo
    assert (ours.pop('dataset_name'), theirs.pop('dataset_name')) == ('apt36k', 'ap10k')
    ours.pop('CLASSES')
    np.testing.assert_equal(ours, theirs)
    evaluator = MultiDatasetEvaluator(metrics=[dict(type='PCKAccuracy')], datasets=[dict(type=type(dataset).__name__)])
    assert list(evaluator.metrics_dict) == ['apt36k']
