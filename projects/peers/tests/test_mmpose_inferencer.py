"""MMPose as a contestant."""

import pytest

from projects.peers.mmpose_inferencer import with_mmpose_codec
from tests.unit.predict.tiny_models import single


@pytest.mark.parametrize(
    ('ours', 'theirs'),
    [
        (dict(type='BatchUDPHeatmap', border='normalized', sigma=2), dict(type='UDPHeatmap', sigma=2)),
        (dict(type='BatchMSRAHeatmap', sigma=2), dict(type='MSRAHeatmap', sigma=2)),
        (dict(type='MSRAHeatmap', sigma=2), dict(type='MSRAHeatmap', sigma=2)),
    ],
)
def test_mmpose_decodes_with_its_own_codec(ours, theirs):
    cfg = single()
    cfg.model.head.decoder = ours
    assert dict(with_mmpose_codec(cfg).model.head.decoder) == theirs
    assert dict(cfg.model.head.decoder) == ours
