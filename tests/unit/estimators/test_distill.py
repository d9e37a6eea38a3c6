"""A student that learns from a running teacher, or from its kept heatmaps."""

import copy
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine import Config, ConfigDict
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmengine.runner import load_checkpoint, save_checkpoint
from mmpose.registry import DATASETS, MODELS
from torch.nn.functional import mse_loss

import vitpose_mm  # noqa: F401
from vitpose_mm.cli.main import main

CODEC = dict(type='UDPHeatmap', input_size=(48, 64), heatmap_size=(12, 16), sigma=2)
PIXELS = dict(type='PoseDataPreprocessor', mean=[120.0, 115, 100], std=[58.0, 57, 57], bgr_to_rgb=True)
WRAPPER = dict(constructor='ViTLayerDecayOptimWrapperConstructor', paramwise_cfg=dict(layer_decay_rate=0.5),
               optimizer=dict(type='AdamW', lr=1e-3))
PIPELINE = [
    dict(type='LoadImage'), dict(type='GetBBoxCenterScale'), dict(type='RandomFlip', direction='horizontal'),
    dict(type='RandomHalfBody'), dict(type='RandomBBoxTransform'),
    dict(type='TopdownAffine', input_size=(48, 64), use_udp=True), dict(type='GenerateTarget', encoder=CODEC),
    dict(type='PackPoseInputs')]


def estimator(width=24, keypoints=17, decoder=CODEC, **more):
    head = dict(type='ClassicHead', in_channels=width, out_channels=keypoints, decoder=decoder, deconv_channels=16)
    backbone = dict(type='ViT', arch=dict(depth=2, embed_dim=width, num_heads=2), img_size=decoder['input_size'][::-1],
                    drop_path_rate=0.3)
    return dict(type='TopdownPoseEstimator', data_preprocessor=PIXELS, backbone=backbone, head=head, **more)


def several(width=32):
    heads = {name: estimator(width, count)['head'] for name, count in (('coco', 17), ('aic', 14))}
    backbone = dict(estimator(width)['backbone'], experts=dict(names=['coco', 'aic'], part=8))
    return dict(type='MultiDatasetPoseEstimator', data_preprocessor=PIXELS, backbone=backbone,
                head=dict(type='MultiDatasetHead', heads=heads))


@pytest.fixture
def teacher(tmp_path):
    """A function that writes a teacher's config and checkpoint and returns the argument for them."""

    def write(model=None, **more):
        init_default_scope('mmpose')
        torch.manual_seed(5)
        model = model or estimator(32)
        built = MODELS.build(model)
        for name, parameter in built.named_parameters():
            if 'final_layer' in name:
                torch.nn.init.normal_(parameter, std=0.1)
        Config(dict(model=model)).dump(tmp_path / 'teacher.py')
        save_checkpoint(dict(state_dict=built.state_dict(), meta={}), str(tmp_path / 'teacher.pth'))
        return dict(config=str(tmp_path / 'teacher.py'), checkpoint=str(tmp_path / 'teacher.pth'), **more)

    return write


def distiller(teacher, student=None, **more):
    torch.manual_seed(0)
    student = student or estimator()
    return MODELS.build(ConfigDict(type='DistillPoseEstimator', student=student, teacher=teacher, **more))


@pytest.fixture
def data(tmp_path):
    """Config of six people on noise, in COCO's layout."""
    rng, people = np.random.default_rng(0), []
    cv2.imwrite(str(tmp_path / '1.png'), rng.integers(0, 255, (96, 128, 3), np.uint8))
    for i in range(1, 7):
        points = np.concatenate([rng.uniform(20, 80, (17, 2)), np.full((17, 1), 2)], 1)
        points[i] = 0
        people.append(dict(id=i, image_id=1, category_id=1, bbox=[10 + i, 12, 70, 75], area=3000, iscrowd=0,
                           num_keypoints=16, keypoints=points.ravel().tolist()))
    content = dict(images=[dict(id=1, file_name='1.png', height=96, width=128)], annotations=people,
                   categories=[dict(id=1, name='person')])
    (tmp_path / 'people.json').write_text(json.dumps(content))
    return dict(type='CheckedCocoDataset', ann_file=str(tmp_path / 'people.json'),
                data_prefix=dict(img=str(tmp_path)), pipeline=PIPELINE)


