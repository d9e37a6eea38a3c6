"""Files of each origin give the same heatmaps or features here as in their own library, and the other way round.

Where a library cannot be installed (the authors' code, easy_ViTPose, DINOv2), the file has exactly its names and
shapes, and the oracle is another library with the same weights, or a forward pass of plain tensors. The tolerance is
1e-5 of the largest value, as in `test_pose_models.py`.
"""

import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from mmengine.registry import init_default_scope
from mmpose.registry import MODELS

import vitpose_mm  # noqa: F401
from vitpose.cli.main import main
from vitpose_mm.backbones.vit_sizes import SIZES
from vitpose_mm.checkpoints.experts_and_decoders import AUTHORS_ORDER
from vitpose_mm.checkpoints.key_maps import TIMM, rename_back
from vitpose_mm.checkpoints.safe_load import load_weights
from vitpose_mm.checkpoints.validation import load_strictly

WIDTH, DEPTH, HEADS, P = 48, 3, 4, 12
KEYPOINTS = dict(zip(AUTHORS_ORDER, (17, 14, 16, 17, 17, 133), strict=True))


@torch.no_grad()
def randomise(model):
    """Set all weights and statistics to random values of a plausible size."""
    generator = torch.Generator().manual_seed(0)
    for name, value in model.state_dict().items():
        if value.is_floating_point() and 'data_preprocessor' not in name:
            noise = torch.empty_like(value).uniform_(-0.5, 0.5, generator=generator)
            one = name.endswith('running_var') or (value.ndim == 1 and name.endswith(('weight', 'gamma', 'lambda1')))
            value.copy_(1 + noise if one else noise * (0.2 if value.ndim == 1 else 2 / value[0].numel() ** 0.5))
    return model.eval()


def assert_same(found, expected):
    assert found.shape == expected.shape and expected.std() > 0.05 * expected.abs().max()
    difference = ((found - expected).abs().max() / expected.abs().max()).item()
    print(f'largest difference {difference:.1e}')
    assert difference < 1e-5


def image(height=64, width=48):
    return torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(1))


def vit(img_size=(64, 48), **more):
    arch = dict(depth=DEPTH, embed_dim=WIDTH, num_heads=HEADS)
    return dict(type='ViT', arch=arch, img_size=img_size, **more)


def pose(decoder='ClassicHead', names=()):
    init_default_scope('mmpose')
    head = dict(type=decoder, in_channels=WIDTH, out_channels=17)
    if not names:
        return MODELS.build(dict(type='TopdownPoseEstimator', backbone=vit(), head=head)).eval()
    heads = {name: dict(head, out_channels=KEYPOINTS[name]) for name in names}
    backbone = vit(experts=dict(names=list(names), expert_dim=P))
    head = dict(type='MultiDatasetHead', heads=heads, default_dataset=names[0])
    return MODELS.build(dict(type='MultiDatasetPoseEstimator', backbone=backbone, head=head)).eval()


# ---- transformers


def vitpose(simple=False, experts=False):
    from transformers import VitPoseBackboneConfig, VitPoseConfig, VitPoseForPoseEstimation

    config = VitPoseBackboneConfig(
        image_size=(64, 48),
        hidden_size=WIDTH,
        num_hidden_layers=DEPTH,
        num_attention_heads=HEADS,
        layer_norm_eps=1e-6,
        out_indices=[DEPTH],
        **(dict(num_experts=6, part_features=P) if experts else dict(part_features=0)),
    )
    return VitPoseForPoseEstimation(VitPoseConfig(backbone_config=config, num_labels=17, use_simple_decoder=simple))


@pytest.mark.parametrize('simple', [True, False])
@pytest.mark.parametrize('shard', [None, '200KB'])
@torch.no_grad()
def test_a_folder_of_transformers_loads(tmp_path, simple, shard):
    theirs, ours = randomise(vitpose(simple)), pose('SimpleHead' if simple else 'ClassicHead')
    theirs.save_pretrained(tmp_path, **({'max_shard_size': shard} if shard else {}))
    assert (tmp_path / 'model.safetensors.index.json').exists() == bool(shard)
    ours.load_state_dict(load_weights(tmp_path), strict=True)
    assert_same(ours(image(), None, mode='tensor'), theirs(image()).heatmaps)


