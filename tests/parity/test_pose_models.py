"""The same weights give the same heatmaps as MMPose's ViTPose, and decoders train as the authors'.

In heatmaps the tolerance is 1e-5 of the largest value: fp32 has a relative precision of 6e-8, and up to 32 blocks sum
in a different order.
"""

from pathlib import Path

import mmpose
import pytest
import torch
from mmengine import Config
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData, PixelData
from mmpose.registry import MODELS
from mmpose.structures import PoseDataSample
from torch import nn

from tests.parity.test_checkpoint_origins import KEYPOINTS, WIDTH, assert_same, randomize

COCO = Path(mmpose.__file__).parent / '.mim/configs/body_2d_keypoint/topdown_heatmap/coco'


@pytest.mark.parametrize(
    ('size', 'decoder'),
    [
        ('small', ''),
        ('small', '-simple'),
        # a decoder depends on the size only through the width: the larger sizes are tested with one decoder each
        pytest.param('base', '', marks=pytest.mark.slow),
        *(
            pytest.param(*pair, marks=[pytest.mark.slow, pytest.mark.long])
            for pair in (('large', '-simple'), ('huge', ''))
        ),
    ],
)
@torch.no_grad()
def test_heatmaps_are_those_of_mmpose_with_only_the_backbone_replaced(size, decoder):
    init_default_scope('mmpose')
    cfg = Config.fromfile(COCO / f'td-hm_ViTPose-{size}{decoder}_8xb64-210e_coco-256x192.py')
    image = torch.randn(1, 3, 256, 192, generator=torch.Generator().manual_seed(1))
    with torch.device('meta'):  # initializing the weights would take most of the time
        theirs = MODELS.build(cfg.model)
        cfg.model.backbone = dict(type='ViT', arch=size, img_size=(256, 192))
        ours = MODELS.build(cfg.model).eval()
    randomize(theirs.to_empty(device='cpu'))
    ours.load_state_dict(theirs.state_dict(), strict=True, assign=True)
    assert_same(ours(image, None, mode='tensor'), theirs(image, None, mode='tensor'))


@pytest.mark.slow
def test_decoders_train_as_in_the_authors_code():
    """Loss, gradients and running statistics of a batch that has one sample of MPII and none of COCO-WholeBody.

    The authors' `TopDownMoE.forward_train` runs every decoder on the whole batch, sets targets and keypoint weights of
    other datasets' samples to zero and takes the mean over the whole batch: of heatmaps times weight, over the samples
    and the cells, then over the keypoints. The decoder of MPII is MMPose's own class.
    """
    init_default_scope('mmpose')
    generator, order = torch.Generator().manual_seed(2), ['coco', 'aic', 'coco', 'mpii', 'aic', 'coco']
    mmposes = dict(type='HeatmapHead', in_channels=WIDTH, loss=dict(type='KeypointMSELoss', use_target_weight=True))
    mmposes |= dict(deconv_out_channels=(256, 256), deconv_kernel_sizes=(4, 4))
    kinds = {name: dict(type='ClassicHead', in_channels=WIDTH) for name in ('coco', 'aic', 'coco_wholebody')}
    heads = {name: dict(kind, out_channels=KEYPOINTS[name]) for name, kind in (kinds | dict(mpii=mmposes)).items()}
    head = randomize(MODELS.build(dict(type='MultiDatasetHead', heads=heads))).train()
    theirs = nn.ModuleDict()
    for name, decoder in head.heads.items():
        theirs[name] = MODELS.build(dict(mmposes, out_channels=KEYPOINTS[name])).train()
        theirs[name].load_state_dict(decoder.state_dict())
    samples = []
    for name in order:
        sample = PoseDataSample(metainfo=dict(dataset_name=name))
        sample.gt_fields = PixelData(heatmaps=torch.rand(KEYPOINTS[name], 32, 24, generator=generator))
        visible = (torch.rand(1, KEYPOINTS[name], generator=generator) > 0.3).float()
        sample.gt_instance_labels = InstanceData(keypoint_weights=visible)
        samples.append(sample)
    feats = torch.randn(len(order), WIDTH, 8, 6, generator=generator)
    ours_in, theirs_in = feats.clone().requires_grad_(), feats.clone().requires_grad_()

    expected = {}
    for name, decoder in theirs.items():
        heatmaps = decoder((theirs_in,))
        targets, weights = torch.zeros_like(heatmaps), torch.zeros(*heatmaps.shape[:2], 1, 1)
        for i, sample in enumerate(samples):
            if order[i] == name:
                targets[i] = sample.gt_fields.heatmaps
                weights[i, :, 0, 0] = sample.gt_instance_labels.keypoint_weights[0]
        expected[name] = ((heatmaps * weights - targets * weights) ** 2).mean((0, 2, 3)).mean()
    sum(expected.values()).backward()
    losses = head.loss((ours_in,), samples)
    losses['loss_kpt'].backward()

    def assert_close(ours, theirs):
        assert (ours - theirs).abs().max() <= 1e-5 * theirs.abs().max() + 1e-12

    assert_close(losses['loss_kpt'].detach(), sum(expected.values()).detach())
    for name in set(order):
        assert_close(losses[f'{name}/kpt'], expected[name].detach() * len(order) / order.count(name))
    assert_close(ours_in.grad, theirs_in.grad)
    for name, decoder in theirs.items():
        for ours, other in zip(head.heads[name].parameters(), decoder.parameters(), strict=True):
            assert_close(ours.grad, other.grad)
            assert bool(ours.grad.any()) == (name != 'coco_wholebody')
        for ours, other in zip(head.heads[name].buffers(), decoder.buffers(), strict=True):
            assert_close(ours.float(), other.float())
