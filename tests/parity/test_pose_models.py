"""The same weights give the same heatmaps as MMPose's and transformers' ViTPose and ViTPose+; authors' files load.

The tolerance is 1e-5 on heatmaps scaled to a maximum of 1: fp32 has a relative precision of 6e-8, and up to 32 blocks
sum in a different order.
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

import vitpose_mm  # noqa: F401
from tests.parity.transformers_models import build_vitpose, randomize
from vitpose_mm.backbones.vit_sizes import SIZES
from vitpose_mm.checkpoints.experts_and_decoders import AUTHORS_ORDER

COCO = Path(mmpose.__file__).parent / '.mim/configs/body_2d_keypoint/topdown_heatmap/coco'
KEYPOINTS = dict(zip(AUTHORS_ORDER, (17, 14, 16, 17, 17, 133), strict=True))
# The authors' config file of S says 192, but their released weights have 96 rows per expert and 288 in fc2 (issues
# 73 and 144 of their repository); transformers' vitpose-plus-small has part_features=96.
EXPERT_DIM = dict(small=96, base=192)


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


def build_plus(size, names=AUTHORS_ORDER, default='coco'):
    width = SIZES[size].embed_dim
    heads = {name: dict(type='ClassicHead', in_channels=width, out_channels=KEYPOINTS[name]) for name in names}
    backbone = dict(type='ViT', arch=size, experts=dict(names=list(names), expert_dim=EXPERT_DIM[size]))
    head = dict(type='MultiDatasetHead', heads=heads, default_dataset=default)
    return MODELS.build(dict(type='MultiDatasetPoseEstimator', backbone=backbone, head=head)).eval()


@pytest.mark.parametrize('size', ['small', pytest.param('base', marks=pytest.mark.slow)])
@torch.no_grad()
def test_heatmaps_of_all_experts_are_those_of_transformers(size):
    theirs = randomize(build_vitpose(size, num_experts=6, part_features=EXPERT_DIM[size]))
    order = [2, 0, 5, 1, 1, 3, 4]
    image = torch.randn(1, 3, 256, 192, generator=torch.Generator().manual_seed(1)).repeat(len(order), 1, 1, 1)
    expected = theirs(image, dataset_index=torch.tensor(order)).heatmaps
    ours = build_plus(size)
    incompatible = ours.load_state_dict(theirs.state_dict(), strict=False)
    assert not incompatible.unexpected_keys
    # transformers has only the COCO head
    assert {key.split('.')[2] for key in incompatible.missing_keys} == set(AUTHORS_ORDER) - {'coco'}
    largest = expected.abs().max()
    heatmaps = ours.head.heads['coco'](ours.extract_feat(image, [AUTHORS_ORDER[number] for number in order]))
    difference = ((heatmaps - expected).abs().max() / largest).item()
    print(f'{size}, a batch of all experts: largest difference {difference:.1e}')
    assert difference < 1e-5
    alone = ours.head.heads['coco'](ours.extract_feat(image[:1], ['mpii']))
    assert ((alone - expected[:1]).abs().max() / largest).item() < 1e-5
    # another expert gives another heatmap of the same image, so wrong routing would be detected
    assert ((expected[0] - expected[1]).abs().max() / largest).item() > 0.01


def authors_weights(model):
    """The state dict of our ViTPose+ with the authors' names, and a nonzero extra slot in the position table."""
    weights = {}
    for key, value in model.state_dict().items():
        if '.mlp.experts.' in key:
            block, kind = key.split('.')[2], key.split('.')[-1]
            for number, expert in enumerate(value):
                weights[f'backbone.blocks.{block}.mlp.experts.{number}.{kind}'] = expert
        elif key.startswith('head.heads.'):
            name, rest = key.removeprefix('head.heads.').split('.', 1)
            number = AUTHORS_ORDER.index(name)
            weights[f'associate_keypoint_heads.{number - 1}.{rest}' if number else f'keypoint_head.{rest}'] = value
        else:
            weights[key.replace('layers.', 'blocks.')] = value
    slot = torch.randn(1, 1, weights['backbone.pos_embed'].shape[-1])
    weights['backbone.pos_embed'] = torch.cat([slot, weights['backbone.pos_embed'] - slot], dim=1)
    return weights