@torch.no_grad()
def test_a_folder_of_vitpose_plus_loads(tmp_path):
    theirs, ours = randomise(vitpose(experts=True)), pose(names=('coco', 'mpii'))
    theirs.save_pretrained(tmp_path)
    ours.load_state_dict(load_weights(tmp_path), strict=False)
    for number, name in ((0, 'coco'), (2, 'mpii')):
        feats = ours.extract_feat(image(), [name, name])
        assert_same(ours.head.heads['coco'](feats), theirs(image(), dataset_index=torch.tensor([number] * 2)).heatmaps)


@pytest.mark.parametrize('names', [(), ('mpii', 'aic', 'coco', 'coco_wholebody', 'ap10k', 'apt36k')])
@pytest.mark.parametrize('decoder', ['ClassicHead', 'SimpleHead'])
@torch.no_grad()
def test_transformers_reads_what_convert_writes(tmp_path, names, decoder):
    from transformers import VitPoseForPoseEstimation

    ours = randomise(pose(decoder, names))
    torch.save(dict(state_dict=ours.state_dict()), tmp_path / 'a.pth')
    args = ['convert', str(tmp_path / 'a.pth'), str(tmp_path / 'hf'), '--to', 'transformers', '--num-heads', str(HEADS)]
    assert main([*args, *(['--dataset', 'mpii'] if names else [])]) == 0
    theirs, report = VitPoseForPoseEstimation.from_pretrained(tmp_path / 'hf', output_loading_info=True)
    assert not any(report.values())
    if names:
        expected = ours.head.heads['mpii'](ours.extract_feat(image(), ['aic', 'aic']))
        assert_same(theirs.eval()(image(), dataset_index=torch.tensor([1, 1])).heatmaps, expected)
    else:
        assert_same(theirs.eval()(image()).heatmaps, ours(image(), None, mode='tensor'))


# ---- MMPose with mmpretrain


@torch.no_grad()
def test_mmpose_reads_what_convert_writes_and_the_other_way_round(tmp_path):
    ours = randomise(pose())
    arch = dict(embed_dims=WIDTH, num_layers=DEPTH, num_heads=HEADS, feedforward_channels=4 * WIDTH)
    backbone = dict(
        type='mmpretrain.VisionTransformer',
        arch=arch,
        img_size=(64, 48),
        patch_size=16,
        qkv_bias=True,
        with_cls_token=False,
        out_type='featmap',
        patch_cfg=dict(padding=2),
    )
    head = dict(
        type='HeatmapHead',
        in_channels=WIDTH,
        out_channels=17,
        deconv_out_channels=(256, 256),
        deconv_kernel_sizes=(4, 4),
    )
    theirs = MODELS.build(dict(type='TopdownPoseEstimator', backbone=backbone, head=head)).eval()
    torch.save(dict(state_dict=ours.state_dict()), tmp_path / 'a.pth')
    assert main(['convert', str(tmp_path / 'a.pth'), str(tmp_path / 'b.pth'), '--to', 'mmpose']) == 0
    theirs.load_state_dict(torch.load(tmp_path / 'b.pth')['state_dict'], strict=True)
    assert_same(theirs(image(), None, mode='tensor'), ours(image(), None, mode='tensor'))
    again = pose()
    again.load_state_dict(theirs.state_dict(), strict=True)
    assert_same(again(image(), None, mode='tensor'), theirs(image(), None, mode='tensor'))


# ---- timm and DINOv2: features of a ViT with cls token


