import pytest
from mmengine.config import Config

from vitpose_mm.input_size import set_input_size


def values(node, path=''):
    """Every value that is not a dict or a list, by its path."""
    if not isinstance(node, dict | list):
        return {path: node}
    children = node.items() if isinstance(node, dict) else enumerate(node)
    return {name: value for key, child in children for name, value in values(child, f'{path}.{key}').items()}


def test_nothing_else_changes(root):
    """Every changed value is an input size (w, h), a heatmap size at a quarter of it, or the backbone's (h, w)."""
    cfg = Config.fromfile(root / 'configs/coco/vitpose-base_coco-256x192.py')
    before = values(cfg.to_dict())
    set_input_size(cfg._cfg_dict, height=320, width=256)
    after = values(cfg.to_dict())
    assert before.keys() == after.keys()
    changed = {path: value for path, value in after.items() if value != before[path]}
    wanted = dict(input_size=(256, 320), heatmap_size=(64, 80), img_size=(320, 256))
    assert all(value == wanted[path.rpartition('.')[2]] for path, value in changed.items())
    for loader in ('train', 'val', 'test'):
        assert any(path.startswith(f'.{loader}_dataloader.dataset.pipeline.') for path in changed)
    assert {'.codec.input_size', '.model.head.decoder.heatmap_size', '.model.backbone.img_size'} <= changed.keys()
    assert (192, 256) not in after.values() and (48, 64) not in after.values()


def test_stride_of_the_heatmaps_stays():
    codec = dict(input_size=(192, 256), heatmap_size=(24, 32))
    set_input_size(codec, height=384, width=288)
    assert codec == dict(input_size=(288, 384), heatmap_size=(36, 48))
    with pytest.raises(ValueError, match=r'\(290, 384\) pixels gives heatmaps of \[36.25, 48.0\] cells'):
        set_input_size(codec, height=384, width=290)
    with pytest.raises(ValueError, match=r'no part of the config has an input_size to set to 384x288'):
        set_input_size(dict(model=dict(backbone=dict(img_size=(256, 192)))), height=384, width=288)