@pytest.mark.parametrize('names', [AUTHORS_ORDER, ('coco_wholebody', 'mpii')])
@torch.no_grad()
def test_authors_checkpoint_loads_into_all_or_some_of_its_datasets_in_any_order(names):
    theirs, ours = randomize(build_plus('small')), build_plus('small', names, 'mpii')
    ours.load_state_dict(authors_weights(theirs), strict=True)
    image = torch.randn(2, 3, 256, 192, generator=torch.Generator().manual_seed(1))
    for name in names:
        expected = theirs.head.heads[name](theirs.extract_feat(image, [name] * 2))
        heatmaps = ours.head.heads[name](ours.extract_feat(image, [name] * 2))
        largest = expected.abs().max()
        assert ((heatmaps - expected).abs().max() / largest).item() < 1e-5
        wrong = theirs.head.heads[name](theirs.extract_feat(image, ['ap10k'] * 2))
        assert name == 'ap10k' or ((wrong - expected).abs().max() / largest).item() > 0.01  # would be detected


def test_decoders_train_as_in_the_authors_code():
    """Loss, gradients and running statistics of a batch that has one sample of MPII and none of COCO-WholeBody.

    The authors' `TopDownMoE.forward_train` runs every decoder on the whole batch, sets targets and keypoint weights of
    other datasets' samples to zero and takes the mean over the whole batch: of heatmaps times weight, over the samples
    and the cells, then over the keypoints.
    """
    generator = torch.Generator().manual_seed(2)
    order = ['coco', 'aic', 'coco', 'mpii', 'aic', 'coco']
    head = randomize(build_plus('small', ('coco', 'aic', 'mpii', 'coco_wholebody')).head).train()
    init_default_scope('mmpose')
    theirs = nn.ModuleDict()
    for name, decoder in head.heads.items():
        deconvolutions = dict(deconv_out_channels=(256, 256), deconv_kernel_sizes=(4, 4))
        head_config = dict(type='HeatmapHead', in_channels=384, out_channels=KEYPOINTS[name], **deconvolutions)
        theirs[name] = MODELS.build(head_config).train()
        theirs[name].load_state_dict(decoder.state_dict())
    samples = []
    for name in order:
        sample = PoseDataSample(metainfo=dict(dataset_name=name))
        sample.gt_fields = PixelData(heatmaps=torch.rand(KEYPOINTS[name], 32, 24, generator=generator))
        visible = (torch.rand(1, KEYPOINTS[name], generator=generator) > 0.3).float()
        sample.gt_instance_labels = InstanceData(keypoint_weights=visible)
        samples.append(sample)
    feats = torch.randn(len(order), SIZES['small'].embed_dim, 8, 6, generator=generator)
    ours_in, theirs_in = feats.clone().requires_grad_(), feats.clone().requires_grad_()

    expected = 0
    for name, decoder in theirs.items():
        heatmaps = decoder((theirs_in,))
        targets, weights = torch.zeros_like(heatmaps), torch.zeros(*heatmaps.shape[:2], 1, 1)
        for i, sample in enumerate(samples):
            if order[i] == name:
                targets[i] = sample.gt_fields.heatmaps
                weights[i, :, 0, 0] = sample.gt_instance_labels.keypoint_weights[0]
        expected = expected + ((heatmaps * weights - targets * weights) ** 2).mean((0, 2, 3)).mean()
    expected.backward()
    loss = head.loss((ours_in,), samples)['loss_kpt']
    loss.backward()

    def assert_same(ours, theirs):
        assert (ours - theirs).abs().max() <= 1e-5 * theirs.abs().max() + 1e-12

    assert_same(loss.detach(), expected.detach())
    assert_same(ours_in.grad, theirs_in.grad)
    for name, decoder in theirs.items():
        for ours, other in zip(head.heads[name].parameters(), decoder.parameters(), strict=True):
            assert_same(ours.grad, other.grad)
            assert bool(ours.grad.any()) == (name != 'coco_wholebody')
        for ours, other in zip(head.heads[name].buffers(), decoder.buffers(), strict=True):
            assert_same(ours.float(), other.float())
