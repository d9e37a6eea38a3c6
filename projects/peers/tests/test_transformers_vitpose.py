"""Transformers as a contestant."""

import pytest

from tests.unit.predict.tiny_models import single
from vitpose.bench.contestant import LeftOut
from vitpose.bench.setup import make_setup


@pytest.mark.parametrize('change', [dict(head=dict(deconv_channels=16)), dict(backbone=dict(stride=8))])
def test_a_model_that_transformers_does_not_have_is_left_out(change, tmp_path):
    pytest.importorskip('transformers')
    from projects.peers.transformers_vitpose import TransformersVitPose

    cfg = single()
    cfg.model.head.deconv_channels = 256
    cfg.merge_from_dict(dict(model=change))
    if 'backbone' in change:
        cfg.model.head.feature_stride = 8
    with pytest.raises(LeftOut, match='the weights are not those of a model of transformers'):
        TransformersVitPose(make_setup(cfg, None, tmp_path, 'cpu'))