def as_seen(pixels, patch):
    """The image whose patches without padding are what ViTPose's patches with padding are of `pixels`."""
    cut = F.unfold(pixels, patch, stride=16, padding=(patch - 16) // 2 + 2)
    count = [side // 16 for side in pixels.shape[2:]]
    return F.fold(cut, [side * patch for side in count], patch, stride=patch)


def ours_with_tokens(side, count, weights):
    model = MODELS.build(vit((side, side), knowledge_token=dict(count=count, init='checkpoint')))
    model.load_state_dict(weights, strict=True)
    return model.eval()


@pytest.mark.parametrize(
    ('size', 'patch', 'classes'), [(224, 16, 10), (384, 16, 0), (224, 14, 10), pytest.param(518, 14, 0)]
)
@torch.no_grad()
def test_features_are_those_of_timm(size, patch, classes):
    timm = pytest.importorskip('timm', reason='the oracle')
    config = dict(embed_dim=WIDTH, depth=DEPTH, num_heads=HEADS, num_classes=classes)
    theirs = randomise(timm.models.VisionTransformer(img_size=size, patch_size=patch, **config))
    side = size // patch * 16
    ours = ours_with_tokens(side, 1, theirs.state_dict())
    tokens = theirs.forward_features(as_seen(image(side, side), patch))
    assert_same(ours(image(side, side))[0].flatten(2).transpose(1, 2), tokens[:, 1:])


@torch.no_grad()
def test_timm_reads_our_names():
    timm = pytest.importorskip('timm', reason='the oracle')
    ours = randomise(MODELS.build(vit((64, 48))))
    config = dict(embed_dim=WIDTH, depth=DEPTH, num_heads=HEADS, num_classes=0, class_token=False, global_pool='')
    theirs = timm.models.VisionTransformer(img_size=(64, 48), patch_size=16, **config).eval()
    theirs.load_state_dict(rename_back(ours.state_dict(), TIMM), strict=True)
    tokens = theirs.forward_features(as_seen(image(), 16))
    assert_same(tokens, ours(image())[0].flatten(2).transpose(1, 2))


@torch.no_grad()
def test_features_are_those_of_timms_dinov2():
    timm = pytest.importorskip('timm', reason='the oracle')
    config = dict(embed_dim=WIDTH, depth=DEPTH, num_heads=HEADS, reg_tokens=4, init_values=0.1, no_embed_class=True)
    theirs = randomise(timm.models.VisionTransformer(img_size=224, patch_size=14, num_classes=0, **config))
    assert {'reg_token', 'blocks.0.ls1.gamma'} <= set(theirs.state_dict())
    ours = ours_with_tokens(256, 5, theirs.state_dict())
    tokens = theirs.forward_features(as_seen(image(256, 256), 14))
    assert_same(ours(image(256, 256))[0].flatten(2).transpose(1, 2), tokens[:, 5:])


@pytest.mark.parametrize('names', ['transformers', 'facebookresearch'])
@torch.no_grad()
def test_features_are_those_of_dinov2_with_registers(names):
    from transformers import Dinov2WithRegistersConfig, Dinov2WithRegistersModel

    config = Dinov2WithRegistersConfig(
        hidden_size=WIDTH,
        num_hidden_layers=DEPTH,
        num_attention_heads=HEADS,
        image_size=224,
        patch_size=14,
        attn_implementation='eager',
    )
    theirs = randomise(Dinov2WithRegistersModel(config))
    weights = theirs.state_dict()
    if names == 'facebookresearch':  # as in dinov2/models/vision_transformer.py
        weights = facebook_names(weights)
    ours = ours_with_tokens(256, 5, weights)
    tokens = theirs(as_seen(image(256, 256), 14)).last_hidden_state
    assert_same(ours(image(256, 256))[0].flatten(2).transpose(1, 2), tokens[:, 5:])
    plain = MODELS.build(vit((256, 256)))
    with pytest.raises(ValueError, match='4 register tokens, which take part in attention'):
        load_strictly(plain, weights)


def facebook_names(weights):
    named = {
        name: weights[f'embeddings.{theirs}']
        for name, theirs in (
            ('cls_token', 'cls_token'),
            ('mask_token', 'mask_token'),
            ('register_tokens', 'register_tokens'),
            ('pos_embed', 'position_embeddings'),
            ('patch_embed.proj.weight', 'patch_embeddings.projection.weight'),
            ('patch_embed.proj.bias', 'patch_embeddings.projection.bias'),
        )
    }
    for kind in ('weight', 'bias'):
        named[f'norm.{kind}'] = weights[f'layernorm.{kind}']
        for block in range(DEPTH):
            old, new = f'encoder.layer.{block}', f'blocks.{block}'
            qkv = [weights[f'{old}.attention.attention.{part}.{kind}'] for part in ('query', 'key', 'value')]
            named[f'{new}.attn.qkv.{kind}'] = torch.cat(qkv)
            named[f'{new}.attn.proj.{kind}'] = weights[f'{old}.attention.output.dense.{kind}']
            for part in ('norm1', 'norm2', 'mlp.fc1', 'mlp.fc2'):
                named[f'{new}.{part}.{kind}'] = weights[f'{old}.{part}.{kind}']
            for number in (1, 2):
                named[f'{new}.ls{number}.gamma'] = weights[f'{old}.layer_scale{number}.lambda1']
    return named


@torch.no_grad()
def test_features_are_those_of_transformers_vit():
    """ViT and the encoder of ViTMAE have the same names."""
    from transformers import ViTConfig, ViTModel

    config = ViTConfig(
        hidden_size=WIDTH,
        num_hidden_layers=DEPTH,
        num_attention_heads=HEADS,
        intermediate_size=4 * WIDTH,
        layer_norm_eps=1e-6,
    )
    theirs = randomise(ViTModel(config, add_pooling_layer=False))
    ours = ours_with_tokens(224, 1, theirs.state_dict())
    tokens = theirs(as_seen(image(224, 224), 16)).last_hidden_state
    assert_same(ours(image(224, 224))[0].flatten(2).transpose(1, 2), tokens[:, 1:])


# ---- a real DINOv2 file

DINOV2 = Path(__file__).resolve().parents[3] / 'shared/weights/dinov2_small_hf_fp16.safetensors'
SMALL_DINOV2 = dict(depth=12, embed_dim=384, num_heads=6)


@pytest.mark.skipif(not DINOV2.exists(), reason=f'no {DINOV2.name} in ../shared/weights')
@pytest.mark.parametrize('cls_token', [True, False])
@pytest.mark.parametrize(('patch', 'size'), [(14, (252, 196)), (14, (196, 252)), (16, (256, 192))])
@torch.no_grad()
def test_features_are_those_of_a_real_dinov2(cls_token, patch, size):
    """At patch 16 theirs gets the 14x14 kernel in a ring of zeros, ViTPose's padding, and positions of its grid."""
    from transformers import Dinov2Config, Dinov2Model

    theirs = Dinov2Model(Dinov2Config(hidden_size=384, num_attention_heads=6, image_size=518, patch_size=14))
    theirs.load_state_dict({key: value.float() for key, value in load_weights(DINOV2).items()}, strict=True)
    theirs.eval()
    if patch == 16:
        patches = theirs.embeddings.patch_embeddings
        patches.projection.weight = torch.nn.Parameter(F.pad(patches.projection.weight, (1, 1, 1, 1)))
        patches.projection.kernel_size, patches.projection.stride, patches.projection.padding = (16,) * 2, (16,) * 2, 2
        theirs.embeddings.patch_size = 16
    token = dict(knowledge_token=dict(count=1, init='checkpoint')) if cls_token else {}
    init_cfg = dict(type='Pretrained', checkpoint=str(DINOV2))
    ours = MODELS.build(
        dict(type='ViT', arch=SMALL_DINOV2, patch_size=patch, img_size=size, init_cfg=init_cfg, **token)
    )
    ours.init_weights()
    tokens = theirs.embeddings(image(*size))[:, 0 if cls_token else 1 :]
    expected = theirs.layernorm(theirs.encoder(tokens).last_hidden_state)[:, 1 if cls_token else 0 :]
    (found,) = ours.eval()(image(*size))
    assert found.shape[2:] == (size[0] // patch, size[1] // patch)
    difference = (found.flatten(2).transpose(1, 2) - expected).abs().max().item()
    print(f'largest difference {difference:.1e}, largest value {expected.abs().max():.1f}')
    assert difference < 1e-4


# ---- the authors' names, which easy_ViTPose has too: a forward of plain tensors


def authors_file(decoder='classic', datasets=1, experts=0, width=WIDTH, depth=DEPTH, device='cpu', **shape):
    """A file with the authors' names and shapes and random values."""
    hidden, part = 4 * width, shape.get('part', P if experts else 0)
    shapes = {
        'backbone.pos_embed': (1, 1 + shape.get('positions', 12), width),
        'backbone.patch_embed.proj.weight': (width, 3, 16, 16),
        'backbone.patch_embed.proj.bias': (width,),
        'backbone.last_norm.weight': (width,),
        'backbone.last_norm.bias': (width,),
    }
    linear = dict(
        {'attn.qkv': (3 * width, width), 'attn.proj': (width, width), 'mlp.fc1': (hidden, width)},
        **{'mlp.fc2': (width - part, hidden)},
        **{f'mlp.experts.{number}': (part, hidden) for number in range(experts)},
    )
    for block in range(depth):
        for name in ('norm1', 'norm2'):
            shapes |= {f'backbone.blocks.{block}.{name}.{kind}': (width,) for kind in ('weight', 'bias')}
        for name, size in linear.items():
            shapes |= {f'backbone.blocks.{block}.{name}.weight': size, f'backbone.blocks.{block}.{name}.bias': size[:1]}
    for number, keypoints in enumerate(list(KEYPOINTS.values())[:datasets]):
        prefix = f'associate_keypoint_heads.{number - 1}' if number else 'keypoint_head'
        if decoder == 'classic':
            for layer, channels in ((0, width), (3, 256)):
                shapes[f'{prefix}.deconv_layers.{layer}.weight'] = (channels, 256, 4, 4)
                for kind in ('weight', 'bias', 'running_mean', 'running_var'):
                    shapes[f'{prefix}.deconv_layers.{layer + 1}.{kind}'] = (256,)
                shapes[f'{prefix}.deconv_layers.{layer + 1}.num_batches_tracked'] = ()
        shapes[f'{prefix}.final_layer.weight'] = (keypoints, *((256, 1, 1) if decoder == 'classic' else (width, 3, 3)))
        shapes[f'{prefix}.final_layer.bias'] = (keypoints,)
    if device == 'meta':
        return {key: torch.empty(size, device='meta') for key, size in shapes.items()}
    generator, weights = torch.Generator().manual_seed(0), {}
    for key, size in shapes.items():
        noise = torch.empty(size).uniform_(-0.5, 0.5, generator=generator)
        one = key.endswith('running_var') or (len(size) == 1 and key.endswith('weight'))
        weights[key] = 1 + noise if one else noise * (0.2 if len(size) < 2 else 2 / math.prod(size[1:]) ** 0.5)
    return weights


def authors_forward(weights, pixels, number=0):
    """The heatmaps of dataset `number`, as the authors' code computes them."""
    part = {key.removeprefix('backbone.'): value for key, value in weights.items() if key.startswith('backbone.')}
    x = F.conv2d(pixels, part['patch_embed.proj.weight'], part['patch_embed.proj.bias'], 16, 2)
    batch, width, rows, columns = x.shape
    x = x.flatten(2).transpose(1, 2) + part['pos_embed'][:, 1:] + part['pos_embed'][:, :1]
    for block in range(DEPTH):
        own = {key.split('.', 2)[2]: value for key, value in part.items() if key.startswith(f'blocks.{block}.')}

        def linear(y, name, own=own):
            return y @ own[f'{name}.weight'].T + own[f'{name}.bias']

        y = F.layer_norm(x, (width,), own['norm1.weight'], own['norm1.bias'], 1e-6)
        query, key, value = linear(y, 'attn.qkv').view(batch, -1, 3, HEADS, width // HEADS).permute(2, 0, 3, 1, 4)
        attention = (query @ key.transpose(2, 3) * (width // HEADS) ** -0.5).softmax(-1)
        x = x + linear((attention @ value).transpose(1, 2).reshape(batch, -1, width), 'attn.proj')
        y = F.gelu(linear(F.layer_norm(x, (width,), own['norm2.weight'], own['norm2.bias'], 1e-6), 'mlp.fc1'))
        expert = f'mlp.experts.{number}'
        y = torch.cat([linear(y, 'mlp.fc2'), *([linear(y, expert)] if f'{expert}.weight' in own else [])], dim=-1)
        x = x + y
    x = F.layer_norm(x, (width,), part['last_norm.weight'], part['last_norm.bias'], 1e-6)
    x = x.transpose(1, 2).reshape(batch, width, rows, columns)
    prefix = f'associate_keypoint_heads.{number - 1}.' if number else 'keypoint_head.'
    own = {key.removeprefix(prefix): value for key, value in weights.items() if key.startswith(prefix)}
    if 'deconv_layers.0.weight' not in own:
        x = F.interpolate(x.relu(), scale_factor=4, mode='bilinear', align_corners=False)
        return F.conv2d(x, own['final_layer.weight'], own['final_layer.bias'], padding=1)
    for layer in (0, 3):
        x = F.conv_transpose2d(x, own[f'deconv_layers.{layer}.weight'], stride=2, padding=1)
        norm = [own[f'deconv_layers.{layer + 1}.{kind}'] for kind in ('running_mean', 'running_var', 'weight', 'bias')]
        x = F.batch_norm(x, *norm).relu()
    return F.conv2d(x, own['final_layer.weight'], own['final_layer.bias'])


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
    ours = randomise(pose())
    torch.save(dict(state_dict=ours.state_dict()), tmp_path / 'a.pth')
    assert main(['convert', str(tmp_path / 'a.pth'), str(tmp_path / 'b.pth'), '--to', 'official']) == 0
    weights = torch.load(tmp_path / 'b.pth')['state_dict']
    assert set(weights) == set(authors_file())
    assert_same(authors_forward(weights, image()), ours(image(), None, mode='tensor'))


@pytest.mark.parametrize('experts', [0, 6])
@torch.no_grad()
def test_the_authors_file_of_six_datasets(experts):
    weights = authors_file(datasets=6, experts=experts)
    ours = pose(names=AUTHORS_ORDER)
    if not experts:
        init_default_scope('mmpose')
        heads = {
            name: dict(type='ClassicHead', in_channels=WIDTH, out_channels=count) for name, count in KEYPOINTS.items()
        }
        head = dict(type='MultiDatasetHead', heads=heads, default_dataset='coco')
        ours = MODELS.build(dict(type='TopdownPoseEstimator', backbone=vit(), head=head)).eval()
    load_strictly(ours, weights)
    for number, name in enumerate(AUTHORS_ORDER):
        feats = ours.extract_feat(image(), [name] * 2) if experts else ours.extract_feat(image())
        assert_same(ours.head.heads[name](feats), authors_forward(weights, image(), number))


@pytest.mark.parametrize('size', ['small', 'base', 'large', 'huge'])
@pytest.mark.parametrize('decoder', ['classic', 'simple'])
def test_shapes_of_every_size_on_the_meta_device(size, decoder):
    init_default_scope('mmpose')
    fields = SIZES[size]
    weights = authors_file(decoder, width=fields.embed_dim, depth=fields.depth, positions=192, device='meta')
    with torch.device('meta'):
        head = dict(type=f'{decoder.title()}Head', in_channels=fields.embed_dim, out_channels=17)
        backbone = dict(type='ViT', arch=size)
        model = MODELS.build(dict(type='TopdownPoseEstimator', backbone=backbone, head=head))
        model.load_state_dict(weights, strict=True, assign=True)
        assert model(torch.empty(1, 3, 256, 192), None, mode='tensor').shape == (1, 17, 64, 48)
