"""Files of each origin give the same heatmaps or features here as in their own library, and the other way round.

Where a library cannot be installed (the authors' code, easy_ViTPose, DINOv2), the file has exactly its names and
shapes, and the oracle is another library with the same weights, or a forward pass of plain tensors. The tolerance is
1e-5 of the largest value, as in `test_pose_models.py`.
"""

import math
import re
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from mmengine.registry import init_default_scope
from mmpose.registry import MODELS

import vitpose_mm  # noqa: F401
from vitpose.cli.main import main
from vitpose_mm.checkpoints.experts_and_decoders import AUTHORS_ORDER
from vitpose_mm.checkpoints.key_maps import TIMM, rename_back
from vitpose_mm.checkpoints.safe_load import load_weights
from vitpose_mm.checkpoints.validation import load_strictly

WIDTH, DEPTH, HEADS, P = 48, 3, 4, 12
HF_SIZE = dict(hidden_size=WIDTH, num_hidden_layers=DEPTH, num_attention_heads=HEADS)
KEYPOINTS = dict(zip(AUTHORS_ORDER, (17, 14, 16, 17, 17, 133), strict=True))


@torch.no_grad()
def randomize(model):
    """Set all weights and statistics to random values of a plausible size."""
    generator = torch.Generator().manual_seed(0)
    for name, value in model.state_dict().items():
        if value.is_floating_point() and 'data_preprocessor' not in name:
            noise = torch.empty_like(value).uniform_(-0.5, 0.5, generator=generator)
            one = name.endswith('running_var') or (value.ndim == 1 and name.endswith(('weight', 'gamma', 'lambda1')))
            value.copy_(1 + noise if one else noise * (0.2 if value.ndim == 1 else 2 / value[0].numel() ** 0.5))
    return model.eval()


def assert_same(ours, expected):
    assert ours.shape == expected.shape and expected.std() > 0.05 * expected.abs().max()
    difference = ((ours - expected).abs().max() / expected.abs().max()).item()
    print(f'largest difference {difference:.1e}')
    assert difference < 1e-5


def image(height=64, width=48):
    return torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(1))


def vit(img_size=(64, 48), **more):
    arch = dict(depth=DEPTH, embed_dim=WIDTH, num_heads=HEADS)
    return dict(type='ViT', arch=arch, img_size=img_size, **more)


def pose(decoder='ClassicHead', names=(), experts=True):
    init_default_scope('mmpose')
    head, kind = dict(type=decoder, in_channels=WIDTH, out_channels=17), 'TopdownPoseEstimator'
    if names:
        heads = {name: dict(head, out_channels=KEYPOINTS[name]) for name in names}
        head = dict(type='MultiDatasetHead', heads=heads, default_dataset=names[0])
    backbone = vit()
    if names and experts:
        backbone, kind = vit(experts=dict(names=list(names), expert_dim=P)), 'MultiDatasetPoseEstimator'
    return MODELS.build(dict(type=kind, backbone=backbone, head=head)).eval()


def convert(model, folder, name, form, *more):
    """Save a model and convert its file."""
    torch.save(dict(state_dict=model.state_dict()), folder / 'a.pth')
    assert main(['convert', str(folder / 'a.pth'), str(folder / name), '--to', form, *more]) == 0
    return folder / name


# ---- transformers


def vitpose(simple=False, experts=False):
    from transformers import VitPoseBackboneConfig, VitPoseConfig, VitPoseForPoseEstimation

    options = dict(image_size=(64, 48), layer_norm_eps=1e-6, out_indices=[DEPTH])
    options |= dict(num_experts=6, part_features=P) if experts else dict(part_features=0)
    config = VitPoseBackboneConfig(**HF_SIZE, **options)
    return VitPoseForPoseEstimation(VitPoseConfig(backbone_config=config, num_labels=17, use_simple_decoder=simple))


@pytest.mark.parametrize('simple', [True, False])
@pytest.mark.parametrize('shard', [None, '200KB'])
@torch.no_grad()
def test_a_folder_of_transformers_loads(tmp_path, simple, shard):
    theirs, ours = randomize(vitpose(simple)), pose('SimpleHead' if simple else 'ClassicHead')
    theirs.save_pretrained(tmp_path, **({'max_shard_size': shard} if shard else {}))
    assert (tmp_path / 'model.safetensors.index.json').exists() == bool(shard)
    ours.load_state_dict(load_weights(tmp_path), strict=True)
    assert_same(ours(image(), None, mode='tensor'), theirs(image()).heatmaps)


