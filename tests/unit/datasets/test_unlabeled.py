import json
import shutil

import numpy as np
import pytest
from mmpose.registry import DATASETS

from vitpose_mm.datasets.checked import CheckedAicDataset

pytestmark = pytest.mark.usefixtures('mmpose_scope')
PACK = dict(type='PackPoseInputs', meta_keys=('img_path', 'dataset_name', 'flip'))
PIPELINE = [dict(type='LoadImage'), dict(type='PretrainCrop', input_size=(48, 64)), PACK]


def build(*sources, **options):
    return DATASETS.build(dict(type='UnlabeledDataset', sources=list(sources), pipeline=PIPELINE, **options))


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


def test_people_without_keypoints_count(coco_files, tmp_path):
    """Crowds and boxes without area do not."""
    files = coco_files('a', 4, 17)
    path = tmp_path / 'a/annotations.json'
    content = json.loads(path.read_text())
    for annotation in content['annotations']:
        annotation.update(num_keypoints=0, keypoints=[0] * 51)
    del content['annotations'][0]['keypoints'], content['annotations'][0]['num_keypoints']
    content['annotations'][1]['iscrowd'] = 1
    content['annotations'][2]['bbox'] = [10, 8, 0, 70]
    content['annotations'][3]['bbox'] = [11, 8, 80, 70]
    path.write_text(json.dumps(content))
    dataset = build(dict(type='CheckedCocoDataset', **files))
    assert [dataset.get_data_info(i)['bbox'][0, 0] for i in range(len(dataset))] == [10, 11]


def test_several_datasets_and_folders(coco_files, tmp_path):
    coco = dict(type='CheckedCocoDataset', **coco_files('a', 2, 17))
    aic = dict(type=CheckedAicDataset, **coco_files('b', 1, 14))  # as in a purely Pythonic config
    (tmp_path / 'folder/deep').mkdir(parents=True)
    for name in ('z.jpg', 'deep/a.JPG', 'notes.txt', '._z.jpg'):
        shutil.copy(tmp_path / 'a/one.jpg', tmp_path / 'folder' / name)
    dataset = build(coco, aic, str(tmp_path / 'folder'))
    assert [dataset.get_data_info(i)['dataset_name'] for i in range(5)] == ['coco', 'coco', 'aic', '', '']
    assert [dataset.get_data_info(i)['img_path'][-9:] for i in (3, 4)] == ['eep/a.JPG', 'der/z.jpg']
    assert dataset[4]['inputs'].shape == (3, 64, 48)


def test_real_datasets_of_five_formats(photographs):
    """MPII has its own annotation format; crowds and boxes without keypoints are in COCO's file."""

    def real(name, folder):
        files = dict(data_root=str(photographs / folder), ann_file=f'test_{folder}.json', data_prefix=dict(img=''))
        return build(dict(type=f'Checked{name}Dataset', **files))

    boxes = real('Coco', 'coco')
    content = json.loads((photographs / 'coco/test_coco.json').read_text())
    expected = [one for one in content['annotations'] if not one['iscrowd'] and min(one['bbox'][2:]) > 1]
    assert len(boxes) == len(expected) > sum(one['num_keypoints'] > 0 for one in expected)
    assert boxes[0]['inputs'].float().std() > 10
    assert len(real('Mpii', 'mpii')) > 1


def test_bad_sources_are_refused(tmp_path):
    for sources in ([], 'data/images', dict(type='CocoDataset')):
        with pytest.raises(ValueError, match='expected a list of folders and dataset configs'):
            DATASETS.build(dict(type='UnlabeledDataset', sources=sources, pipeline=[]))
    with pytest.raises(FileNotFoundError, match='folder .*/nothing does not exist'):
        build(str(tmp_path / 'nothing'))
    with pytest.raises(ValueError, match='no image in .* expected files with .jpg'):
        build(str(tmp_path))
    with pytest.raises(ValueError, match="'NoDataset' is not registered"):
        build(dict(type='NoDataset'))
