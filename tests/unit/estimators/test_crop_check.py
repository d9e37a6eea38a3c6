"""A teacher trained on crops that differ from its student's is refused."""

from contextlib import nullcontext

import pytest
from mmengine import Config
from mmpose.registry import DATASETS

from tests.unit.estimators.distillation import PIPELINE, distiller, multi_dataset_estimator
from vitpose_mm.hooks.run_check import check_targets


def cropped(use_udp):
    return dict(type='CocoDataset', pipeline=[dict(type='TopdownAffine', input_size=(48, 64), use_udp=use_udp)])


def combined(*datasets, **more):
    return dict(type='CombinedPoseDataset', datasets=list(datasets), **more), multi_dataset_estimator()


AIC = dict(cropped(False), type='CheckedAicDataset')


@pytest.mark.parametrize(
    ('dataset', 'model', 'differs'),
    [
        (cropped(False), None, True),
        (dict(type='RepeatDataset', times=2, dataset=cropped(False)), None, True),
        (*combined(cropped(False), dict(AIC, pipeline=PIPELINE)), True),
        (cropped(True), None, False),
        (dict(type='CocoDataset'), None, False),
        # only the teacher's crop for the student's dataset is compared; the combined pipeline is for inference
        (*combined(cropped(True), AIC, pipeline=AIC['pipeline']), False),
    ],
)
def test_a_teacher_with_another_crop_is_refused(teacher, data, dataset, model, differs):
    files = teacher(model)
    config = Config.fromfile(files['config'])
    config.train_dataloader = dict(dataset=dataset)
    config.dump(files['config'])
    message = r"training set has TopdownAffine with use_udp=True, the teacher's \(.*teacher.py\) use_udp=False"
    student = DATASETS.build(dict(type='TeacherCacheDataset', dataset=data, seeds=[0]))
    with pytest.raises(ValueError, match=message) if differs else nullcontext():  # as RunCheckHook does
        check_targets(student, distiller(files))