@pytest.mark.parametrize('names', [AUTHORS_ORDER, ('coco', 'mpii')])
@torch.no_grad()
def test_a_folder_of_vitpose_plus_loads(tmp_path, names):
    theirs, ours = randomize(vitpose(experts=True)), pose(names=names)
    theirs.save_pretrained(tmp_path)
    missing, unexpected = ours.load_state_dict(load_weights(tmp_path), strict=False)
    assert not unexpected and {key.split('.')[2] for key in missing} == set(names) - {'coco'}  # theirs has COCO's alone
    order = [number for number in (2, 0, 5, 1, 1, 3, 4) if AUTHORS_ORDER[number] in names]
    pixels = image()[:1].repeat(len(order), 1, 1, 1)
    expected = theirs(pixels, dataset_index=torch.tensor(order)).heatmaps
    feats = ours.extract_feat(pixels, [AUTHORS_ORDER[number] for number in order])
    assert_same(ours.head.heads['coco'](feats), expected)
    assert (expected[0] - expected[1]).abs().max() > 0.01 * expected.abs().max(), 'wrong routing would not be seen'


@pytest.mark.parametrize('names', [(), ('mpii', 'aic', 'coco', 'coco_wholebody', 'ap10k', 'apt36k')])
@pytest.mark.parametrize('decoder', ['ClassicHead', 'SimpleHead'])
@torch.no_grad()
def test_transformers_reads_what_convert_writes(tmp_path, names, decoder):
    from transformers import VitPoseForPoseEstimation

    ours = randomize(pose(decoder, names))
    options = ['--num-heads', str(HEADS), *(['--dataset', 'mpii'] if names else [])]
    folder = convert(ours, tmp_path, 'hf', 'transformers', *options)
    theirs, report = VitPoseForPoseEstimation.from_pretrained(folder, output_loading_info=True)
    assert not any(report.values())
    if names:
        expected = ours.head.heads['mpii'](ours.extract_feat(image(), ['aic', 'aic']))
        assert_same(theirs.eval()(image(), dataset_index=torch.tensor([1, 1])).heatmaps, expected)
    else:
        assert_same(theirs.eval()(image()).heatmaps, ours(image(), None, mode='tensor'))


# ---- MMPose with mmpretrain; test_pose_models.py loads its weights


@torch.no_grad()
def test_mmpose_reads_what_convert_writes(tmp_path):
    ours = randomize(pose())
    arch = dict(embed_dims=WIDTH, num_layers=DEPTH, num_heads=HEADS, feedforward_channels=4 * WIDTH)
    backbone = dict(type='mmpretrain.VisionTransformer', arch=arch, img_size=(64, 48), patch_size=16, qkv_bias=True)
    backbone |= dict(with_cls_token=False, out_type='featmap', patch_cfg=dict(padding=2))
    head = dict(type='HeatmapHead', in_channels=WIDTH, out_channels=17)
    head |= dict(deconv_out_channels=(256, 256), deconv_kernel_sizes=(4, 4))
    theirs = MODELS.build(dict(type='TopdownPoseEstimator', backbone=backbone, head=head)).eval()
    file = convert(ours, tmp_path, 'b.pth', 'mmpose')
    theirs.load_state_dict(torch.load(file)['state_dict'], strict=True)
    assert_same(theirs(image(), None, mode='tensor'), ours(image(), None, mode='tensor'))


# ---- timm and DINOv2: features of a ViT with cls token


