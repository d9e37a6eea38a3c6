"""The estimate before a training, and the samples of the report."""

import itertools
import json
import time
from types import SimpleNamespace

import numpy as np
import pytest
from mmengine import ConfigDict
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData
from mmpose.registry import DATASETS, MODELS

from tests.unit.datasets.tiny_files import several
from tests.unit.estimators.distillation import estimator
from vitpose.own_data import report_hook


@pytest.mark.parametrize(('device', 'batch'), [('cpu', 32), ('cpu', 6), ('cpu', 2), ('cpu', 1), ('cuda', 8)])
def test_a_step_has_a_part_that_does_not_grow_with_the_batch(monkeypatch, device, batch):
    now, sizes = [0.0], list[int]()
    pauses = itertools.cycle([9, 9, 0, 0])  # of the first step and, by other work, of one that is measured

    def make_step(model, mode, size, device, dtype):
        def step():
            now[0] += 0.25 + 0.125 * size + next(pauses)

        sizes.append(size)
        return step

    monkeypatch.setattr(report_hook, 'make_step', make_step)
    monkeypatch.setattr(time, 'perf_counter', lambda: now[0])
    assert report_hook.estimate_step({}, batch, device, 'float32') == pytest.approx(0.25 + 0.125 * batch)
    assert max(sizes) == (min(batch, 6) if device == 'cpu' else batch)


def test_a_model_without_an_estimate_is_trained(monkeypatch):
    init_default_scope('mmpose')
    monkeypatch.setattr(report_hook, 'find_spec', lambda name: None)
    model, logged = ConfigDict(estimator()), []
    built, _ = MODELS.build(model), model.head.pop('decoder')
    logger = SimpleNamespace(warning=logged.append)
    loader = type('Loader', (list,), dict(batch_size=2))([0] * 3)
    more = dict(hooks=[], optim_wrapper=None, cfg=SimpleNamespace(model=model))
    runner = SimpleNamespace(train_dataloader=loader, model=built, logger=logger, **more)
    report_hook.TrainingReportHook('coco/AP').before_train(runner)
    assert logged[0].startswith('no estimate of the time: ValueError: model.head.decoder has no input_size=(w, h)')


def test_training_samples_have_the_pipeline_of_the_validation_set_of_their_name(tmp_path):
    init_default_scope('mmpose')
    data = several(tmp_path, 2)

    def build(name, word, **more):
        pipeline = [lambda info: (word, info['dataset_name'], info['id'])]
        return dict(type=f'Checked{name}Dataset', pipeline=pipeline, **data, **more)

    def combine(*members):
        return DATASETS.build(dict(type='CombinedPoseDataset', datasets=members))

    train = combine(build('Coco', 'train'), build('Aic', 'train'))
    val = combine(build('Aic', 'other', test_mode=True), build('Coco', 'val', test_mode=True))
    samples = report_hook.open_as_validation(train, val)
    expected = [('val', 'coco', 1), ('val', 'coco', 2), ('other', 'aic', 1), ('other', 'aic', 2)]
    assert [samples[i] for i in range(len(samples))] == expected and train[0] == ('train', 'coco', 1)
    one = DATASETS.build(build('Aic', 'one', test_mode=True))
    samples = report_hook.open_as_validation(train, one)
    assert [samples[i] for i in range(len(samples))] == [('one', 'aic', 1), ('one', 'aic', 2)]
    assert len(report_hook.open_as_validation(DATASETS.build(build('Coco', 'train')), one)) == 0


@pytest.mark.parametrize('detected', [False, True])
def test_detected_boxes_are_no_labeled_samples(tmp_path, monkeypatch, detected):
    init_default_scope('mmpose')
    boxes = [dict(image_id=1, category_id=1, bbox=[10, 8, 20, 30], score=1.0)]
    (tmp_path / 'boxes.json').write_text(json.dumps(boxes))
    names = ('LoadImage', 'GetBBoxCenterScale', 'PackPoseInputs')
    data = dict(several(tmp_path, 2), pipeline=[dict(type=name) for name in names], test_mode=True)
    data |= dict(bbox_file=str(tmp_path / 'boxes.json')) if detected else {}
    val = DATASETS.build(dict(type='CheckedCocoDataset', **data))
    loader, config = SimpleNamespace(dataset=val), SimpleNamespace(filename='config.py')
    runner = SimpleNamespace(model=None, val_dataloader=loader, work_dir=str(tmp_path), cfg=config)
    sample, reports = val[0]['data_samples'], []
    sample.pred_instances = InstanceData(keypoints=np.zeros((1, 17, 2)))
    trained = report_hook.read_outputs([sample])
    monkeypatch.setattr(report_hook.TrainingReportHook, '_predict_sample', lambda *args: trained)
    monkeypatch.setattr(report_hook, 'write_report', lambda *args: reports.append(args))
    hook = report_hook.TrainingReportHook('coco/AP')
    hook.after_val_iter(runner, 0, outputs=[sample])
    hook.after_val_epoch(runner)
    ((_, _, _, _, held_out, shown, _),) = reports
    assert (len(held_out), shown) == (not detected, trained)
