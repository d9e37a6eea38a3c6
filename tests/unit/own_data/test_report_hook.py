"""The estimate before a training, and the training samples of the report."""

import itertools
import time

import pytest
from mmengine.registry import init_default_scope
from mmpose.registry import DATASETS

from tests.unit.datasets.tiny_files import several
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
