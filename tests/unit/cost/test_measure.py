import multiprocessing
import os

import pytest
from mmengine import ConfigDict
from mmengine.registry import init_default_scope

from tests.unit.estimators.distillation import estimator
from vitpose_mm.cost import measure
from vitpose_mm.cost.measure import make_step


def test_killed_measurement_is_an_error(monkeypatch):
    fork = multiprocessing.get_context('fork')  # a spawned process would import torch and MMPose first
    monkeypatch.setattr(multiprocessing, 'get_context', lambda _: fork)
    with pytest.raises(RuntimeError, match='train at a batch of 2 was killed.*smaller batch'):
        measure([ConfigDict(type=os._exit, status=9)], 'train', 2)


def test_a_head_with_several_outputs_is_measured():
    init_default_scope('mmpose')
    head = dict(type='SimCCHead', in_channels=24, out_channels=17, input_size=(48, 64), in_featuremap_size=(3, 4))
    head |= dict(deconv_out_channels=None, decoder=dict(type='SimCCLabel', input_size=(48, 64)))
    for mode in ('train', 'inference'):
        make_step(ConfigDict(estimator(head=head)), mode, 2, 'cpu', 'float32')()
