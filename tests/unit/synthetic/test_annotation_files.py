"""The files of every kind, read by MMPose's dataset classes and evaluated with its metrics."""

import json
from pathlib import Path

import numpy as np
import pytest
from mmpose import datasets
from mmpose.evaluation.metrics import CocoMetric, CocoWholeBodyMetric, MpiiPCKAccuracy

from vitpose.synthetic.annotation_files import annotation_files
from vitpose.synthetic.figure import place
from vitpose.synthetic.keypoints import KINDS, keypoint_set
from vitpose.synthetic.labels import locate
from vitpose.synthetic.render_settings import RenderSettings, render_one
from vitpose.synthetic.writer import write_dataset
from vitpose_mm.datasets import checked

COUNTS = {'coco': 17, 'aic': 14, 'mpii': 16, 'ap10k': 17, 'wholebody': 133}
READERS = {'coco': 'Coco', 'aic': 'Aic', 'mpii': 'Mpii', 'ap10k': 'AP10K', 'wholebody': 'CocoWholeBody'}
REAL_FILES = {kind: f'{kind}/test_{kind}.json' for kind in COUNTS} | {'wholebody': 'coco/test_coco_wholebody.json'}


def settings_of(kind: str) -> RenderSettings:
    return RenderSettings(12, 12, seed=3, kind=kind)


