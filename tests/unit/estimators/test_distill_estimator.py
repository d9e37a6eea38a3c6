"""Distillation from a teacher that runs during training."""

import pytest
import torch
from mmengine import ConfigDict
from mmengine.optim import build_optim_wrapper
from mmengine.runner import load_checkpoint, save_checkpoint
from mmpose.models.pose_estimators import TopdownPoseEstimator
from mmpose.registry import MODELS
from torch.nn.functional import mse_loss

from tests.unit.estimators.distillation import (
    CODEC,
    PREPROCESSOR,
    batch_of,
    distiller,
    estimator,
    multi_dataset_estimator,
    preprocessed,
)

WRAPPER = dict(
    constructor='ViTLayerDecayOptimWrapperConstructor',
    paramwise_cfg=dict(layer_decay_rate=0.5),
    optimizer=dict(type='AdamW', lr=1e-3),
)


def test_loss_is_the_students_loss_plus_the_distance_to_the_teacher(teacher, data):
    model = distiller(teacher(), distill_loss=dict(type='HeatmapDistillLoss', loss_weight=3.0)).eval()
    inputs, samples = preprocessed(model, batch_of(data, 0, 1))
    found = model.loss(inputs, samples)
    alone = TopdownPoseEstimator.loss(model, inputs, samples)
    assert set(found) == {*alone, 'loss_distill'} and torch.equal(found['loss_kpt'], alone['loss_kpt'])
    distance = mse_loss(model(inputs, samples), model.teacher.model(inputs, samples))
    torch.testing.assert_close(found['loss_distill'], 3 * distance)
    assert distance > 1e-4
    weighted = distiller(teacher(), distill_loss=dict(type='HeatmapDistillLoss', use_target_weight=True)).eval()
    assert weighted.loss(inputs, samples)['loss_distill'] < distance  # one keypoint per person is not labelled


@pytest.mark.parametrize('kind', ['OptimWrapper', 'AutocastOptimWrapper'])
def test_training_does_not_change_the_teacher(teacher, data, kind):
    model = distiller(teacher())
    model.init_weights()
    before = {name: value.clone() for name, value in model.teacher.model.state_dict().items()}
    inputs, samples = preprocessed(model, batch_of(data, 0, 1))
    expected = model.teacher.heatmaps(inputs)
    assert expected.dtype == torch.float32 and not expected.requires_grad
    optimizer = build_optim_wrapper(model, dict(WRAPPER, type=kind))
    untrained = {name: value.clone() for name, value in model.named_parameters()}
    for _ in range(2):
        model.eval()
        model.train()
        log = model.train_step(batch_of(data, 0, 1), optimizer)
        assert torch.isfinite(log['loss']) and log['loss_distill'] > 0
    assert model.head.deconv_layers[1].num_batches_tracked == 2  # batch norm has seen each batch once
    with torch.autocast('cpu', torch.bfloat16):  # autocast in the student does not affect the teacher
        assert torch.equal(model.teacher.heatmaps(inputs), expected)
    assert not any(module.training for module in model.teacher.model.modules())
    assert all(torch.equal(value, before[name]) for name, value in model.teacher.model.state_dict().items())
    assert all(p.grad is None for p in model.teacher.model.parameters())
    assert not any(torch.equal(p, untrained[name]) for name, p in model.named_parameters())
    # layer decay covers only the student's layers
    groups = {name: group['lr_scale'] for group in optimizer.optimizer.param_groups for name in group['param_names']}
    assert set(groups) == {name for name, _ in model.named_parameters()}
    assert groups['backbone.pos_embed'] == 0.125 and groups['backbone.layers.1.norm1.weight'] == 0.5


def test_the_teacher_has_its_own_precision(teacher, data, monkeypatch):
    monkeypatch.setattr('vitpose_mm.estimators.teacher.has_bfloat16', lambda device: True)  # emulated is enough here
    exact, rough = distiller(teacher()), distiller(teacher(precision='bfloat16'))
    inputs, samples = preprocessed(exact, batch_of(data, 0))
    difference = (exact.teacher.heatmaps(inputs) - rough.teacher.heatmaps(inputs)).abs().max()
    assert 0 < difference < 0.05


