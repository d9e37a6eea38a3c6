"""Distillation from a teacher that runs during training."""

import pytest
import torch
from mmengine import ConfigDict
from mmengine.optim import build_optim_wrapper
from mmengine.runner import load_checkpoint, save_checkpoint
from mmpose.models.pose_estimators import TopdownPoseEstimator
from mmpose.registry import MODELS
from torch.nn.functional import mse_loss

from tests.unit.estimators import distillation
from tests.unit.estimators.distillation import batch_of, distiller, estimator, multi_dataset_estimator, preprocessed
from tests.unit.heads.pose_samples import CODEC


def test_loss_is_the_students_loss_plus_the_distance_to_the_teacher(teacher, data):
    model = distiller(teacher(), distill_loss=dict(type='HeatmapDistillLoss', loss_weight=3.0)).eval()
    inputs, samples = preprocessed(model, batch_of(data, 0, 1))
    losses, alone = model.loss(inputs, samples), TopdownPoseEstimator.loss(model, inputs, samples)
    assert set(losses) == {*alone, 'loss_distill'} and torch.equal(losses['loss_kpt'], alone['loss_kpt'])
    distance = mse_loss(model(inputs, samples), model.teacher.model(inputs, samples))
    torch.testing.assert_close(losses['loss_distill'], 3 * distance)
    assert distance > 1e-4
    weighted = distiller(teacher(), distill_loss=dict(type='HeatmapDistillLoss', use_target_weight=True)).eval()
    assert weighted.loss(inputs, samples)['loss_distill'] < distance  # one keypoint per person is not labeled


@pytest.mark.parametrize('kind', ['OptimWrapper', 'AutocastOptimWrapper'])
def test_training_does_not_change_the_teacher(teacher, data, kind):
    model = distiller(teacher())
    model.init_weights()
    before = {name: value.clone() for name, value in model.teacher.model.state_dict().items()}
    inputs, samples = preprocessed(model, batch_of(data, 0, 1))
    expected = model.teacher.heatmaps(inputs)
    assert expected.dtype == torch.float32 and not expected.requires_grad
    optimizer = build_optim_wrapper(model, dict(distillation.WRAPPER, type=kind))
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


def test_checkpoints_contain_only_the_student(teacher, tmp_path):
    """They load into the student's own config and back, whether saved by MMEngine or by torch."""
    model, file = distiller(teacher()), str(tmp_path / 'student.pth')
    weights = model.state_dict()
    save_checkpoint(dict(state_dict=weights, meta={}), file)
    for other in (MODELS.build(ConfigDict(estimator())), distiller(teacher())):
        assert list(other.state_dict()) == list(weights)
        with torch.no_grad():
            for parameter in other.parameters():
                parameter.add_(1)
        load_checkpoint(other, file, strict=True)
        assert all(torch.equal(value, weights[name]) for name, value in other.state_dict().items())
        other.load_state_dict(weights)
    parts = {key.split('.')[0] for key in weights._metadata}
    assert parts <= {'', 'backbone', 'head', 'distill_loss', 'data_preprocessor'}


def test_testing_does_not_need_the_teachers_files(teacher, data, tmp_path):
    model = distiller(dict(config='absent.py', checkpoint='absent.pth')).eval()
    inputs, samples = preprocessed(model, batch_of(data, 0))
    assert model(inputs, samples, mode='tensor').shape == (1, 17, 16, 12)
    with pytest.raises(FileNotFoundError, match="config='absent.py': no such file"):
        model.init_weights()
    with pytest.raises(ValueError, match='no teacher, and the samples have no cached heatmaps.*TeacherCacheDataset'):
        distiller(None).loss(inputs, samples)
    (tmp_path / 'epoch_3.pth').touch()
    message = (
        'epoch_4.pth: no such checkpoint. `mim train mmpose .*/teacher.py` writes it; .* has epoch_3.pth. To use the '
        'last one: model.teacher.checkpoint=.*/epoch_3.pth'
    )
    with pytest.raises(FileNotFoundError, match=message):
        distiller(dict(teacher(), checkpoint=str(tmp_path / 'epoch_4.pth'))).init_weights()


