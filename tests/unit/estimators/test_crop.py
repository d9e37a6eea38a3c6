"""A teacher that was trained on other crops than its student sees is refused."""

import pytest
from mmengine import Config
from mmpose.registry import DATASETS

from tests.unit.estimators.distillation import PIPELINE, distiller, several
from vitpose_mm.hooks.run_check import check_targets


def cropped(use_udp, **more):
    return dict(type='CocoDataset', pipeline=[dict(type='TopdownAffine', input_size=(48, 64), use_udp=use_udp)], **more)


@pytest.fixture
def teacher_on(teacher):
    """A function that gives a student whose teacher was trained on a dataset."""

    def write(dataset, model=None):
        given = teacher(model)
        config = Config.fromfile(given['config'])
        config.train_dataloader = dict(dataset=dataset)
        config.dump(given['config'])
        return distiller(given)

    return write


AIC = dict(cropped(False), type='CheckedAicDataset')


@pytest.mark.parametrize(
    ('dataset', 'model'),
    [
        (cropped(False), None),
        (dict(type='RepeatDataset', times=2, dataset=cropped(False)), None),
        (dict(type='CombinedPoseDataset', datasets=[cropped(False), dict(AIC, pipeline=PIPELINE)]), several()),
    ],
)
def test_another_crop(teacher_on, data, dataset, model):
    student = DATASETS.build(dict(type='TeacherCacheDataset', dataset=data, seeds=[0]))
    message = r"training set has TopdownAffine with use_udp=True, the teacher's \(.*teacher.py\) use_udp=False"
    with pytest.raises(ValueError, match=message):  # as RunCheckHook does
        check_targets(student, teacher_on(dataset, model))


@pytest.mark.parametrize(
    ('dataset', 'model'),
    [
        (cropped(True), None),
        (dict(type='CocoDataset'), None),
        # the crops of the student's dataset count, where a teacher has several; inference's do not
        (dict(type='CombinedPoseDataset', datasets=[cropped(True), AIC], pipeline=AIC['pipeline']), several()),
    ],
)
def test_the_same_crop(teacher_on, data, dataset, model):
    check_targets(DATASETS.build(data), teacher_on(dataset, model))