def test_checkpoints_contain_only_the_student(teacher, data, tmp_path):
    """They load into the student's own config and back, whether saved by MMEngine or by torch."""
    model = distiller(teacher())
    plain = MODELS.build(ConfigDict(estimator()))
    assert list(model.state_dict()) == list(plain.state_dict())
    save_checkpoint(dict(state_dict=model.state_dict(), meta={}), str(tmp_path / 'student.pth'))
    load_checkpoint(plain, str(tmp_path / 'student.pth'), strict=True)
    inputs, samples = preprocessed(model, batch_of(data, 0, 1))
    assert torch.equal(plain.eval()(inputs, samples), model.eval()(inputs, samples))
    other = distiller(teacher(), estimator())
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.add_(1)
    load_checkpoint(other, str(tmp_path / 'student.pth'), strict=True)
    for name, value in other.state_dict().items():
        assert torch.equal(value, model.state_dict()[name])
    plain.load_state_dict(model.state_dict())
    assert {key.split('.')[0] for key in model.state_dict()._metadata} <= {
        '',
        'backbone',
        'head',
        'distill_loss',
        'data_preprocessor',
    }


def test_testing_does_not_need_the_teachers_files(teacher, data, tmp_path):
    model = distiller(dict(config='absent.py', checkpoint='absent.pth')).eval()
    inputs, samples = preprocessed(model, batch_of(data, 0))
    assert model(inputs, samples, mode='tensor').shape == (1, 17, 16, 12)
    with pytest.raises(FileNotFoundError, match="config='absent.py': no such file"):
        model.init_weights()
    (tmp_path / 'epoch_3.pth').touch()
    given = dict(teacher(), checkpoint=str(tmp_path / 'epoch_4.pth'))
    with pytest.raises(
        FileNotFoundError,
        match=r'epoch_4.pth: no such checkpoint. `mim train mmpose .*/teacher.py` wri'
        r'tes it; .* has epoch_3.pth. To use the last one: model.teacher.checkpoint=.*/epoch_3.pth',
    ):
        distiller(given).init_weights()


def test_a_multi_dataset_teacher_with_a_single_dataset_student(teacher, data):
    model = distiller(teacher(multi_dataset_estimator())).eval()
    inputs, samples = preprocessed(model, batch_of(data, 0, 1))
    theirs = model.teacher.model
    expected = theirs.head.heads['coco'](theirs.extract_feat(inputs, ['coco', 'coco']))
    torch.testing.assert_close(model.teacher.heatmaps(inputs, 'coco'), expected)
    assert model.loss(inputs, samples)['loss_distill'] > 0
    samples[1].set_metainfo(dict(dataset_name='aic'))
    with pytest.raises(
        ValueError, match='samples of aic, coco: with a teacher of several datasets, train the student on'
    ):
        model.loss(inputs, samples)
    samples[0].set_metainfo(dict(dataset_name='jhmdb'))
    with pytest.raises(KeyError, match="no head for dataset 'jhmdb'"):
        model.loss(inputs, samples)


def test_different_keypoints_are_matched_by_name(teacher, data):
    match = dict(student='CocoDataset', teacher='CheckedAicDataset')
    model = distiller(teacher(estimator(32, 14)), keypoints=match).eval()
    inputs, samples = preprocessed(model, batch_of(data, 0, 1))
    found = model.loss(inputs, samples)['loss_distill']
    # COCO: left shoulder, right shoulder, left elbow, ...; AIC: right shoulder, elbow, wrist, then left
    ours, theirs = list(range(5, 17)), [3, 0, 4, 1, 5, 2, 9, 6, 10, 7, 11, 8]
    student, teacher_heatmaps = model(inputs, samples), model.teacher.model(inputs, samples)
    torch.testing.assert_close(found, mse_loss(student[:, ours], teacher_heatmaps[:, theirs]))
    one = distiller(teacher(estimator(32, 14)), keypoints=dict(match, names=dict(nose='head_top'))).eval()
    torch.testing.assert_close(
        one.loss(inputs, samples)['loss_distill'], mse_loss(one(inputs, samples)[:, :1], teacher_heatmaps[:, 12:13])
    )


def test_a_teacher_with_other_keypoints_is_refused(teacher, data):
    model = distiller(teacher(estimator(32, keypoints=14)))
    with pytest.raises(ValueError, match=r'heatmaps of \(keypoints, h, w\) \(14, 16, 12\), the student \(17, 16, 12\)'):
        model.loss(*preprocessed(model, batch_of(data, 0, 1)))