def batch_of(data, *places):
    init_default_scope('mmpose')
    np.random.seed(3)
    packed = [DATASETS.build(data)[place] for place in places]
    return dict(inputs=[p['inputs'] for p in packed], data_samples=[p['data_samples'] for p in packed])


def prepared(model, batch):
    data = model.data_preprocessor(copy.deepcopy(batch), True)
    return data['inputs'], data['data_samples']


def test_loss_is_the_students_own_and_the_distance_to_the_teacher(teacher, data):
    model = distiller(teacher(), distill_loss=dict(type='HeatmapDistillLoss', loss_weight=3.0)).eval()
    inputs, samples = prepared(model, batch_of(data, 0, 1))
    found = model.loss(inputs, samples)
    alone = model.student.loss(inputs, samples)
    assert set(found) == {*alone, 'loss_distill'} and torch.equal(found['loss_kpt'], alone['loss_kpt'])
    apart = mse_loss(model.student(inputs, samples), model.teacher.model(inputs, samples))
    torch.testing.assert_close(found['loss_distill'], 3 * apart)
    assert apart > 1e-4
    weighted = distiller(teacher(), distill_loss=dict(type='HeatmapDistillLoss', use_target_weight=True)).eval()
    assert weighted.loss(inputs, samples)['loss_distill'] < apart  # one keypoint each is not labelled


@pytest.mark.parametrize('kind', ['OptimWrapper', 'AutocastOptimWrapper'])
def test_training_leaves_the_teacher_as_it_is(teacher, data, kind):
    model = distiller(teacher())
    model.init_weights()
    before = {name: value.clone() for name, value in model.teacher.model.state_dict().items()}
    inputs, samples = prepared(model, batch_of(data, 0, 1))
    answer = model.teacher.heatmaps(inputs, samples)
    assert answer.dtype == torch.float32 and not answer.requires_grad
    optimizer = build_optim_wrapper(model, dict(WRAPPER, type=kind))
    untrained = {name: value.clone() for name, value in model.named_parameters()}
    for _ in range(2):
        model.eval()
        model.train()
        log = model.train_step(batch_of(data, 0, 1), optimizer)
        assert torch.isfinite(log['loss']) and log['loss_distill'] > 0
    with torch.autocast('cpu', torch.bfloat16):  # the student's precision is not the teacher's
        assert torch.equal(model.teacher.heatmaps(inputs, samples), answer)
    assert not any(module.training for module in model.teacher.model.modules())
    assert all(torch.equal(value, before[name]) for name, value in model.teacher.model.state_dict().items())
    assert all(p.grad is None for p in model.teacher.model.parameters())
    assert not any(torch.equal(p, untrained[name]) for name, p in model.named_parameters())
    # layer decay sees the student's layers through the wrapper, and nothing else
    groups = {name: group['lr_scale'] for group in optimizer.optimizer.param_groups for name in group['param_names']}
    assert set(groups) == {name for name, _ in model.named_parameters()}
    assert groups['student.backbone.pos_embed'] == 0.125 and groups['student.backbone.layers.1.norm1.weight'] == 0.5


def test_own_precision(teacher, data):
    exact, rough = distiller(teacher()), distiller(teacher(precision='bfloat16'))
    inputs, samples = prepared(exact, batch_of(data, 0))
    difference = (exact.teacher.heatmaps(inputs, samples) - rough.teacher.heatmaps(inputs, samples)).abs().max()
    assert 0 < difference < 0.05


