import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from mmpose.datasets import CocoDataset
from mmpose.evaluation.metrics import CocoMetric

from vitpose.synthetic import writer
from vitpose.synthetic.keypoints import COCO
from vitpose.synthetic.recipe import Recipe
from vitpose.synthetic.writer import write_dataset, write_picture


def digest(folder: Path) -> dict[str, str]:
    """Hash of every file by relative path."""
    files = sorted(path for path in folder.rglob('*') if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope='module')
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp('synthetic') / 'data'
    write_dataset(out, Recipe(20, 6, seed=5), workers=2)
    return out


def test_file_layout(data: Path) -> None:
    names = set(digest(data))
    assert names == {
        'annotations/train.json',
        'annotations/val.json',
        *(f'train/{i:06d}.jpg' for i in range(20)),
        *(f'val/{i:06d}.jpg' for i in range(6)),
    }


def test_same_seed_gives_the_same_files_for_any_number_of_workers(data: Path, tmp_path: Path) -> None:
    write_dataset(tmp_path / 'again', Recipe(20, 6, seed=5), workers=0)
    assert digest(tmp_path / 'again') == digest(data)


def test_larger_dataset_starts_with_the_same_images(data: Path, tmp_path: Path) -> None:
    write_dataset(tmp_path / 'fewer', Recipe(3, 1, seed=5), workers=0)
    fewer, more = digest(tmp_path / 'fewer'), digest(data)
    assert all(more[name] == value for name, value in fewer.items() if name.endswith('.jpg'))


def test_images_differ_between_seeds_and_splits(data: Path, tmp_path: Path) -> None:
    write_dataset(tmp_path / 'other', Recipe(6, 6, seed=6), workers=0)
    every = digest(data), digest(tmp_path / 'other')
    images = [value for files in every for name, value in files.items() if name.endswith('.jpg')]
    assert len(set(images)) == len(images)


def test_coco_dataset_reads_the_files(data: Path) -> None:
    dataset = CocoDataset(ann_file='annotations/train.json', data_root=str(data), data_prefix=dict(img='train/'))
    content = json.loads((data / 'annotations/train.json').read_text())
    labelled = [a for a in content['annotations'] if a['num_keypoints']]
    assert len(dataset) == len(labelled) > 30
    assert dataset.metainfo['keypoint_id2name'] == dict(enumerate(COCO.names))
    assert content['categories'][0]['keypoints'] == COCO.names
    assert {tuple(pair) for pair in content['categories'][0]['skeleton']} == {
        (a + 1, b + 1) for a, b in dataset.metainfo['skeleton_links']
    }
    sample = dataset[0]
    assert Path(sample['img_path']).is_file()
    np.testing.assert_allclose(sample['keypoints'][0], np.array(labelled[0]['keypoints']).reshape(-1, 3)[:, :2])


def test_annotations_are_consistent(data: Path) -> None:
    content = json.loads((data / 'annotations/val.json').read_text())
    ids = [a['id'] for a in content['annotations']]
    assert len(set(ids)) == len(ids)
    for annotation in content['annotations']:
        v = annotation['keypoints'][2::3]
        assert len(v) == 17 and set(v) <= {0, 1, 2}
        assert annotation['num_keypoints'] == sum(value > 0 for value in v)
        assert 0 < annotation['area'] <= annotation['bbox'][2] * annotation['bbox'][3]
        assert annotation['iscrowd'] == 0 and annotation['category_id'] == 1
        assert all(len(polygon) >= 6 for polygon in annotation['segmentation'])


@pytest.mark.parametrize(('shift', 'expected'), [(0.0, 1.0), (300.0, 0.0)])
def test_coco_metric_of_the_ground_truth_is_1(data: Path, shift: float, expected: float) -> None:
    annotations = str(data / 'annotations/val.json')
    dataset = CocoDataset(
        ann_file='annotations/val.json', data_root=str(data), data_prefix=dict(img='val/'), test_mode=True
    )
    metric = CocoMetric(ann_file=annotations)
    metric.dataset_meta = dataset.metainfo
    samples = []
    for i in range(len(dataset)):
        info = dataset.get_data_info(i)
        predicted = dict(
            keypoints=info['keypoints'] + shift,
            keypoint_scores=np.ones((1, 17)),
            bbox_scores=np.ones(1),
            bboxes=info['bbox'],
        )
        samples.append(
            dict(
                id=info['id'],
                img_id=info['img_id'],
                pred_instances=predicted,
                gt_instances=dict(bbox_scores=np.ones(1)),
            )
        )
    metric.process(samples, samples)
    result = metric.evaluate(len(samples))
    assert result['coco/AP'] == pytest.approx(expected)


def test_interrupted_run_leaves_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(writer, 'annotation_files', fail)
    with pytest.raises(KeyboardInterrupt):
        write_dataset(tmp_path / 'data', Recipe(2, 1), workers=0)
    assert list(tmp_path.iterdir()) == []


def test_failed_replacement_keeps_the_old_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_dataset(tmp_path / 'data', Recipe(1, 1), workers=0)
    before = digest(tmp_path)

    def fail(*args: object) -> None:
        raise OSError('disk full')

    monkeypatch.setattr(writer, 'render_one', fail)
    with pytest.raises(OSError, match='disk full'):
        write_dataset(tmp_path / 'data', Recipe(2, 1), workers=0, overwrite=True)
    assert digest(tmp_path) == before


def test_overwrite(tmp_path: Path) -> None:
    out = tmp_path / 'data'
    out.mkdir()
    (out / 'precious.txt').write_text('mine')
    with pytest.raises(FileExistsError, match='not empty.*--overwrite'):
        write_dataset(out, Recipe(1, 0), workers=0)
    assert (out / 'precious.txt').read_text() == 'mine'
    write_dataset(out, Recipe(1, 0), workers=0, overwrite=True)
    assert sorted(path.name for path in out.iterdir()) == ['annotations', 'train', 'val']
    assert [path.name for path in tmp_path.iterdir()] == ['data']


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(train=-1), 'train is -1'),
        (dict(train=0, val=0), 'at least one image'),
        (dict(seed=-3), 'seed is -3'),
        (dict(width=8), 'width is 8'),
        (dict(quality=0), 'quality is 0'),
    ],
)
def test_bad_recipe(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Recipe(**{'train': 1, 'val': 1} | arguments)


def test_picture_needs_an_image_extension(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match='.png or .jpg'):
        write_picture(tmp_path / 'sheet.txt', np.zeros((4, 4, 3), np.uint8))
