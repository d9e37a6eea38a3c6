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
from tests.parity.transformers_models import build_vitpose
from vitpose_mm.backbones.vit_sizes import SIZES

COCO = Path(mmpose.__file__).parent / '.mim/configs/body_2d_keypoint/topdown_heatmap/coco'


@torch.no_grad()
def randomise(model, image, heatmaps_of):
    """Set random weights of a plausible size that give heatmaps with a maximum of 1; return the heatmaps."""
    generator = torch.Generator().manual_seed(0)
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point() and 'data_preprocessor' not in name:
            noise = torch.empty_like(tensor).uniform_(-0.5, 0.5, generator=generator)
            if name.endswith('running_var') or (tensor.ndim == 1 and name.endswith('weight')):
                tensor.copy_(1 + noise)
            else:
                tensor.copy_(noise * (0.2 if tensor.ndim == 1 else 2 / tensor[0].numel() ** 0.5))
    model.eval()
    largest = heatmaps_of(model, image).abs().max()
    final = model.head.final_layer if hasattr(model.head, 'final_layer') else model.head.conv
    final.weight /= largest
    final.bias /= largest
    return heatmaps_of(model, image)


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
    with torch.device('meta'):  # initialising the weights would take most of the time
        theirs = MODELS.build(cfg.model)
        cfg.model.backbone = dict(type='ViT', arch=size, img_size=(256, 192))
        ours = MODELS.build(cfg.model)
    theirs.to_empty(device='cpu')
    expected = randomise(theirs, image, lambda model, x: model(x, None, mode='tensor'))
    ours.load_state_dict(theirs.state_dict(), strict=True, assign=True)
    with torch.no_grad():
        heatmaps = ours.eval()(image, None, mode='tensor')
    difference = (heatmaps - expected).abs().max().item()
    print(f'{size}{decoder}: largest difference {difference:.1e}')
    assert difference < 1e-5
    # nearly constant heatmaps would agree for any model
    assert expected.std() > 0.05


@pytest.mark.parametrize('decoder', ['ClassicHead', 'SimpleHead'])
@pytest.mark.parametrize('size', ['small', pytest.param('base', marks=pytest.mark.slow)])
def test_heatmaps_are_those_of_transformers(size, decoder):
    theirs = build_vitpose(size, simple=decoder == 'SimpleHead', part_features=0)
    image = torch.randn(2, 3, 256, 192, generator=torch.Generator().manual_seed(1))
    expected = randomise(theirs, image, lambda model, x: model(x).heatmaps)
    ours = MODELS.build(
        dict(
            type='TopdownPoseEstimator',
            backbone=dict(type='ViT', arch=size, img_size=(256, 192)),
            head=dict(type=decoder, in_channels=SIZES[size].embed_dim, out_channels=17),
        )
    )
    ours.load_state_dict(theirs.state_dict(), strict=True)
    with torch.no_grad():
        heatmaps = ours.eval()(image, None, mode='tensor')
    difference = (heatmaps - expected).abs().max().item()
    print(f'{size} {decoder}: largest difference {difference:.1e}')
    assert difference < 1e-5
    assert expected.std() > 0.05
