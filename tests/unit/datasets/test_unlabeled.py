"""Images without labels: boxes, whole images, folders."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from mmpose.registry import DATASETS

pytestmark = pytest.mark.usefixtures('mmpose_scope')
CROP = [
    dict(type='LoadImage'),
    dict(type='PretrainCrop', input_size=(48, 64)),
    dict(type='PackPoseInputs', meta_keys=('img_path', 'dataset_name', 'flip')),
]


def build(*sources, **options):
    """Build the dataset."""
    return DATASETS.build(dict(type='UnlabeledDataset', sources=list(sources), pipeline=CROP, **options))


def test_each_box_is_a_sample_or_each_image(coco_files):
    source = dict(type='CheckedCocoDataset', **coco_files('a', 3, 17))
    boxes, images = build(source), build(source, boxes=False)
    assert (len(boxes), len(images)) == (3, 1)
    record = boxes.get_data_info(2)
    assert np.array_equal(record['bbox'], [[10, 8, 90, 78]]) and record['dataset_name'] == 'coco'
    assert 'bbox' not in images.get_data_info(0)
    sample = boxes[0]
    assert sample['inputs'].shape == (3, 64, 48)
    assert sample['data_samples'].dataset_name == 'coco' and not sample['data_samples'].gt_instances


def test_people_without_keypoints_count(coco_files):
    files = coco_files('a', 2, 17, num_keypoints=0)
    path = Path(files['data_root'], 'annotations.json')
    content = json.loads(path.read_text())
    for annotation in content['annotations']:
        annotation['keypoints'] = [0] * 51
    path.write_text(json.dumps(content))
    assert len(build(dict(type='CheckedCocoDataset', **files))) == 2
    del content['annotations'][0]['keypoints'], content['annotations'][0]['num_keypoints']
    content['annotations'][1]['iscrowd'] = 1
    path.write_text(json.dumps(content))
    assert len(build(dict(type='CheckedCocoDataset', **files))) == 1


def test_a_box_without_area_is_left_out(coco_files):
    files = coco_files('a', 2, 17, bbox=[10, 8, 0, 70])
    with pytest.raises(ValueError, match='no instance is left'):
        build(dict(type='CheckedCocoDataset', **files))


def test_several_datasets_and_folders(coco_files, tmp_path):
    coco = dict(type='CheckedCocoDataset', **coco_files('a', 2, 17))
    aic = dict(type='CheckedAicDataset', **coco_files('b', 1, 14))
    (tmp_path / 'folder/deep').mkdir(parents=True)
    for name in ('z.jpg', 'deep/a.JPG', 'notes.txt'):
        shutil.copy(tmp_path / 'a/one.jpg', tmp_path / 'folder' / name)
    dataset = build(coco, aic, str(tmp_path / 'folder'))
    assert [dataset.get_data_info(i)['dataset_name'] for i in range(5)] == ['coco', 'coco', 'aic', '', '']
    assert [dataset.get_data_info(i)['img_path'][-9:] for i in (3, 4)] == ['eep/a.JPG', 'der/z.jpg']
    assert dataset[4]['inputs'].shape == (3, 64, 48)


def test_real_datasets_of_five_formats(photographs):
    """MPII has its own annotation format; crowds and boxes without keypoints are in COCO's file."""
    coco = dict(type='CheckedCocoDataset', data_root=str(photographs / 'coco'), ann_file='test_coco.json')
    boxes = build(dict(coco, data_prefix=dict(img='')))
    content = json.loads((photographs / 'coco/test_coco.json').read_text())
    expected = [each for each in content['annotations'] if not each['iscrowd'] and min(each['bbox'][2:]) > 1]
    labelled = [each for each in expected if each['num_keypoints']]
    assert len(boxes) == len(expected) > len(labelled)
    assert boxes[0]['inputs'].float().std() > 10
    mpii = dict(type='CheckedMpiiDataset', data_root=str(photographs / 'mpii'), ann_file='test_mpii.json')
    assert len(build(dict(mpii, data_prefix=dict(img='')))) > 1


@pytest.mark.parametrize('sources', [[], 'data/images', dict(type='CocoDataset')])
def test_sources_must_be_a_list(sources):
    with pytest.raises(ValueError, match='expected a list of folders and dataset configs'):
        DATASETS.build(dict(type='UnlabeledDataset', sources=sources, pipeline=[]))


def test_missing_and_empty_folders_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match='folder .*/nothing does not exist'):
        build(str(tmp_path / 'nothing'))
    with pytest.raises(ValueError, match='no image in .* expected files with .jpg'):
        build(str(tmp_path))
    with pytest.raises(ValueError, match="'NoDataset' is not registered"):
        build(dict(type='NoDataset'))


def test_a_broken_image_is_named(coco_files, tmp_path):
    dataset = build(dict(type='CheckedCocoDataset', **coco_files('a', 1, 17)))
    (tmp_path / 'a/one.jpg').write_bytes((tmp_path / 'a/one.jpg').read_bytes()[:300])
    with pytest.raises(ValueError, match='one.jpg'):
        dataset[0]
    (tmp_path / 'a/one.jpg').unlink()
    with pytest.raises(FileNotFoundError):
        dataset[0]