@pytest.fixture(scope='module', params=list(READERS))
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope='module')
def data(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp(kind) / 'data'
    write_dataset(out, settings_of(kind), workers=2)
    return out


def read(kind: str, data: Path, split: str, by: type | None = None, **arguments: object):
    reader = by or getattr(datasets, f'{READERS[kind]}Dataset')
    file, folder = f'annotations/{split}.json', dict(img=f'{split}/')
    return reader(ann_file=file, data_root=str(data), data_prefix=folder, **arguments)


def content(data: Path, split: str):
    return json.loads((data / f'annotations/{split}.json').read_text())


def test_mmpose_reads_the_drawn_keypoints(kind: str, data: Path) -> None:
    """Every keypoint that MMPose reads as visible has the renderer's coordinates."""
    dataset = read(kind, data, 'train')
    images = [render_one(settings_of(kind), 'train', index) for index in range(12)]
    drawn = [person['keypoints'] for image in images for person in image.people]
    drawn = [keypoints for keypoints in drawn if keypoints[:17, 2].any()]
    assert len(dataset) == len(drawn) > 20
    offset = 1 if kind == 'mpii' else 0  # MPII's coordinates start at 1
    for i, keypoints in enumerate(drawn):
        info = dataset.get_data_info(i)
        visible = info['keypoints_visible'][0] > 0
        if kind != 'wholebody':  # its hidden hands and faces are not labeled
            np.testing.assert_array_equal(visible, keypoints[:, 2] > 0)
        np.testing.assert_allclose(info['keypoints'][0][visible], keypoints[visible, :2] + offset, atol=0.006)
        assert Path(info['img_path']).is_file()
        assert info['keypoints'].shape == (1, COUNTS[kind], 2)


def test_checked_dataset_has_the_same_length(kind: str, data: Path) -> None:
    for split in ('train', 'val'):
        mine = read(kind, data, split, by=getattr(checked, f'Checked{READERS[kind]}Dataset'), test_mode=True)
        assert len(mine) == len(read(kind, data, split, test_mode=True))


def test_keypoint_order_is_that_of_the_metainfo(kind: str, data: Path) -> None:
    metainfo = read(kind, data, 'val').metainfo
    theirs = [metainfo['keypoint_id2name'][i] for i in range(metainfo['num_keypoints'])]
    if kind == 'ap10k':
        spelled = {'L': 'left', 'R': 'right', 'F_Paw': 'front_paw', 'B_Paw': 'back_paw'}
        theirs = [
            '_'.join(
                spelled.get(word, word)
                for word in name.replace('_F_', '_front_').replace('_B_', '_back_').replace(' ', '_').split('_')
            ).lower()
            for name in theirs
        ]
    table = keypoint_set(kind)
    assert table.names == theirs
    assert len(theirs) == COUNTS[kind]
    assert {frozenset(pair) for pair in table.limbs()} == {frozenset(pair) for pair in metainfo['skeleton_links']}
    if kind == 'coco':
        assert set(table.limbs()) == {tuple(pair) for pair in metainfo['skeleton_links']}
    if kind != 'mpii':
        (category,) = content(data, 'val')['categories']
        body = [pair for pair in table.limbs() if max(pair) < len(category['keypoints'])]
        assert category['keypoints'] == table.names[: 17 if kind == 'wholebody' else None]
        assert category['skeleton'] == [[a + 1, b + 1] for a, b in body]


@pytest.mark.parametrize('split', ['train', 'val'])
def test_annotations_are_consistent(kind: str, data: Path, split: str) -> None:
    if kind == 'mpii':
        return
    annotations = content(data, split)['annotations']
    assert len({annotation['id'] for annotation in annotations}) == len(annotations)
    for annotation in annotations:
        v = annotation['keypoints'][2::3]
        assert len(v) == min(COUNTS[kind], 17) and set(v) <= {0, 1, 2}
        assert annotation['num_keypoints'] == sum(value > 0 for value in v)
        assert annotation['category_id'] == (8 if kind == 'ap10k' else 1)
        if kind != 'aic':
            assert 0 < annotation['area'] <= annotation['bbox'][2] * annotation['bbox'][3]
            assert annotation['iscrowd'] == 0
        assert all(len(polygon) >= 6 for polygon in annotation.get('segmentation', ()))


def test_flip_pairs_of_the_metainfo_mirror_the_rest_pose(kind: str, data: Path) -> None:
    """The figure stands straight and faces the camera: the keypoints of a flip pair are mirror images."""
    table, metainfo = keypoint_set(kind), read(kind, data, 'val').metainfo
    body = table.species.body
    figure = place(body, {}, {}, np.eye(3), 100.0, table.species.dress(np.random.default_rng(0), None))
    points = np.stack([locate(figure, landmark) for landmark in table.landmarks.values()])
    np.testing.assert_allclose(points[metainfo['flip_indices']] * (-1, 1, 1), points, atol=1e-9)
    sides = [
        (1 if 'left' in name else -1, x)
        for name, x in zip(table.names, points[:, 0], strict=True)
        if 'left' in name or 'right' in name
    ]
    assert all(sign * x > 0 for sign, x in sides)  # the figure's left is on the image's right


def test_fields_are_those_of_a_real_file(kind: str, data: Path, photographs: Path) -> None:
    real, ours = json.loads((photographs / REAL_FILES[kind]).read_text()), content(data, 'train')
    if kind == 'mpii':
        assert set(ours[0]) == set(real[0])
        return
    assert set(ours) == set(real)
    assert set(ours['annotations'][0]) == set(real['annotations'][0])
    assert set(ours['categories'][0]) == set(real['categories'][0])
    categories = {
        c['id']: (c['name'], c['supercategory'], [n.lower().replace(' ', '_') for n in c['keypoints']])
        for c in real['categories']
    }
    assert all((c['name'], c['supercategory'], c['keypoints']) == categories[c['id']] for c in ours['categories'])


def score(kind: str, data: Path, shift: float) -> dict[str, float]:
    """MMPose's metrics with the ground truth, shifted by some pixels, as the prediction."""
    heads = dict(headbox_file=str(data / 'annotations/mpii_gt_val.mat')) if kind == 'mpii' else {}
    dataset = read(kind, data, 'val', test_mode=True, **heads)
    file = str(data / 'annotations/val.json')
    if kind == 'mpii':
        metric = MpiiPCKAccuracy()
    elif kind == 'wholebody':
        metric = CocoWholeBodyMetric(ann_file=file)
    else:
        metric = CocoMetric(ann_file=file, use_area=kind != 'aic')
    metric.dataset_meta = dataset.metainfo
    samples = []
    for i in range(len(dataset)):
        info = dataset.get_data_info(i)
        truth = dict(bbox_scores=np.ones(1), keypoints=info['keypoints'], keypoints_visible=info['keypoints_visible'])
        if kind == 'mpii':
            truth['head_size'] = info['head_size']
        predicted = dict(
            keypoints=info['keypoints'] + shift,
            keypoint_scores=np.ones((1, COUNTS[kind])),
            bbox_scores=np.ones(1),
            bboxes=info['bbox'],
        )
        names = {key: info[key] for key in ('id', 'img_id', 'category_id')}
        samples.append(names | dict(pred_instances=predicted, gt_instances=truth))
    metric.process(samples, samples)
    return metric.evaluate(len(samples))


def test_mpii_boxes_are_squares_around_the_drawn_people(tmp_path: Path) -> None:
    write_dataset(tmp_path / 'data', settings_of('mpii'), workers=0)
    dataset = read('mpii', tmp_path / 'data', 'train')
    people = [person for i in range(12) for person in render_one(settings_of('mpii'), 'train', i).people]
    people = [person for person in people if person['keypoints'][:, 2].any()]
    assert len(people) == len(dataset)
    for i, person in enumerate(people):
        x, y, width, height = person['bbox']
        middle, half = np.array((x + width / 2, y + height / 2)), max(width, height) / 2
        np.testing.assert_allclose(dataset.get_data_info(i)['bbox'][0], [*(middle - half), *(middle + half)], atol=0.05)


def test_mostly_hidden_hand_is_not_labeled() -> None:
    person = next(
        person
        for index in range(12)
        for person in render_one(settings_of('wholebody'), 'train', index).people
        if (person['keypoints'][:, 2] == 2).sum() > 120
    )
    keypoints = person['keypoints'].copy()
    keypoints[91:112, 2] = 1
    images = [[person], [person | {'keypoints': keypoints}]]
    files = annotation_files(settings_of('wholebody'), 'train', images)
    seen, hidden = json.loads(files['train.json'])['annotations']
    assert seen['lefthand_valid'] and not hidden['lefthand_valid']
    assert set(hidden['lefthand_kpts']) == set(hidden['lefthand_box']) == {0}
    assert hidden['righthand_kpts'] == seen['righthand_kpts'] and hidden['righthand_valid']


def test_metric_of_the_ground_truth_is_best(kind: str, data: Path) -> None:
    best, worst = score(kind, data, 0.0), score(kind, data, 300.0)
    name, top = {'mpii': ('PCK', 100), 'wholebody': ('coco-wholebody/AP', 1)}.get(kind, ('coco/AP', 1))
    assert best[name] == pytest.approx(top)
    assert worst[name] == pytest.approx(0)


def test_kinds_with_the_same_seed_have_different_images() -> None:
    images = [render_one(settings_of(kind), 'train', 0).image.tobytes() for kind in KINDS]
    assert len(set(images)) == len(KINDS)


def test_hand_dataset_reads_the_hands(tmp_path: Path) -> None:
    write_dataset(tmp_path / 'data', settings_of('wholebody'), workers=0)
    hands = read('wholebody', tmp_path / 'data', 'train', by=datasets.CocoWholeBodyHandDataset)
    assert len(hands) > 20
    for i in range(len(hands)):
        info = hands.get_data_info(i)
        inside = info['keypoints'][0][info['keypoints_visible'][0] > 0]
        assert (inside >= info['bbox'][0, :2]).all() and (inside <= info['bbox'][0, 2:]).all()