def test_checkpoints_are_the_students(teacher, data, tmp_path):
    """Saved by MMEngine and by torch, read into the student's own config, and back."""
    model = distiller(teacher())
    plain = MODELS.build(ConfigDict(estimator()))
    assert list(model.state_dict()) == list(plain.state_dict())
    save_checkpoint(dict(state_dict=model.state_dict(), meta={}), str(tmp_path / 'student.pth'))
    load_checkpoint(plain, str(tmp_path / 'student.pth'), strict=True)
    inputs, samples = prepared(model, batch_of(data, 0, 1))
    assert torch.equal(plain.eval()(inputs, samples), model.eval()(inputs, samples))
    other = distiller(teacher(), estimator())
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.add_(1)
    load_checkpoint(other, str(tmp_path / 'student.pth'), strict=True)
    for name, value in other.state_dict().items():
        assert torch.equal(value, model.state_dict()[name])
    plain.load_state_dict(model.state_dict())
    assert {key.split('.')[0] for key in model.state_dict()._metadata} <= {'', 'backbone', 'head', 'distill_loss',
                                                                          'data_preprocessor'}


def test_a_config_with_a_teacher_is_tested_without_its_files(data):
    model = distiller(dict(config='absent.py', checkpoint='absent.pth')).eval()
    inputs, samples = prepared(model, batch_of(data, 0))
    assert model(inputs, samples, mode='tensor').shape == (1, 17, 16, 12)
    with pytest.raises(FileNotFoundError, match='absent.pth: no such checkpoint'):
        model.init_weights()


def test_a_teacher_of_several_datasets_teaches_a_student_of_one(teacher, data):
    model = distiller(teacher(several())).eval()
    inputs, samples = prepared(model, batch_of(data, 0, 1))
    theirs = model.teacher.model
    expected = theirs.head.heads['coco'](theirs.extract_feat(inputs, ['coco', 'coco']))
    torch.testing.assert_close(model.teacher.heatmaps(inputs, samples), expected)
    assert model.loss(inputs, samples)['loss_distill'] > 0
    samples[1].set_metainfo(dict(dataset_name='aic'))
    with pytest.raises(ValueError, match='samples of aic, coco: a teacher of several datasets can teach a student'):
        model.loss(inputs, samples)
    samples[0].set_metainfo(dict(dataset_name='jhmdb'))
    with pytest.raises(KeyError, match="no head for dataset 'jhmdb'"):
        model.loss(inputs, samples)


def test_other_keypoints_are_matched_by_name(teacher, data):
    match = dict(student='CocoDataset', teacher='CheckedAicDataset')
    model = distiller(teacher(estimator(32, 14)), keypoints=match).eval()
    inputs, samples = prepared(model, batch_of(data, 0, 1))
    found = model.loss(inputs, samples)['loss_distill']
    # COCO lists shoulders, elbows, ... left first; AIC right shoulder, right elbow, ..., then left
    mine, theirs = list(range(5, 17)), [3, 0, 4, 1, 5, 2, 9, 6, 10, 7, 11, 8]
    student, taught = model.student(inputs, samples), model.teacher.model(inputs, samples)
    torch.testing.assert_close(found, mse_loss(student[:, mine], taught[:, theirs]))
    one = distiller(teacher(estimator(32, 14)), keypoints=dict(match, names=dict(nose='head_top'))).eval()
    torch.testing.assert_close(one.loss(inputs, samples)['loss_distill'], mse_loss(one.student(inputs, samples)[:, :1],
                                                                                  taught[:, 12:13]))


@pytest.mark.parametrize(('changes', 'message'), [
    (dict(keypoints=14), r'teacher has heatmaps of \(keypoints, h, w\) \(14, 16, 12\), the student \(17, 16, 12\)'),
    (dict(decoder=dict(CODEC, input_size=(96, 128))), r'takes inputs of \(96, 128\).*this student has \(48, 64'),
])
def test_a_teacher_of_other_sizes_is_refused(teacher, data, changes, message):
    model = distiller(teacher(estimator(32, **changes)))
    with pytest.raises(ValueError, match=message):
        model.loss(*prepared(model, batch_of(data, 0, 1)))


