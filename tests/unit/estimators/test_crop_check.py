"""A teacher trained on crops that differ from its student's is refused."""

import pytest
from mmengine import Config
from mmpose.registry import DATASETS

from tests.unit.estimators.distillation import PIPELINE, distiller, multi_dataset_estimator
from vitpose_mm.hooks.run_check import check_targets


def cropped(use_udp, **more):
    return dict(type='CocoDataset', pipeline=[dict(type='TopdownAffine', input_size=(48, 64), use_udp=use_udp)], **more)


@pytest.fixture
def student_with_teacher_on(teacher):
    """A function that returns a student whose teacher was trained on the given dataset."""

    def build(dataset, model=None):
        given = teacher(model)
        config = Config.fromfile(given['config'])
        config.train_dataloader = dict(dataset=dataset)
        config.dump(given['config'])
        return distiller(given)

    return build


AIC = dict(cropped(False), type='CheckedAicDataset')


@pytest.mark.parametrize(
    ('dataset', 'model'),
    [
        (cropped(False), None),
        (dict(type='RepeatDataset', times=2, dataset=cropped(False)), None),
        (
            dict(type='CombinedPoseDataset', datasets=[cropped(False), dict(AIC, pipeline=PIPELINE)]),
            multi_dataset_estimator(),
        ),
    ],
)
def test_a_teacher_with_another_crop_is_refused(student_with_teacher_on, data, dataset, model):
    student = DATASETS.build(dict(type='TeacherCacheDataset', dataset=data, seeds=[0]))
    message = r"training set has TopdownAffine with use_udp=True, the teacher's \(.*teacher.py\) use_udp=False"
    with pytest.raises(ValueError, match=message):  # as RunCheckHook does
        check_targets(student, student_with_teacher_on(dataset, model))


@pytest.mark.parametrize(
    ('dataset', 'model'),
    [
        (cropped(True), None),
        (dict(type='CocoDataset'), None),
        # only the teacher's crop for the student's dataset is compared; the combined pipeline is for inference
        (
            dict(type='CombinedPoseDataset', datasets=[cropped(True), AIC], pipeline=AIC['pipeline']),
            multi_dataset_estimator(),
        ),
    ],
)
def test_a_teacher_with_the_same_crop_is_accepted(student_with_teacher_on, data, dataset, model):
    check_targets(DATASETS.build(data), student_with_teacher_on(dataset, model))
