"""The files of every kind, read by MMPose's dataset classes and evaluated with its metrics."""

import json
from collections.abc import Callable
from copy import deepcopy
from functools import cache, reduce
from pathlib import Path

import numpy as np
import pytest
from mmpose import datasets
from mmpose.evaluation.metrics import CocoMetric, CocoWholeBodyMetric, MpiiPCKAccuracy

from tests.unit.synthetic.figures import stand
from vitpose.synthetic import writer
from vitpose.synthetic.annotation_files import annotation_files
from vitpose.synthetic.keypoints import KINDS, keypoint_set
from vitpose.synthetic.labels import locate
from vitpose.synthetic.render_settings import RenderSettings, render_one
from vitpose_mm.datasets import checked

READERS = {'coco': 'Coco', 'aic': 'Aic', 'mpii': 'Mpii', 'ap10k': 'AP10K', 'wholebody': 'CocoWholeBody'}
COUNTS = {'coco': 17, 'aic': 14, 'mpii': 16, 'ap10k': 17, 'wholebody': 133}
render = cache(render_one)  # an image is rendered once, for its file and for what is compared with it
every_kind = pytest.mark.parametrize('kind', READERS)
coco_kinds = pytest.mark.parametrize('kind', [kind for kind in READERS if kind != 'mpii'])  # files in COCO's format


def settings_of(kind: str) -> RenderSettings:
    return RenderSettings(12, 4, seed=3, kind=kind)


@cache
def drawn(kind: str) -> list[dict]:
    return [person for index in range(12) for person in render(settings_of(kind), 'train', index).people]