def test_a_multi_dataset_teacher_with_a_single_dataset_student(teacher, data):
    model = distiller(teacher(multi_dataset_estimator())).eval()
    inputs, samples = preprocessed(model, batch_of(data, 0, 1))
    theirs = model.teacher.model
    expected = theirs.head.heads['coco'](theirs.extract_feat(inputs, ['coco', 'coco']))
    torch.testing.assert_close(model.teacher.heatmaps(inputs, 'coco'), expected)
    assert model.loss(inputs, samples)['loss_distill'] > 0
    samples[1].set_metainfo(dict(dataset_name='aic'))
    with pytest.raises(ValueError, match='samples of aic, coco: with a teacher of several datasets, train the student'):
        model.loss(inputs, samples)
    samples[0].set_metainfo(dict(dataset_name='jhmdb'))
    with pytest.raises(KeyError, match="no head for dataset 'jhmdb'"):
        model.loss(inputs, samples)


MATCH = dict(student='CocoDataset', teacher='CheckedAicDataset')


def test_different_keypoints_are_matched_by_name(teacher, data):
    model = distiller(teacher(estimator(32, 14)), keypoints=MATCH).eval()
    inputs, samples = preprocessed(model, batch_of(data, 0, 1))
    # COCO: left shoulder, right shoulder, left elbow, ...; AIC: right shoulder, elbow, wrist, then left
    mine, theirs = list(range(5, 17)), [3, 0, 4, 1, 5, 2, 9, 6, 10, 7, 11, 8]
    taught = model.teacher.model(inputs, samples)
    expected = mse_loss(model(inputs, samples)[:, mine], taught[:, theirs])
    torch.testing.assert_close(model.loss(inputs, samples)['loss_distill'], expected)
    one = distiller(teacher(estimator(32, 14)), keypoints=dict(MATCH, names=dict(nose='head_top'))).eval()
    expected = mse_loss(one(inputs, samples)[:, :1], taught[:, 12:13])
    torch.testing.assert_close(one.loss(inputs, samples)['loss_distill'], expected)


FINER = estimator(32)
FINER['head'].update(heatmap_stride=2)


@pytest.mark.parametrize(
    ('theirs', 'shape'), [(estimator(32, keypoints=14), r'\(14, 16, 12\)'), (FINER, r'\(17, 32, 24\)')]
)
def test_a_teacher_with_heatmaps_of_another_shape_is_refused(teacher, data, theirs, shape):
    model = distiller(teacher(theirs))
    with pytest.raises(ValueError, match=rf'heatmaps of \(keypoints, h, w\) {shape}, the student \(17, 16, 12\)'):
        model.loss(*preprocessed(model, batch_of(data, 0, 1)))


@pytest.mark.parametrize('changes', [dict(type='MSRAHeatmap'), dict(input_size=(96, 128)), dict(sigma=3)], ids=str)
def test_a_teacher_with_another_codec_is_refused(teacher, data, changes):
    """At the start; with a multi-dataset teacher, whose head depends on the samples, at the first batch."""
    decoder = CODEC | changes
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


def test_a_teacher_may_decode_differently_but_not_normalize_differently(teacher):
    distiller(teacher(estimator(32, decoder=dict(CODEC, blur_kernel_size=17)))).init_weights()
    other = estimator(32)
    other.update(data_preprocessor=dict(other['data_preprocessor'], bgr_to_rgb=False))
    model = distiller(teacher(other))
    with pytest.raises(ValueError, match="data_preprocessor .*is not the student's"):
        model.init_weights()


def test_a_checkpoint_that_does_not_fit_the_teacher_is_refused(teacher):
    files = teacher()
    weights = torch.load(files['checkpoint'], weights_only=False)
    torch.save(dict(weights, state_dict=weights['state_dict'] | {'extra': torch.zeros(1)}), files['checkpoint'])
    with pytest.raises(ValueError, match=r'(?s)teacher.pth does not fit .*1 keys \(extra\) unexpected, 0 keys missing'):
        distiller(files).init_weights()


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(student=multi_dataset_estimator()), 'head is a MultiDatasetHead: expected a heatmap head with a final_'),
        (dict(student=dict(estimator(), student=estimator())), r"takes no student=...: .* as in _base_ = 'STUDENT.py'"),
        (dict(teacher=dict(config='a.py')), 'teacher has no checkpoint: expected dict'),
        (dict(teacher=dict(checkpoint='a.pth')), 'teacher has no config'),
        (dict(teacher=dict(config='a', checkpoint='b', precision='int8')), "precision='int8', expected 'float32'"),
        (dict(keypoints=dict(MATCH, teacher='Coco')), "'Coco' is not a registered dataset"),
        (dict(keypoints=dict(MATCH, names=dict(nose='tail'))), "'tail' is not one of"),
        (dict(keypoints=dict(MATCH, names={})), 'have no keypoint name in common'),
    ],
)
def test_bad_arguments(changes, message):
    with pytest.raises(ValueError, match=message):
        distiller(**{'teacher': None, **changes})