@pytest.mark.parametrize(
    'decoder', [dict(CODEC, type='MSRAHeatmap'), dict(CODEC, input_size=(96, 128)), dict(CODEC, sigma=3)]
)
def test_a_teacher_with_another_codec_is_refused(teacher, data, decoder):
    """At the start; with a multi-dataset teacher, whose head depends on the samples, at the first batch."""
    shown = rf"codec is {decoder['type']}\(input_size=\({decoder['input_size'][0]}, .*student's UDPHeatmap\(.*sigma=2"
    model = distiller(teacher(estimator(32, decoder=decoder)))
    with pytest.raises(ValueError, match=shown):
        model.init_weights()
    both = multi_dataset_estimator()
    both['head']['heads']['coco'].update(decoder=decoder)
    model = distiller(teacher(both))
    model.init_weights()
    inputs, samples = preprocessed(model, batch_of(data, 0))
    with pytest.raises(ValueError, match=shown):
        model.loss(inputs, samples)
    samples[0].set_metainfo(dict(dataset_name='aic'))
    assert model.teacher_heatmaps(inputs, samples).shape == (1, 14, 16, 12)


def test_a_teacher_whose_codec_differs_only_in_decoding_is_accepted(teacher):
    distiller(teacher(estimator(32, decoder=dict(CODEC, blur_kernel_size=17)))).init_weights()


def test_a_teacher_with_another_heatmap_size_is_refused(teacher, data):
    finer = estimator(32)
    finer['head'].update(heatmap_stride=2)
    model = distiller(teacher(finer))
    with pytest.raises(ValueError, match=r'\(17, 32, 24\), the student \(17, 16, 12\)'):
        model.loss(*preprocessed(model, batch_of(data, 0, 1)))


def test_a_teacher_with_another_preprocessor_is_refused(teacher):
    model = distiller(teacher(dict(estimator(32), data_preprocessor=dict(PREPROCESSOR, bgr_to_rgb=False))))
    with pytest.raises(ValueError, match="data_preprocessor .*is not the student's"):
        model.init_weights()


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda weights: weights.update(extra=torch.zeros(1)), r'1 keys \(extra\) unexpected, 0 keys missing'),
        (lambda weights: weights.pop('head.final_layer.bias'), r'1 missing \(final_layer.bias\)'),
        (lambda weights: weights.update({'backbone.last_norm.weight': torch.zeros(3)}), 'has width 3, this model 32'),
    ],
)
def test_a_checkpoint_that_does_not_fit_the_teacher_is_refused(teacher, change, message):
    given = teacher()
    weights = torch.load(given['checkpoint'], weights_only=False)
    change(weights['state_dict'])
    torch.save(weights, given['checkpoint'])
    with pytest.raises(ValueError, match=f'(?s)teacher.pth does not fit .*{message}'):
        distiller(given).init_weights()


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (
            dict(student=multi_dataset_estimator()),
            'head is a MultiDatasetHead: expected a heatmap head with a final_layer',
        ),
        (dict(student=dict(estimator(), student=estimator())), r"takes no student=...: .* as in _base_ = 'STUDENT.py'"),
        (dict(teacher=dict(config='a.py')), 'teacher has no checkpoint: expected dict'),
        (dict(teacher=dict(checkpoint='a.pth')), 'teacher has no config'),
        (
            dict(teacher=dict(config='a.py', checkpoint='a.pth', precision='int8')),
            "precision='int8', expected 'float32'",
        ),
        (dict(distill_loss=dict(type='HeatmapDistillLoss', loss_weight=0)), 'loss_weight=0 must be > 0'),
        (dict(keypoints=dict(student='CocoDataset', teacher='Coco')), "'Coco' is not a registered dataset"),
        (
            dict(keypoints=dict(student='CocoDataset', teacher='AicDataset', names=dict(nose='tail'))),
            "'tail' is not one of",
        ),
        (
            dict(keypoints=dict(student='CocoDataset', teacher='AicDataset', names={})),
            'have no keypoint name in common',
        ),
    ],
)
def test_bad_arguments(changes, message):
    with pytest.raises(ValueError, match=message):
        distiller(**{'teacher': None, **changes})


def test_no_teacher_and_no_cache_is_an_error(data):
    model = distiller(None)
    with pytest.raises(
        ValueError, match='there is no teacher, and the samples have no cached heatmaps.*TeacherCacheDataset'
    ):
        model.loss(*preprocessed(model, batch_of(data, 0)))
