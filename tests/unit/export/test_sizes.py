"""Configs of another input size."""

import pytest
from mmengine.config import Config

from vitpose.export.sizes import resize


@pytest.mark.parametrize(
    ('vit', 'size', 'heatmap', 'new', 'expected'),
    [
        (dict(), (192, 256), (48, 64), (128, 96), (24, 32)),
        (dict(patch_size=14), (196, 252), (56, 72), (392, 308), (88, 112)),  # 3.5 pixels per cell
    ],
)
def test_heatmaps_keep_their_stride(vit, size, heatmap, new, expected):
    codec = dict(type='BatchUDPHeatmap', input_size=size, heatmap_size=heatmap)
    cfg = Config(dict(model=dict(backbone=dict(type='ViT', **vit), head=dict(decoder=codec))))
    resize(cfg, new)
    model = cfg.model
    assert model.backbone.img_size == new and model.head.decoder.input_size == new[::-1]
    assert model.head.decoder.heatmap_size == expected
    with pytest.raises(ValueError, match='is not a positive multiple of the stride'):
        resize(cfg, (new[0] + 2, new[1]))
