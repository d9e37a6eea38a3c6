"""The same weights give the same heatmaps as MMPose's ViTPose and as transformers' ViTPose.

The tolerance is 1e-5 on heatmaps scaled to a maximum of 1: fp32 has a relative precision of 6e-8, and up to 32 blocks
sum in a different order.
"""

from pathlib import Path

import mmpose
import pytest
import torch
from mmengine import Config
from mmengine.registry import init_default_scope
from mmpose.registry import MODELS

import vitpose_mm  # noqa: F401
from tests.parity.transformers_models import build_vitpose, randomize
from vitpose_mm.backbones.vit_sizes import SIZES

COCO = Path(mmpose.__file__).parent / '.mim/configs/body_2d_keypoint/topdown_heatmap/coco'


@torch.no_grad()
def check_heatmaps(theirs, ours, images, heatmaps_of):
    """Compare heatmaps of the same random weights, which are scaled to a maximum of 1."""
    final = getattr(randomize(theirs).head, 'final_layer', None) or theirs.head.conv
    largest = heatmaps_of(theirs, images).abs().max()
    final.weight /= largest
    final.bias /= largest
    expected = heatmaps_of(theirs, images)
    ours.load_state_dict(theirs.state_dict(), strict=True, assign=True)
    difference = (ours.eval()(images, None, mode='tensor') - expected).abs().max().item()
    print(f'largest difference {difference:.1e}')
    assert difference < 1e-5
    assert expected.std() > 0.05, 'nearly constant heatmaps would agree for any model'


@pytest.mark.parametrize(
    ('size', 'decoder'),
    [
        ('small', ''),
        ('small', '-simple'),
        # a decoder depends on the size only through the width: the larger sizes are tested with one decoder each
        *(pytest.param(*pair, marks=pytest.mark.slow) for pair in (('base', ''), ('large', '-simple'), ('huge', ''))),
    ],
)
def test_heatmaps_are_those_of_mmpose_with_only_the_backbone_replaced(size, decoder):
    init_default_scope('mmpose')
    cfg = Config.fromfile(COCO / f'td-hm_ViTPose-{size}{decoder}_8xb64-210e_coco-256x192.py')
    image = torch.randn(1, 3, 256, 192, generator=torch.Generator().manual_seed(1))
    with torch.device('meta'):  # initializing the weights would take most of the time
        theirs = MODELS.build(cfg.model)
        cfg.model.backbone = dict(type='ViT', arch=size, img_size=(256, 192))
        ours = MODELS.build(cfg.model)
    theirs.to_empty(device='cpu')
    check_heatmaps(theirs, ours, image, lambda model, x: model(x, None, mode='tensor'))


@pytest.mark.parametrize('decoder', ['ClassicHead', 'SimpleHead'])
@pytest.mark.parametrize('size', ['small', pytest.param('base', marks=pytest.mark.slow)])
def test_heatmaps_are_those_of_transformers(size, decoder):
    theirs = build_vitpose(size, simple=decoder == 'SimpleHead', part_features=0)
    images = torch.randn(2, 3, 256, 192, generator=torch.Generator().manual_seed(1))
    backbone = dict(type='ViT', arch=size, img_size=(256, 192))
    head = dict(type=decoder, in_channels=SIZES[size].embed_dim, out_channels=17)
    ours = MODELS.build(dict(type='TopdownPoseEstimator', backbone=backbone, head=head))
    check_heatmaps(theirs, ours, images, lambda model, x: model(x).heatmaps)