def test_a_teacher_of_another_heatmap_size_is_refused(teacher, data):
    finer = estimator(32)
    finer['head'].update(heatmap_stride=2)
    model = distiller(teacher(finer))
    with pytest.raises(ValueError, match=r'\(17, 32, 24\), the student \(17, 16, 12\)'):
        model.loss(*prepared(model, batch_of(data, 0, 1)))


def test_a_teacher_that_sees_other_colours_is_refused(teacher):
    model = distiller(teacher(dict(estimator(32), data_preprocessor=dict(PIXELS, bgr_to_rgb=False))))
    with pytest.raises(ValueError, match="data_preprocessor .*is not the student's"):
        model.init_weights()


@pytest.mark.parametrize(('spoil', 'message'), [
    (lambda weights: weights.update(extra=torch.zeros(1)), r'1 keys \(extra\) left over, 0 keys missing'),
    (lambda weights: weights.pop('head.final_layer.bias'), r'0 keys left over, 1 keys \(head.final_layer.bias\) mis'),
    (lambda weights: weights.update({'backbone.last_norm.weight': torch.zeros(3)}), 'size mismatch'),
])
def test_a_checkpoint_that_is_not_the_teachers_is_refused(teacher, spoil, message):
    given = teacher()
    weights = torch.load(given['checkpoint'], weights_only=False)
    spoil(weights['state_dict'])
    torch.save(weights, given['checkpoint'])
    with pytest.raises(ValueError, match=f'(?s)teacher.pth does not fit .*{message}'):
        distiller(given).init_weights()


@pytest.mark.parametrize(('changes', 'message'), [
    (dict(teacher=dict(config='a.py')), 'teacher has no checkpoint: expected dict'),
    (dict(teacher=dict(checkpoint='a.pth')), 'teacher has no config'),
    (dict(teacher=dict(config='a.py', checkpoint='a.pth', precision='int8')), "precision='int8', expected 'float32'"),
    (dict(distill_loss=dict(type='HeatmapDistillLoss', loss_weight=0)), 'loss_weight=0 must be above 0'),
    (dict(keypoints=dict(student='CocoDataset', teacher='Coco')), "'Coco' is no registered dataset"),
    (dict(keypoints=dict(student='CocoDataset', teacher='AicDataset', names=dict(nose='tail'))), "no 'tail' among"),
    (dict(keypoints=dict(student='CocoDataset', teacher='AicDataset', names={})), 'no name of the student'),
])
def test_bad_arguments(changes, message):
    with pytest.raises(ValueError, match=message):
        distiller(**{'teacher': None, **changes})


def test_no_teacher_and_no_cache(data):
    model = distiller(None)
    with pytest.raises(ValueError, match="no teacher, and samples without its heatmaps.*TeacherCacheDataset"):
        model.loss(*prepared(model, batch_of(data, 0)))


def cached(data, **more):
    return DATASETS.build(ConfigDict(type='TeacherCacheDataset', dataset=data, **more))


def write_cache(folder, teacher, data, *arguments):
    loader = dict(batch_size=2, dataset=data)
    model = dict(type='DistillPoseEstimator', teacher=teacher, student=estimator())
    Config(dict(model=model, train_dataloader=loader)).dump(folder / 'distill.py')
    return main(['teacher-cache', str(folder / 'distill.py'), '--out', str(folder / 'cache'), '--workers', '0',
                 '--batch', '4', *arguments])


