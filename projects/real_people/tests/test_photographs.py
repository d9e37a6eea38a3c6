"""Annotation files of several sources as one, and the scores of predictions."""

import argparse
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine import Config
from mmengine.registry import init_default_scope
from mmpose.registry import MODELS

from projects.real_people import evaluate, photographs, study, trials


def person(number, image, keypoints, box=(10, 20, 30, 40)):
    keys = dict(bbox=list(box), area=box[2] * box[3], iscrowd=0, category_id=1)
    return dict(id=number, image_id=image, keypoints=np.ravel(keypoints).tolist(), num_keypoints=len(keypoints), **keys)


def content(people, images=1, size=(100, 80)):
    sizes = dict(width=size[0], height=size[1])
    return dict(images=[dict(id=i + 1, file_name=f'{i}.jpg', **sizes) for i in range(images)], annotations=people)


def people_17(count=3):
    points = np.random.default_rng(0).uniform(10, 60, (count, 17, 2)).round(1)
    return [person(i + 1, i + 1, np.c_[points[i], np.full(17, 2)]) for i in range(count)]


@pytest.fixture
def args(tmp_path):
    init_default_scope('mmpose')
    return argparse.Namespace(out=tmp_path, weights=tmp_path, workers=0, epochs=None)


def test_limbs_are_the_annotators_and_faces_movenets_where_it_is_sure():
    joints = np.c_[np.arange(28).reshape(14, 2), np.full(14, 2)]
    joints[3, 2] = 0
    predicted = np.c_[100 + np.arange(34).reshape(17, 2), [0.9, 0.3, 0.4, 0.35, 0.36] + [0.99] * 12]
    given = content([person(1, 1, joints)])
    (labeled,) = photographs.with_faces(given, [predicted.ravel().tolist()])['annotations']
    keypoints = np.reshape(labeled['keypoints'], (17, 3))
    assert keypoints[:5].tolist() == [[100, 101, 2], [0, 0, 0], [104, 105, 2], [0, 0, 0], [108, 109, 2]]
    assert keypoints[5:].tolist() == joints[:12].tolist()
    assert labeled['num_keypoints'] == 3 + 11
    assert len(given['annotations'][0]['keypoints']) == 42  # the file of 14 joints stays as it is


def test_sources_are_combined_with_new_ids():
    parts = {'lsp': content(people_17(2), 2), 'coco_people': content(people_17(1), 3)}
    combined = photographs.combine(parts, {'coco_people': 2})
    files = {image['id']: image['file_name'] for image in combined['images']}
    shown = [(each['id'], files[each['image_id']]) for each in combined['annotations']]
    assert shown == [(1, 'lsp/0.jpg'), (2, 'lsp/1.jpg'), (3, 'coco_people/0.jpg'), (4, 'coco_people/0.jpg')]


def test_whole_images_have_one_person_and_are_not_too_wide():
    part = content([person(1, 1, np.ones((17, 3))), *(person(i, 2, np.ones((17, 3))) for i in (2, 3))], 2)
    assert [(each['id'], each['bbox']) for each in photographs.whole_images(part)] == [(1, [0, 0, 100, 80])]
    assert photographs.whole_images(content([person(1, 1, np.ones((17, 3)))], size=(210, 100))) == []


def test_a_tenth_of_the_images_is_held_out_with_its_people():
    kept, held_out = photographs.split_people(content(people_17(20), 20))
    assert [image['id'] for image in held_out['images']] == [10, 20]
    assert [each['image_id'] for each in held_out['annotations']] == [10, 20]
    assert len(kept['images']) == len(kept['annotations']) == 18


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'lsp/images: no such folder; README.md says'):
        photographs.prepare(tmp_path, tmp_path, tmp_path, tmp_path / 'out')


