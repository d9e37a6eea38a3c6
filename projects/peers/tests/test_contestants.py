from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from projects.peers.contestants import check_usual_crop
from projects.peers.mmpose_inferencer import with_mmpose_codec
from tests.unit.predict.tiny_models import single
from vitpose.bench import contestants
from vitpose.bench.bench_setup import make_setup
from vitpose.bench.contestant import LeftOut
from vitpose.predict.models.crops import CropRule


def test_a_missing_peer_is_named_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setattr(contestants, 'find_spec', lambda name: None)
    for name in ('transformers', 'rtmlib'):
        with pytest.raises(LeftOut, match=f'{name}.* not installed: pip install .*{name}'):
            contestants.CONTESTANTS[name](None)


def test_peers_that_do_one_thing_are_left_out_of_others():
    for rule, change, message in (
        ({}, {}, None),
        (dict(use_udp=False), {}, 'use_udp=False'),
        (dict(padding=1.1), {}, 'padding=1.1'),
        ({}, dict(head=dict(decoder=dict(type='MSRAHeatmap'))), 'and MSRAHeatmap'),
        ({}, dict(data_preprocessor=dict(bgr_to_rgb=False)), 'takes normalized RGB images'),
        ({}, dict(data_preprocessor=dict(mean=None)), 'takes normalized RGB images'),
        ({}, dict(test_cfg=dict(output_keypoint_indices=[0])), 'output_keypoint_indices'),
    ):
        config = single()
        config.merge_from_dict(dict(model=change))
        setup = SimpleNamespace(crop_rule=CropRule((96, 128), **dict(use_udp=True) | rule), config=config)
        with pytest.raises(LeftOut, match=f'^peer .*{message}') if message else nullcontext():
            check_usual_crop(setup, 'peer')


@pytest.mark.parametrize('change', [dict(head=dict(deconv_channels=16)), dict(backbone=dict(stride=8))])
def test_a_model_that_transformers_does_not_have_is_left_out(change, tmp_path):
    pytest.importorskip('transformers')
    from projects.peers.transformers_vitpose import TransformersVitPose

    cfg = single()
    cfg.model.head.update(deconv_channels=256, feature_stride=8 if 'backbone' in change else 16)
    cfg.merge_from_dict(dict(model=change))
    with pytest.raises(LeftOut, match='the weights are not those of a model of transformers'):
        TransformersVitPose(make_setup(cfg, None, tmp_path, 'cpu'))


MSRA = dict(type='MSRAHeatmap', sigma=2)
NORMALIZED = dict(type='BatchUDPHeatmap', border='normalized', sigma=2)


@pytest.mark.parametrize(
    ('ours', 'theirs'),
    [(NORMALIZED, dict(type='UDPHeatmap', sigma=2)), (dict(MSRA, type='BatchMSRAHeatmap'), MSRA), (MSRA, MSRA)],
)
def test_mmpose_decodes_with_its_own_codec(ours, theirs):
    cfg = single()
    cfg.model.head.decoder = ours
    assert dict(with_mmpose_codec(cfg).model.head.decoder) == theirs
    assert dict(cfg.model.head.decoder) == ours
