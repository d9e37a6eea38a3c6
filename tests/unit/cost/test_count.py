from pathlib import Path

import pytest
import torch
from mmengine import Config
from mmengine.registry import init_default_scope
from mmengine.utils import digit_version

import vitpose_mm  # noqa: F401
from vitpose_mm.cost import count

NEEDS_TORCH_2_4 = pytest.mark.skipif(
    digit_version(torch.__version__) < digit_version('2.4'), reason='counting MACs per module needs torch 2.4 or newer'
)
pytestmark = NEEDS_TORCH_2_4

CONFIGS = Path(__file__).resolve().parents[3] / 'configs'
BASE = 'coco/vitpose-base_coco-256x192.py'
# GFLOPs in table 5 of the ViTPose paper (MACs of the backbone)
TABLE_5 = {'full': 76.59, 'window': 66.31, 'window-shift': 66.31, 'window-pool': 66.39, 'window-shift-pool': 66.39}
TABLE_5 |= {'window-full4': 69.94, 'window16x12-shift-pool': 68.46}
# GFLOPs in table 6 of the ViTPose paper (MACs of the trainable part)
TABLE_6 = {None: 17.1, 'attention': 10.9, 'ffn': 6.2}


def model_of(path):
    init_default_scope('mmpose')
    return Config.fromfile(CONFIGS / path).model


@pytest.mark.slow
def test_tables_5_and_6():
    for row, gmacs in TABLE_5.items():
        counted = count(model_of(f'attention/vitpose-base-s8-{row}_coco-256x192.py'))
        assert counted.backbone_macs / 1e9 == pytest.approx(gmacs, rel=0.01), row
    for freeze, gmacs in TABLE_6.items():
        path = f'transfer/vitpose-base-freeze-{freeze}_coco-256x192.py' if freeze else BASE
        assert count(model_of(path)).trainable_macs / 1e9 == pytest.approx(gmacs, rel=0.02), freeze


def test_macs_of_each_part_match_a_formula():
    counted = count(model_of(BASE))
    tokens, dim, depth = 192, 768, 12
    assert counted.macs == {
        'patch': tokens * 3 * 256 * dim,
        'qkv': depth * tokens * dim * 3 * dim,
        'projection': depth * tokens * dim * dim,
        'attention': depth * 2 * tokens * tokens * dim,
        'FFN': depth * 2 * tokens * dim * 4 * dim,
        # each output cell of a 4x4 deconvolution of stride 2 sees 4 input cells; then the 1x1 convolution
        'decoder': 16 * 192 * (dim * 256 + 4 * 256 * 256) + 64 * 48 * 256 * 17,
        'other': 0,
    }
    assert counted.parameters == counted.trainable_parameters == 89_993_745


def test_experts_and_more_decoders_add_parameters_but_no_macs():
    one, six = count(model_of(BASE)), count(model_of('multi_dataset/vitpose-plus-base_six-sets-256x192.py'))
    assert six.macs == one.macs  # one image of the default dataset, COCO, uses one expert and one decoder
    experts = 12 * 5 * (192 * 3072 + 192)
    deconvolutions = 5 * (768 * 256 * 16 + 256 * 256 * 16 + 4 * 256)
    last = sum(keypoints * 257 for keypoints in (14, 16, 17, 17, 133))
    assert six.parameters - one.parameters == experts + deconvolutions + last
