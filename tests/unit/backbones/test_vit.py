"""The backbone: shapes, freezing, layer ids, run-time sizes, bad input."""

import pytest
import torch
from mmpose.registry import MODELS

import vitpose_mm  # noqa: F401

TINY = dict(type='ViT', arch=dict(depth=3, embed_dim=48, num_heads=4), img_size=(64, 48))
# depth and width of each size
SIZES = {'deit-tiny': (12, 192), 'small': (12, 384), 'base': (12, 768), 'large': (24, 1024), 'huge': (32, 1280)}


def build(**changes):
    torch.manual_seed(0)
    return MODELS.build({**TINY, **changes})


@pytest.mark.parametrize('name', SIZES)
def test_parameters_of_each_size(name):
    depth, dim = SIZES[name]
    with torch.device('meta'):
        model = MODELS.build(dict(type='ViT', arch=name))
    block = 4 * dim + (3 * dim * dim + 3 * dim) + (dim * dim + dim) + (8 * dim * dim + 5 * dim)
    expected = depth * block + 2 * dim + 3 * 256 * dim + dim + 192 * dim  # 16x16 patches, 16x12 positions
    assert sum(p.numel() for p in model.parameters()) == expected


@pytest.mark.parametrize('img_size', [(252, 196), (196, 252)])
def test_patches_of_14_pixels(img_size):
    model = build(patch_size=14, img_size=img_size)
    assert model.grid == (img_size[0] // 14, img_size[1] // 14)
    assert model(torch.randn(1, 3, *img_size))[0].shape == (1, 48, *model.grid)
    assert model(torch.randn(1, 3, 28, 42))[0].shape == (1, 48, 2, 3)  # positions are resized


@pytest.mark.parametrize('stride', [16, 8])
@pytest.mark.parametrize('img_size', [(64, 48), (96, 96), (32, 80)])
def test_output_shape(stride, img_size):
    model = build(stride=stride, img_size=img_size)
    (feature,) = model(torch.randn(2, 3, *img_size))
    assert feature.shape == (2, 48, img_size[0] // stride, img_size[1] // stride)
    assert feature.is_contiguous()


def test_other_input_sizes_resize_the_position_table():
    model = build().eval()
    image = torch.randn(1, 3, 96, 64)
    (feature,) = model(image)
    larger = build(img_size=(96, 64)).eval()
    larger.load_state_dict(model.state_dict())
    torch.testing.assert_close(larger(image)[0], feature)


def test_every_parameter_gets_a_gradient():
    model = build(drop_path_rate=0.0)
    model(torch.randn(2, 3, 64, 48))[0].square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_activation_checkpointing_gives_the_same_gradients():
    plain, checkpointed = build(drop_path_rate=0.2), build(drop_path_rate=0.2, with_cp=True)
    image = torch.randn(4, 3, 64, 48)
    for model in (plain, checkpointed):
        torch.manual_seed(1)
        model(image)[0].square().sum().backward()
    for one, other in zip(plain.parameters(), checkpointed.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad)


def test_drop_path_rises_linearly_and_is_off_in_eval_mode():
    model = build(drop_path_rate=0.3)
    assert [round(block.drop_path.p, 6) for block in model.layers] == [0, 0.15, 0.3]
    image = torch.randn(8, 3, 64, 48)
    assert not torch.equal(model(image)[0], model(image)[0])
    model.eval()
    assert torch.equal(model(image)[0], model(image)[0])


FROZEN = {
    'attention': ('attn.', 'norm1.'),
    'ffn': ('mlp.', 'norm2.', 'patch_embed.', 'pos_embed'),
    0: ('patch_embed.', 'pos_embed'),
    2: ('patch_embed.', 'pos_embed', 'layers.0.', 'layers.1.'),
}


@pytest.mark.parametrize('freeze', FROZEN)
def test_exactly_the_named_parts_stay_frozen_after_train(freeze):
    model = build(freeze=freeze, drop_path_rate=0.5)
    model.eval()
    model.train()
    for name, parameter in model.named_parameters():
        frozen = any(part in name for part in FROZEN[freeze])
        assert parameter.requires_grad is not frozen, name
    for name, module in model.named_modules():
        if any(part in name + '.' for part in FROZEN[freeze]):
            assert not module.training, name
    assert model.layers[2].drop_path.training  # parts that are not frozen are in training mode


def test_frozen_first_blocks_are_deterministic():
    model = build(freeze=3, drop_path_rate=0.9).train()
    image = torch.randn(8, 3, 64, 48)
    assert torch.equal(model(image)[0], model(image)[0])


def test_layer_ids():
    model = build()
    ids = {name: model.layer_id(name) for name, _ in model.named_parameters()}
    assert {ids[n] for n in ids if n.startswith(('patch_embed', 'pos_embed'))} == {0}
    assert ids['layers.0.norm1.weight'] == 1 and ids['layers.2.mlp.fc2.bias'] == 3
    assert ids['last_norm.weight'] == 4


def test_bf16_agrees_with_fp32():
    model = build().eval()
    image = torch.randn(2, 3, 64, 48)
    (exact,) = model(image)
    with torch.autocast('cpu', torch.bfloat16):
        (rough,) = model(image)
    # bf16 has 8 significant bits: each of the 3 blocks rounds normalized values of order 1 by about 2**-8
    assert (exact - rough).abs().max() < 0.1
    assert (exact - rough).abs().mean() < 0.02


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(img_size=(250, 192)), r'\(250, 192\): 250 is not a positive multiple of the stride 16.*240 or 256'),
        (dict(img_size=(0, 192)), 'not a positive multiple'),
        (dict(stride=4), 'stride=4.*16.*8'),
        (dict(init_blocks='last'), "init_blocks='last': expected None or 'first'"),
        (dict(init_blocks=6), "init_blocks=6: expected None or 'first'"),
        (dict(patch_size=12), 'patch_size=12: expected 16 or 14'),
        (dict(patch_size=14, stride=8, img_size=(56, 42)), 'stride=8 with patch_size=14: expected 14'),
        (dict(patch_size=14), r'\(64, 48\): 64 is not a positive multiple of the stride 14.*56 or 70'),
        (dict(arch=dict(depth=2, embed_dim=50, num_heads=4)), 'num_heads=4 does not divide embed_dim=50'),
        (dict(arch='giant'), "arch='giant': expected one of deit-tiny, small, base, large, huge or a dict of depth"),
        (
            dict(arch=dict(depth=2, embed_dim=48)),
            r"missing keys \['num_heads'\]; expected .*depth, embed_dim, num_heads and mlp_ratio \(optional\)",
        ),
        (dict(arch=dict(depth=2, embed_dim=48, num_heads=4, width=3)), r"unknown keys \['width'\], missing keys \[\]"),
        (dict(arch=dict(depth=0, embed_dim=48, num_heads=4)), 'depth=0 must be > 0'),
        (dict(drop_path_rate=1.0), 'drop_path_rate=1.0: expected a rate >= 0 and < 1'),
        (dict(freeze='all'), "freeze='all'.*attention"),
        (dict(freeze=4), 'freeze=4.*to 3'),
        (dict(freeze=True), 'freeze=True'),
        (dict(arch=12), 'arch=12: expected one of deit-tiny'),
        (dict(img_size=256), r'img_size=256: expected \(h, w\)'),
        (dict(pretrain_img_size=224), r'pretrain_img_size=224: expected \(h, w\)'),
        (dict(knowledge_token=[1]), r'knowledge_token=\[1\]: expected None or a dict of count'),
        (dict(experts=['coco']), r"experts=\['coco'\]: expected None or a dict of names, expert_dim"),
    ],
)
def test_bad_arguments(changes, message):
    with pytest.raises(ValueError, match=message):
        build(**changes)


@pytest.mark.parametrize(
    ('image', 'message'),
    [
        (torch.randn(1, 3, 64, 50), '50 is not a positive multiple of the stride 16'),
        (torch.randn(3, 64, 48), r'shape \(3, 64, 48\), expected \(B, 3, H, W\): add the batch axis'),
        (torch.randn(1, 64, 48, 3), r'shape \(1, 64, 48, 3\), expected \(B, 3, H, W\): .*permute\(0, 3, 1, 2\)'),
        (torch.randn(1, 1, 64, 48), r'shape \(1, 1, 64, 48\), expected \(B, 3, H, W\)'),
        (torch.zeros(1, 3, 64, 48, dtype=torch.uint8), 'image of torch.uint8, expected floats: normalize'),
    ],
)
def test_bad_images(image, message):
    with pytest.raises(ValueError, match=message):
        build()(image)


def test_a_transposed_img_size_is_warned_about_once(logged):
    model = build(img_size=(48, 64)).eval()
    for _ in range(2):
        model(torch.randn(1, 3, 64, 48))
    assert logged().count('(64, 48), but img_size=(48, 64)') == 1
