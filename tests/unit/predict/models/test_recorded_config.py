import pytest
from mmengine import Config

from vitpose.predict.models.description import read_recorded_config


def test_mmengines_text_is_read_as_its_config(root):
    cfg = Config.fromfile(root / 'configs/coco/vitpose-base_coco-256x192.py')
    assert read_recorded_config(dict(cfg=cfg.pretty_text)) == cfg.to_dict()


def test_keys_that_are_not_names_are_read():
    """As in metainfo that a config states itself, and in `custom_keys`."""
    cfg = Config(dict(model=dict(paramwise_cfg=dict(custom_keys={'.norm': dict(decay_mult=0)})), metainfo={0: {1: 2}}))
    assert read_recorded_config(dict(cfg=cfg.pretty_text)) == cfg.to_dict()


@pytest.mark.parametrize(
    'text',
    [None, 3, '(' * 9999, 'a = open("x")', 'a = dict(1)', 'a = set({})', 'a = dict({}, b=1)', 'a = dict(**b)']
    + ['import os', 'a.b = 1', 'a += 1'],
)
def test_no_code_runs_and_other_texts_are_ignored(text):
    assert read_recorded_config(dict(cfg=text)) == {}


def test_a_line_that_is_no_literal_does_not_hide_the_others():
    """MMEngine's text of an infinite number is a name."""
    cfg = Config(dict(model=dict(type='A'), optim_wrapper=dict(clip_grad=dict(max_norm=float('inf'))), seed=1))
    assert read_recorded_config(dict(cfg=cfg.pretty_text)) == dict(model=dict(type='A'), seed=1)