def as_seen(pixels, patch):
    """The image whose patches without padding are what ViTPose's patches with padding are of `pixels`."""
    patches = F.unfold(pixels, patch, stride=16, padding=(patch - 16) // 2 + 2)
    count = [side // 16 for side in pixels.shape[2:]]
    return F.fold(patches, [side * patch for side in count], patch, stride=patch)


def assert_same_features(side, patch, weights, features, count=1):
    """Compare with the features (B, count + N, C) that a function gives; the first tokens are no part of the grid."""
    ours = MODELS.build(vit((side, side), knowledge_token=dict(count=count, init='checkpoint'))).eval()
    ours.load_state_dict(weights, strict=True)
    pixels = image(side, side)
    assert_same(ours(pixels)[0].flatten(2).transpose(1, 2), features(as_seen(pixels, patch))[:, count:])


def timm_vit(size, patch, **more):
    timm = pytest.importorskip('timm', reason='the oracle')
    config = dict(img_size=size, patch_size=patch, embed_dim=WIDTH, depth=DEPTH, num_heads=HEADS)
    return randomize(timm.models.VisionTransformer(**config, **more))


FACEBOOK_NAMES = {
    'embeddings.patch_embeddings.projection': 'patch_embed.proj',
    'embeddings.position_embeddings': 'pos_embed',
    'embeddings.': '',
    'encoder.layer.': 'blocks.',
    'layernorm': 'norm',
    'attention.output.dense': 'attn.proj',
    'layer_scale1.lambda1': 'ls1.gamma',
    'layer_scale2.lambda1': 'ls2.gamma',
}


def facebook_names(weights):
    """Transformers' weights in the names of dinov2/models/vision_transformer.py."""
    named = {}
    for key, value in weights.items():
        for theirs, facebooks in FACEBOOK_NAMES.items():
            key = key.replace(theirs, facebooks)
        key = re.sub(r'attention\.attention\.(query|key|value)', 'attn.qkv', key)  # they come in this order
        named[key] = torch.cat([named[key], value]) if key in named else value
    return named


@pytest.mark.parametrize(('size', 'patch', 'classes'), [(224, 16, 10), (384, 16, 0), (224, 14, 10), (518, 14, 0)])
@torch.no_grad()
def test_features_are_those_of_timm(size, patch, classes):
    theirs = timm_vit(size, patch, num_classes=classes)
    assert_same_features(size // patch * 16, patch, theirs.state_dict(), theirs.forward_features)


@torch.no_grad()
def test_timm_reads_our_names():
    ours = randomize(MODELS.build(vit((64, 48))))
    theirs = timm_vit((64, 48), 16, num_classes=0, class_token=False, global_pool='')
    theirs.load_state_dict(rename_back(ours.state_dict(), TIMM), strict=True)
    tokens = theirs.forward_features(as_seen(image(), 16))
    assert_same(tokens, ours(image())[0].flatten(2).transpose(1, 2))


@torch.no_grad()
def test_features_are_those_of_timms_dinov2():
    theirs = timm_vit(224, 14, num_classes=0, reg_tokens=4, init_values=0.1, no_embed_class=True)
    assert {'reg_token', 'blocks.0.ls1.gamma'} <= set(theirs.state_dict())
    assert_same_features(256, 14, theirs.state_dict(), theirs.forward_features, count=5)


@pytest.mark.parametrize('names', [dict, facebook_names])
@torch.no_grad()
def test_features_are_those_of_dinov2_with_registers(names):
    from transformers import Dinov2WithRegistersConfig, Dinov2WithRegistersModel

    config = Dinov2WithRegistersConfig(**HF_SIZE, image_size=224, patch_size=14, attn_implementation='eager')
    theirs = randomize(Dinov2WithRegistersModel(config))
    weights = names(theirs.state_dict())
    assert_same_features(256, 14, weights, lambda pixels: theirs(pixels).last_hidden_state, count=5)
    with pytest.raises(ValueError, match='4 register tokens, which take part in attention'):
        load_strictly(MODELS.build(vit((256, 256))), weights)


@torch.no_grad()
def test_features_are_those_of_transformers_vit():
    """ViT and the encoder of ViTMAE have the same names."""
    from transformers import ViTConfig, ViTModel

    config = ViTConfig(**HF_SIZE, intermediate_size=4 * WIDTH, layer_norm_eps=1e-6)
    theirs = randomize(ViTModel(config, add_pooling_layer=False))
    assert_same_features(224, 16, theirs.state_dict(), lambda pixels: theirs(pixels).last_hidden_state)


# ---- a real DINOv2 file

DINOV2 = Path(__file__).resolve().parents[3] / 'shared/weights/dinov2_small_hf_fp16.safetensors'
SMALL_DINOV2 = dict(depth=12, embed_dim=384, num_heads=6)


@pytest.fixture(scope='module')
def real_dinov2():
    from transformers import Dinov2Config, Dinov2Model

    if not DINOV2.exists():
        pytest.skip(f'no {DINOV2.name} in ../shared/weights')
    model = Dinov2Model(Dinov2Config(hidden_size=384, num_attention_heads=6, image_size=518, patch_size=14))
    model.load_state_dict({key: value.float() for key, value in load_weights(DINOV2).items()}, strict=True)
    return model.eval()


@pytest.mark.slow
@pytest.mark.parametrize(('patch', 'size'), [(14, (252, 196)), (14, (196, 252)), (16, (256, 192))])
@torch.no_grad()
def test_features_are_those_of_a_real_dinov2(real_dinov2, patch, size, monkeypatch):
    """At patch 16 theirs gets the 14x14 kernel in a ring of zeros, ViTPose's padding, and positions of its grid."""
    theirs, patches = real_dinov2, real_dinov2.embeddings.patch_embeddings.projection
    if patch == 16:
        changes = dict(kernel_size=(16, 16), stride=(16, 16), padding=2)
        for name, value in dict(changes, weight=torch.nn.Parameter(F.pad(patches.weight, (1, 1, 1, 1)))).items():
            monkeypatch.setattr(patches, name, value)
        monkeypatch.setattr(theirs.embeddings, 'patch_size', 16)
    pixels = image(*size)[:1]
    embedded = theirs.embeddings(pixels)
    config = dict(type='ViT', arch=SMALL_DINOV2, patch_size=patch, img_size=size)
    config |= dict(init_cfg=dict(type='Pretrained', checkpoint=str(DINOV2)))
    for token, tokens in ({}, embedded[:, 1:]), (dict(knowledge_token=dict(count=1, init='checkpoint')), embedded):
        ours = MODELS.build(dict(config, **token))
        ours.init_weights()
        expected = theirs.layernorm(theirs.encoder(tokens).last_hidden_state)[:, len(token) :]
        (features,) = ours.eval()(pixels)
        assert features.shape[2:] == (size[0] // patch, size[1] // patch)
        difference = (features.flatten(2).transpose(1, 2) - expected).abs().max().item()
        print(f'largest difference {difference:.1e}, largest value {expected.abs().max():.1f}')
        assert difference < 1e-4


# ---- the authors' names, which easy_ViTPose has too: a forward of plain tensors


def authors_shapes(decoder='classic', datasets=1, experts=0, width=WIDTH):
    """The names and shapes in a file of the authors."""
    block = {'norm1': (width,), 'norm2': (width,), 'attn.qkv': (3 * width, width), 'attn.proj': (width, width)}
    block |= {'mlp.fc1': (4 * width, width), 'mlp.fc2': (width - (P if experts else 0), 4 * width)}
    block |= {f'mlp.experts.{number}': (P, 4 * width) for number in range(experts)}
    layers = {'backbone.patch_embed.proj': (width, 3, 16, 16), 'backbone.last_norm': (width,)}
    layers |= {f'backbone.blocks.{n}.{name}': size for n in range(DEPTH) for name, size in block.items()}
    shapes = {'backbone.pos_embed': (1, 1 + 12, width)}
    for number, keypoints in enumerate(list(KEYPOINTS.values())[:datasets]):
        prefix = f'associate_keypoint_heads.{number - 1}' if number else 'keypoint_head'
        for layer, channels in ((0, width), (3, 256)) if decoder == 'classic' else ():
            norm = f'{prefix}.deconv_layers.{layer + 1}'
            layers[norm] = (256,)
            shapes |= {f'{norm}.running_mean': (256,), f'{norm}.running_var': (256,), f'{norm}.num_batches_tracked': ()}
            shapes[f'{prefix}.deconv_layers.{layer}.weight'] = (channels, 256, 4, 4)
        layers[f'{prefix}.final_layer'] = (keypoints, *((256, 1, 1) if decoder == 'classic' else (width, 3, 3)))
    for name, size in layers.items():
        shapes |= {f'{name}.weight': size, f'{name}.bias': size[:1]}
    return shapes


def authors_file(*args, **kwargs):
    """A file with the authors' names and shapes and random values."""
    generator, weights = torch.Generator().manual_seed(0), {}
    for key, size in authors_shapes(*args, **kwargs).items():
        noise = torch.empty(size).uniform_(-0.5, 0.5, generator=generator)
        one = key.endswith('running_var') or (len(size) == 1 and key.endswith('weight'))
        weights[key] = 1 + noise if one else noise * (0.2 if len(size) < 2 else 2 / math.prod(size[1:]) ** 0.5)
    return weights


def below(weights, prefix):
    return {key.removeprefix(prefix): value for key, value in weights.items() if key.startswith(prefix)}


def linear(x, weights, name):
    return x @ weights[f'{name}.weight'].T + weights[f'{name}.bias']


def layer_norm(x, weights, name):
    return F.layer_norm(x, x.shape[-1:], weights[f'{name}.weight'], weights[f'{name}.bias'], 1e-6)


def authors_forward(weights, pixels, number=0):
    """The heatmaps of dataset `number`, as the authors' code computes them."""
    vit = below(weights, 'backbone.')
    x = F.conv2d(pixels, vit['patch_embed.proj.weight'], vit['patch_embed.proj.bias'], 16, 2)
    batch, width, *grid = x.shape
    x = x.flatten(2).transpose(1, 2) + vit['pos_embed'][:, 1:] + vit['pos_embed'][:, :1]
    for block in (below(vit, f'blocks.{n}.') for n in range(DEPTH)):
        qkv = linear(layer_norm(x, block, 'norm1'), block, 'attn.qkv').view(batch, -1, 3, HEADS, width // HEADS)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        attention = (query @ key.transpose(2, 3) * (width // HEADS) ** -0.5).softmax(-1)
        x = x + linear((attention @ value).transpose(1, 2).reshape(batch, -1, width), block, 'attn.proj')
        hidden = F.gelu(linear(layer_norm(x, block, 'norm2'), block, 'mlp.fc1'))
        names = [name for name in ('mlp.fc2', f'mlp.experts.{number}') if f'{name}.weight' in block]
        x = x + torch.cat([linear(hidden, block, name) for name in names], dim=-1)
    x = layer_norm(x, vit, 'last_norm').transpose(1, 2).reshape(batch, width, *grid)
    head = below(weights, f'associate_keypoint_heads.{number - 1}.' if number else 'keypoint_head.')
    if 'deconv_layers.0.weight' not in head:
        x = F.interpolate(x.relu(), scale_factor=4, mode='bilinear', align_corners=False)
        return F.conv2d(x, head['final_layer.weight'], head['final_layer.bias'], padding=1)
    for layer in (0, 3):
        x = F.conv_transpose2d(x, head[f'deconv_layers.{layer}.weight'], stride=2, padding=1)
        norm = [head[f'deconv_layers.{layer + 1}.{kind}'] for kind in ('running_mean', 'running_var', 'weight', 'bias')]
        x = F.batch_norm(x, *norm).relu()
    return F.conv2d(x, head['final_layer.weight'], head['final_layer.bias'])


@pytest.mark.parametrize('decoder', ['classic', 'simple'])
@torch.no_grad()
def test_the_authors_file_of_one_dataset(tmp_path, decoder):
    weights = authors_file(decoder)
    torch.save(dict(state_dict=weights, meta=dict(epoch=210)), tmp_path / 'a.pth')
    ours = pose(f'{decoder.title()}Head')
    ours.load_state_dict(load_weights(tmp_path / 'a.pth'), strict=True)
    assert_same(ours(image(), None, mode='tensor'), authors_forward(weights, image()))


@torch.no_grad()
def test_our_file_in_the_authors_names(tmp_path):
    ours = randomize(pose())
    weights = torch.load(convert(ours, tmp_path, 'b.pth', 'official'))['state_dict']
    assert set(weights) == set(authors_shapes())
    assert_same(authors_forward(weights, image()), ours(image(), None, mode='tensor'))


@pytest.mark.parametrize(
    ('experts', 'names'), [(0, AUTHORS_ORDER), (6, AUTHORS_ORDER), (6, ('coco_wholebody', 'mpii'))]
)
@torch.no_grad()
def test_the_authors_file_of_six_datasets(experts, names):
    """It loads into all or some of its datasets, in any order."""
    weights, ours = authors_file(datasets=6, experts=experts), pose(names=names, experts=bool(experts))
    load_strictly(ours, weights)
    for name in names:
        feats = ours.extract_feat(image(), [name] * 2) if experts else ours.extract_feat(image())
        assert_same(ours.head.heads[name](feats), authors_forward(weights, image(), AUTHORS_ORDER.index(name)))