@pytest.fixture(scope='module')
def written(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    @cache
    def write(kind: str) -> Path:
        out = tmp_path_factory.mktemp(kind) / 'data'
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(writer, 'render_one', lambda *image: deepcopy(render(*image)))
            writer.write_dataset(out, settings_of(kind), workers=0)
        return out

    return write


def read(kind: str, data: Path, split: str, by: type | None = None, **arguments: object):
    reader = by or getattr(datasets, f'{READERS[kind]}Dataset')
    file, folder = f'annotations/{split}.json', dict(img=f'{split}/')
    return reader(ann_file=file, data_root=str(data), data_prefix=folder, **arguments)


def content(data: Path, split: str):
    return json.loads((data / f'annotations/{split}.json').read_text())


@pytest.mark.slow
@every_kind
def test_mmpose_reads_the_drawn_keypoints(kind: str, written) -> None:
    """Every keypoint that MMPose reads as visible has the renderer's coordinates; our dataset checks find no fault."""
    data = written(kind)
    dataset = read(kind, data, 'train')
    people = [person['keypoints'] for person in drawn(kind) if person['keypoints'][:17, 2].any()]
    assert len(dataset) == len(people) > 20
    offset = 1 if kind == 'mpii' else 0  # MPII's coordinates start at 1
    for i, keypoints in enumerate(people):
        info = dataset.get_data_info(i)
        visible = info['keypoints_visible'][0] > 0
        if kind != 'wholebody':  # its hidden hands and faces are not labeled
            np.testing.assert_array_equal(visible, keypoints[:, 2] > 0)
        np.testing.assert_allclose(info['keypoints'][0][visible], keypoints[visible, :2] + offset, atol=0.006)
        assert Path(info['img_path']).is_file()
        assert info['keypoints'].shape == (1, COUNTS[kind], 2)
    for split in ('train', 'val'):
        ours = read(kind, data, split, by=getattr(checked, f'Checked{READERS[kind]}Dataset'), test_mode=True)
        assert len(ours) == len(read(kind, data, split, test_mode=True))


@pytest.mark.slow
@every_kind
def test_keypoint_order_is_that_of_the_metainfo(kind: str, written) -> None:
    metainfo = read(kind, written(kind), 'val').metainfo
    theirs = [metainfo['keypoint_id2name'][i] for i in range(metainfo['num_keypoints'])]
    if kind == 'ap10k':
        words = (('L_', 'left_'), ('R_', 'right_'), ('F_Paw', 'front_paw'), ('B_Paw', 'back_paw'), (' ', '_'))
        theirs = [reduce(lambda name, pair: name.replace(*pair), words, name).lower() for name in theirs]
    table = keypoint_set(kind)
    assert table.names == theirs
    assert len(theirs) == COUNTS[kind]
    assert {frozenset(pair) for pair in table.limbs()} == {frozenset(pair) for pair in metainfo['skeleton_links']}
    if kind == 'coco':
        assert set(table.limbs()) == {tuple(pair) for pair in metainfo['skeleton_links']}


@coco_kinds
def test_annotations_are_consistent(kind: str, written) -> None:
    table, count = keypoint_set(kind), min(COUNTS[kind], 17)
    for split in ('train', 'val'):
        annotations, (category,) = (content(written(kind), split)[key] for key in ('annotations', 'categories'))
        assert category['keypoints'] == table.names[:count]
        assert category['skeleton'] == [[a + 1, b + 1] for a, b in table.limbs() if max(a, b) < count]
        assert len({annotation['id'] for annotation in annotations}) == len(annotations)
        for annotation in annotations:
            v = annotation['keypoints'][2::3]
            assert len(v) == count and set(v) <= {0, 1, 2}
            assert annotation['num_keypoints'] == sum(value > 0 for value in v)
            assert annotation['category_id'] == category['id'] == (8 if kind == 'ap10k' else 1)
            if kind != 'aic':
                assert 0 < annotation['area'] <= annotation['bbox'][2] * annotation['bbox'][3]
                assert annotation['iscrowd'] == 0
            assert all(len(polygon) >= 6 for polygon in annotation.get('segmentation', ()))


@pytest.mark.slow
@every_kind
def test_flip_pairs_of_the_metainfo_mirror_the_rest_pose(kind: str, written) -> None:
    """The figure stands straight and faces the camera: the keypoints of a flip pair are mirror images."""
    table, flipped = keypoint_set(kind), read(kind, written(kind), 'val').metainfo['flip_indices']
    figure = stand(kind, 0, scale=100, at=(0, 0))
    points = np.stack([locate(figure, landmark) for landmark in table.landmarks.values()])
    np.testing.assert_allclose(points[flipped] * (-1, 1, 1), points, atol=1e-9)
    for name, (x, _, _) in zip(table.names, points, strict=True):  # the figure's left is on the image's right
        assert ('left' not in name or x > 0) and ('right' not in name or x < 0)


@every_kind
def test_fields_are_those_of_a_real_file(kind: str, written, photographs: Path) -> None:
    file = 'coco/test_coco_wholebody.json' if kind == 'wholebody' else f'{kind}/test_{kind}.json'
    real, ours = json.loads((photographs / file).read_text()), content(written(kind), 'train')
    if kind == 'mpii':
        assert set(ours[0]) == set(real[0])
        return
    assert set(ours) == set(real)
    for part in ('annotations', 'categories'):
        assert set(ours[part][0]) == set(real[part][0])
    (category,) = ours['categories']
    (other,) = (other for other in real['categories'] if other['id'] == category['id'])
    names = [name.lower().replace(' ', '_') for name in other['keypoints']]
    assert [category[key] for key in ('name', 'supercategory')] == [other[key] for key in ('name', 'supercategory')]
    assert category['keypoints'] == names


def score(kind: str, data: Path, shift: float) -> dict[str, float]:
    """MMPose's metrics with the ground truth, shifted by some pixels, as the prediction."""
    mpii, file = kind == 'mpii', str(data / 'annotations/val.json')
    heads = dict(headbox_file=str(data / 'annotations/mpii_gt_val.mat')) if mpii else {}
    dataset = read(kind, data, 'val', test_mode=True, **heads)
    if kind == 'wholebody':
        metric = CocoWholeBodyMetric(ann_file=file)
    else:
        metric = MpiiPCKAccuracy() if mpii else CocoMetric(ann_file=file, use_area=kind != 'aic')
    metric.dataset_meta = dataset.metainfo
    samples, ones = [], dict(bbox_scores=np.ones(1), keypoint_scores=np.ones((1, COUNTS[kind])))
    for i in range(len(dataset)):
        info = dataset.get_data_info(i)
        truth = {key: info[key] for key in ('keypoints', 'keypoints_visible', *(['head_size'] if mpii else []))}
        predicted = ones | dict(keypoints=info['keypoints'] + shift, bboxes=info['bbox'])
        names = {key: info[key] for key in ('id', 'img_id', 'category_id')}
        samples.append(names | dict(pred_instances=predicted, gt_instances=truth | dict(bbox_scores=np.ones(1))))
    metric.process(samples, samples)
    return metric.evaluate(len(samples))


@every_kind
def test_metric_of_the_ground_truth_is_best(kind: str, written) -> None:
    name, top = {'mpii': ('PCK', 100), 'wholebody': ('coco-wholebody/AP', 1)}.get(kind, ('coco/AP', 1))
    for shift, expected in ((0.0, top), (300.0, 0)):
        assert score(kind, written(kind), shift)[name] == pytest.approx(expected)


def test_mpii_boxes_are_squares_around_the_drawn_people(written) -> None:
    dataset = read('mpii', written('mpii'), 'train')
    people = [person for person in drawn('mpii') if person['keypoints'][:, 2].any()]
    for i, person in enumerate(people):
        x, y, width, height = person['bbox']
        middle, half = np.array((x + width / 2, y + height / 2)), max(width, height) / 2
        np.testing.assert_allclose(dataset.get_data_info(i)['bbox'][0], [*(middle - half), *(middle + half)], atol=0.05)


def test_mostly_hidden_hand_is_not_labeled() -> None:
    person = next(person for person in drawn('wholebody') if (person['keypoints'][:, 2] == 2).sum() > 120)
    keypoints = person['keypoints'].copy()
    keypoints[91:112, 2] = 1
    files = annotation_files(settings_of('wholebody'), 'train', [[person], [person | {'keypoints': keypoints}]])
    seen, hidden = json.loads(files['train.json'])['annotations']
    assert seen['lefthand_valid'] and not hidden['lefthand_valid']
    assert set(hidden['lefthand_kpts']) == set(hidden['lefthand_box']) == {0}
    assert hidden['righthand_kpts'] == seen['righthand_kpts'] and hidden['righthand_valid']


def test_kinds_with_the_same_seed_have_different_images() -> None:
    assert len({render(settings_of(kind), 'train', 0).image.tobytes() for kind in KINDS}) == len(KINDS)


@pytest.mark.slow
def test_hand_dataset_reads_the_hands(written) -> None:
    hands = read('wholebody', written('wholebody'), 'train', by=datasets.CocoWholeBodyHandDataset)
    assert len(hands) > 20
    for info in map(hands.get_data_info, range(len(hands))):
        inside = info['keypoints'][0][info['keypoints_visible'][0] > 0]
        assert (inside >= info['bbox'][0, :2]).all() and (inside <= info['bbox'][0, 2:]).all()