def test_scores():
    """Labels score 1; shifted by a tenth of the torso PCK@0.2 stays, by a third it does not; OKS as by hand."""
    truth = photographs.combine({'lsp': content(people_17(), 3)})
    labels = evaluate.true_keypoints(truth)
    assert evaluate.torso_pck(labels, truth) == evaluate.mean_oks(labels, truth) == 1
    assert evaluate.average_precision(labels, truth) == (1, 1)
    torso = np.linalg.norm(labels[:, 5, :2] - labels[:, 12, :2], axis=1)[:, None]
    near, far = labels.copy(), labels.copy()
    near[..., 0] += torso / 10
    far[..., 0] += torso / 3
    assert evaluate.torso_pck(near, truth) == 1 and evaluate.torso_pck(far, truth) == 0
    shifted = labels.copy()
    shifted[..., 1] += 3
    by_hand = np.mean(np.exp(-9 / (2 * 1200 * (2 * evaluate.SIGMAS) ** 2)))
    assert evaluate.mean_oks(shifted, truth) == pytest.approx(by_hand)
    half = evaluate.average_precision(np.where(np.arange(3)[:, None, None] == 0, labels + 500, labels), truth)
    assert half[1] == pytest.approx(4 / 9, abs=0.01)  # the wrong one comes first


def test_predictions_come_in_the_order_of_the_people(tmp_path):
    truth = photographs.combine({'lsp': content(people_17(4), 4)})
    for i, each in enumerate(truth['annotations']):
        each['image_id'], each['bbox'] = (2, 1, 2, 1)[i], [i, 0, 1, 1]
    found = evaluate.predict_all(
        lambda image, boxes: np.full((len(boxes), 17, 3), np.reshape(boxes, (-1, 4))[:, :1, None]), truth, tmp_path
    )
    assert found[:, 0, 0].tolist() == [0, 1, 2, 3]