def test_the_cache_gives_the_running_teachers_loss(teacher, data, tmp_path, capsys):
    given = teacher()
    assert write_cache(tmp_path, given, data, '--seeds', '3', '8') == 0
    assert 'fp16 heatmaps (17, 16, 12) of 6 samples, seeds 3, 8' in capsys.readouterr().out
    assert sorted(p.name for p in (tmp_path / 'cache').iterdir()) == ['cache.json', 'seed3.npy', 'seed8.npy']
    assert np.load(tmp_path / 'cache' / 'seed3.npy').dtype == np.float16
    live, kept = distiller(given).eval(), distiller(None).eval()
    running, stored = cached(data, seeds=[3, 8]), cached(data, cache=str(tmp_path / 'cache'))
    losses = []
    for index in range(6):
        for seed in (3, 8):
            pair = []
            for model, dataset in ((live, running), (kept, stored)):
                sample = dataset.sample(index, seed)
                pair.append(model.loss(*prepared(model, {key: [value] for key, value in sample.items()})))
            assert torch.equal(pair[0]['loss_kpt'], pair[1]['loss_kpt'])  # the very same image and labels
            # fp16 keeps 11 bits of each heatmap value
            torch.testing.assert_close(pair[0]['loss_distill'], pair[1]['loss_distill'], rtol=2e-3, atol=1e-7)
            losses.append(pair[0]['loss_kpt'].item())
    assert len(set(losses)) == 12  # each seed is another augmentation
    with torch.autocast('cpu', torch.bfloat16):
        assert kept.loss(*prepared(kept, {key: [value] for key, value in sample.items()}))['loss_distill'] > 0


def test_seeds_are_drawn_from_the_loaders_random_numbers_and_leave_them_alone(data):
    dataset = cached(data, seeds=[0, 1, 2])
    np.random.seed(4)
    drawn = [dataset[0]['inputs'] for _ in range(8)]
    after = np.random.rand()
    assert {tuple(image.flatten()[::97].tolist()) for image in drawn} == {
        tuple(dataset.sample(0, seed)['inputs'].flatten()[::97].tolist()) for seed in (0, 1, 2)}
    np.random.seed(4)
    for _ in range(8):
        np.random.randint(3)
    assert np.random.rand() == after


def test_a_cache_of_something_else_is_refused(teacher, data, tmp_path, capsys):
    assert write_cache(tmp_path, teacher(), data) == 0
    cache = str(tmp_path / 'cache')
    with pytest.raises(ValueError, match='written for other pipeline'):
        cached(dict(data, pipeline=PIPELINE[:2] + PIPELINE[3:]), cache=cache)
    with pytest.raises(ValueError, match=r'seeds=\[1\], expected at least one of \[0\]'):
        cached(data, cache=cache, seeds=[1])
    with pytest.raises(ValueError, match='expected at least one, such as'):
        cached(data)
    content = json.loads(Path(data['ann_file']).read_text())
    content['annotations'].pop()
    Path(data['ann_file']).write_text(json.dumps(content))
    with pytest.raises(ValueError, match='written for other samples'):
        cached(data, cache=cache)
    (tmp_path / 'cache' / 'cache.json').unlink()
    with pytest.raises(FileNotFoundError, match='has no cache.json.*vitpose teacher-cache'):
        cached(data, cache=cache)


@pytest.mark.parametrize(('arguments', 'message'), [
    (['--seeds', '1', '1'], 'expected each seed once'),
    (['--seeds', '-1'], 'from 0'),
    (['--batch', '0'], 'images from 1'),
])
def test_the_command_says_what_does_not_fit_in_one_line(teacher, data, tmp_path, capsys, arguments, message):
    assert write_cache(tmp_path, teacher(), data, *arguments) == 2
    said = capsys.readouterr().err
    assert message in said and said.count('\n') == 1 and not (tmp_path / 'cache').exists()


def test_the_command_needs_a_teacher_and_writes_over_nothing(teacher, data, tmp_path, capsys):
    assert write_cache(tmp_path, None, data) == 2
    assert 'has no model.teacher' in capsys.readouterr().err
    assert write_cache(tmp_path, teacher(), data) == 0
    capsys.readouterr()
    assert write_cache(tmp_path, teacher(), data) == 2
    assert 'has a cache already' in capsys.readouterr().err