@pytest.mark.slow
@pytest.mark.parametrize('name', study.RECIPES)
def test_every_stage_has_a_config_that_fits(args, name):
    """The sizes of crops, labels, decoders and backbone agree, and the first stage alone starts from DINOv2."""
    for stage, settings in study.RECIPES[name].stages.items():
        if settings.teacher:
            continue  # see test_the_small_network_fits_its_teacher
        config = study.stage_config(stage, study.RECIPES[name], args)
        size = config.model.backbone.img_size[::-1]
        used = [config[key].to_dict() for key in config if key.split('_')[-1] in ('model', 'dataloader', 'evaluator')]
        text = json.dumps(used)
        least = 4 if settings.network == study.TINY else 8
        assert text.count('"input_size"') == text.count(f'"input_size": [{size[0]}, {size[1]}]') > least
        init = config.model.backbone.pop('init_cfg', None)
        assert (init is not None) == (stage == 'bodies') == (config.get('load_from') is None)
        assert stage == 'bodies' or settings.start in Path(config.load_from).parts
        heatmaps = MODELS.build(config.model).eval()(torch.zeros(1, 3, *size[::-1]), None, mode='tensor')
        assert heatmaps.shape == (1, 17, size[1] // 4, size[0] // 4)


def test_a_stage_goes_on_from_what_is_committed_or_is_refused(args, tmp_path, monkeypatch, capsys):
    assert Path(study.weights_of('full_size', args)) == study.COMMITTED['full_size']
    assert all(file.is_file() for file in study.COMMITTED.values())
    monkeypatch.setattr(study, 'prepare', lambda *paths: None)
    (tmp_path / study.DINOV2).touch()
    folders = [word for name in ('data', 'everyday', 'weights', 'out') for word in (f'--{name}', str(tmp_path))]
    for recipe, stage, before in (('small', 'everybody', 'bodies'), ('full', 'tiny_distilled', 'tiny_labels')):
        monkeypatch.setattr('sys.argv', ['study.py', *folders, '--recipe', recipe, '--only', stage])
        with pytest.raises(SystemExit):
            study.main()
        assert f'--only {stage}: {before}, which comes before it, has no weights' in capsys.readouterr().err


@pytest.mark.slow
def test_the_small_network_fits_its_teacher(args, tmp_path):
    """It has the sizes of the teacher's stage, its normalization and codec, and its first blocks' shapes."""
    recipe = study.RECIPES['full']
    teacher = study.stage_config('everybody', recipe, args)
    (tmp_path / 'everybody').mkdir()
    teacher.dump(tmp_path / 'everybody/run.py')
    checkpoint = tmp_path / 'everybody/epoch_3.pth'
    torch.save(dict(state_dict=MODELS.build(teacher.model).state_dict(), meta={}), checkpoint)
    (tmp_path / 'everybody/last_checkpoint').write_text(str(checkpoint))
    config = study.stage_config('tiny', recipe, args)
    student = MODELS.build(config.model)
    student.init_weights()  # refuses another normalization, and weights that do not fit
    assert (len(student.backbone.layers), len(student.teacher.model.backbone.layers)) == (6, 12)
    torch.testing.assert_close(
        student.backbone.layers[5].mlp.fc1.weight, student.teacher.model.backbone.layers[5].mlp.fc1.weight
    )
    student._check_codec(student.teacher.model.head.heads['coco'])
    assert config.objects == 'person'


def test_image_files_that_are_missing(tmp_path):
    cv2.imwrite(str(tmp_path / 'a.jpg'), np.zeros((8, 8, 3), np.uint8))
    movenet = photographs.MoveNet.__new__(photographs.MoveNet)
    movenet._predict = lambda image, box: np.zeros((17, 3))
    assert movenet.predict(tmp_path / 'a.jpg', [[0, 0, 8, 8]]).shape == (1, 17, 3)
    with pytest.raises(FileNotFoundError, match=r'b.jpg: no such image'):
        movenet(tmp_path / 'b.jpg', [0, 0, 8, 8])


def test_people_of_a_trial_are_repeated_equally_often():
    part = photographs.combine({'lsp': content(people_17(3), 3)})
    chosen = trials.sample(part, 8)['annotations']
    counts = [sum(each['image_id'] == image for each in chosen) for image in (1, 2, 3)]
    assert sorted(counts) == [2, 3, 3] and [each['id'] for each in chosen] == list(range(1, 9))


def test_sources_are_taken_apart_and_joined():
    both = photographs.combine({'lsp': content(people_17(2), 2), 'coco_people': content(people_17(1), 1)})
    lsp, coco = trials.only(both, 'lsp'), trials.only(both, 'coco_people')
    assert [each['image_id'] for each in lsp['annotations']] == [1, 2]
    joined = trials.join(coco, lsp)
    files = {image['id']: image['file_name'] for image in joined['images']}
    assert len(files) == len(joined['images']) == 6
    shown = [files[each['image_id']] for each in joined['annotations']]
    assert shown == ['coco_people/0.jpg', 'lsp/0.jpg', 'lsp/1.jpg']
    assert [each['id'] for each in joined['annotations']] == [1, 2, 3]


def test_the_stricter_rule_keeps_sure_keypoints_that_agree():
    part = content(people_17(2), 2)
    for each in part['annotations']:
        each.update(scores=[0.9] * 17, spread=[0.01] * 17)
    part['annotations'][0]['scores'][2], part['annotations'][0]['spread'][5] = 0.4, 0.04
    part['annotations'][1]['scores'] = [0.9] * 5 + [0.4] * 12  # too few are left
    (kept,) = trials.strict(part)['annotations']
    visible = np.reshape(kept['keypoints'], (17, 3))[:, 2] > 0
    assert kept['num_keypoints'] == 15 and np.flatnonzero(~visible).tolist() == [2, 5]


@pytest.mark.parametrize('name', trials.TRIALS)
def test_every_trial_has_a_config_that_fits(args, name):
    config = trials.trial_config(name, args)
    if name in ('teacher', 'token'):
        teacher = Config.fromfile(config.model.teacher.config)
        assert teacher.model.backbone.img_size == config.model.backbone.img_size
        assert Path(config.model.teacher.checkpoint).is_file()
        study.drop_teacher(config)
    assert (config.model.backbone.pop('knowledge_token', None) is not None) == (name in ('token', 'cls_token'))
    config.model.backbone.init_cfg = None
    size = config.model.backbone.img_size
    heatmaps = MODELS.build(config.model).eval()(torch.zeros(1, 3, *size), None, mode='tensor')
    codec = config.model.head.decoder
    assert tuple(codec.heatmap_size) == heatmaps.shape[:1:-1] and tuple(codec.input_size) == tuple(size[::-1])
    encoders = [step.encoder for step in config.train_dataloader.dataset.pipeline if 'encoder' in step]
    assert encoders == [codec]


def test_people_whose_crops_shrink_are_chosen():
    boxes = (0, 0, 153, 100), (0, 0, 154, 100), (0, 0, 10, 206)  # 1.25 times their sides, of crops of 96x128
    people = [dict(id=i, bbox=list(box)) for i, box in enumerate(boxes)]
    assert [each['id'] for each in trials.shrinking(dict(annotations=people))['annotations']] == [1, 2]
