"""The backbone with all its options: shapes, gradients, compilation, export, freezing, layer ids, bad input."""

import pytest
import torch
from mmpose.registry import MODELS

from tests.unit.backbones.small_vit import NEEDS_TRACING, build

# depth and width of each size
SIZES = {'deit-tiny': (12, 192), 'small': (12, 384), 'base': (12, 768), 'large': (24, 1024), 'huge': (32, 1280)}
NAMES = ['coco', 'aic']
EXPERTS = dict(names=NAMES, expert_dim=16)
TOKEN = dict(count=2, width=20, pos_embed=True)
WINDOWS = dict(window_size=(4, 3))
SHIFT_POOL = dict(WINDOWS, shift=True, pool=True)
ALL = dict(SHIFT_POOL, rel_pos='decomposed')
# full_every_quarter: blocks 1 and 4 of six have windows, the second ones shifted
VARIANTS = {
    'full': dict(),
    'shift': dict(attention=dict(WINDOWS, shift=True)),
    'pool': dict(attention=dict(WINDOWS, pool=True)),
    'rel_pos': dict(attention=dict(WINDOWS, rel_pos='decomposed')),
    'shift, pool': dict(attention=SHIFT_POOL),
    'mixed': dict(depth=6, attention=dict(ALL, full_every_quarter=True)),
    'experts': dict(experts=EXPERTS),
    'token': dict(knowledge_token=TOKEN),
    'token, windows': dict(knowledge_token=TOKEN, attention=WINDOWS),
    'token, one window': dict(knowledge_token=TOKEN, attention=dict(window_size=(64, 64), pool=True)),
    'token, mixed': dict(knowledge_token=TOKEN, depth=6, attention=dict(ALL, full_every_quarter=True)),
    'token, experts, all': dict(knowledge_token=TOKEN, experts=EXPERTS, attention=ALL),
}


def variants(*names):
    return pytest.mark.parametrize('variant', [VARIANTS[name] for name in names], ids=names)


def build_variant(variant, **changes):
    """A model with a grid of 9x7 tokens that windows of 4x3 do not fill, and the expert of each of two images."""
    model = build(stride=8, img_size=(72, 56), **variant, **changes)
    return model, (model.route(NAMES),) if 'experts' in variant else ()


@variants(*VARIANTS)
def test_every_parameter_gets_a_gradient(variant):
    model, route = build_variant(variant)
    (feature,) = model(torch.randn(2, 3, 72, 56), *route)
    assert feature.shape == (2, 48, 9, 7) and feature.is_contiguous()
    feature.square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad.isfinite().all() and parameter.grad.any(), name


@variants(*VARIANTS)
def test_activation_checkpointing_gives_the_same_gradients(variant):
    gradients, image = [], torch.randn(2, 3, 72, 56)
    for with_cp in (False, True):
        model, route = build_variant(variant, with_cp=with_cp, drop_path_rate=0.3)
        torch.manual_seed(1)
        model(image, *route)[0].square().sum().backward()
        gradients.append([p.grad for p in model.parameters()])
    for plain, checkpointed in zip(*gradients, strict=True):
        torch.testing.assert_close(plain, checkpointed)


@variants(*VARIANTS)
def test_bf16_agrees_with_fp32(variant):
    model, route = build_variant(variant)
    image = torch.randn(2, 3, 72, 56)
    (exact,) = model.eval()(image, *route)
    with torch.autocast('cpu', torch.bfloat16):
        (rough,) = model(image, *route)
    # bf16 has 8 significant bits: each of the 4 to 6 blocks rounds normalized values of order 1 by about 2**-8
    assert (exact - rough).abs().max() < 0.15
    assert (exact - rough).abs().mean() < 0.02


@pytest.mark.slow
@NEEDS_TRACING
@pytest.mark.parametrize('training', [False, True])
@variants('shift, pool', 'mixed', 'token', 'token, experts, all')  # 'mixed' has blocks with full attention
def test_compiles_without_a_graph_break(variant, training):
    model, route = build_variant({'depth': 2, **variant})  # a block of each kind
    image = torch.randn(2, 3, 72, 56)
    torch.compiler.reset()  # it compiles at most eight variants of a function, including those of earlier tests
    # the eager backend traces, which finds graph breaks, but does not compile
    compiled = torch.compile(model.train(training).forward, fullgraph=True, backend='eager')
    torch.testing.assert_close(compiled(image, *route)[0], model(image, *route)[0])


@pytest.mark.slow
@NEEDS_TRACING
def test_exports_with_a_dynamic_batch():
    model = build(stride=8, img_size=(104, 56), **VARIANTS['token, mixed']).eval()  # whose masks no test has cached
    batch = torch.export.Dim('batch', min=1, max=64)
    program = torch.export.export(model, (torch.randn(2, 3, 104, 56),), dynamic_shapes=({0: batch},), strict=False)
    image = torch.randn(5, 3, 104, 56)
    torch.testing.assert_close(program.module()(image)[0], model(image)[0])


@pytest.mark.parametrize('name', SIZES)
def test_parameters_of_each_size(name):
    depth, dim = SIZES[name]
    with torch.device('meta'):
        model = MODELS.build(dict(type='ViT', arch=name))
    block = 4 * dim + (3 * dim * dim + 3 * dim) + (dim * dim + dim) + (8 * dim * dim + 5 * dim)
    expected = depth * block + 2 * dim + 3 * 256 * dim + dim + 192 * dim  # 16x16 patches, 16x12 positions
    assert sum(p.numel() for p in model.parameters()) == expected


@pytest.mark.parametrize(
    ('patch', 'stride', 'img_size'),
    [(16, 16, (64, 48)), (16, 8, (96, 96)), (16, None, (32, 80)), (14, None, (252, 196)), (14, 14, (196, 252))],
)
def test_shapes_and_resized_positions(patch, stride, img_size):
    model, step = build(depth=1, patch_size=patch, stride=stride, img_size=img_size), stride or patch
    assert model.grid == (img_size[0] // step, img_size[1] // step)
    assert model(torch.randn(2, 3, *img_size))[0].shape == (2, 48, *model.grid)
    assert model(torch.randn(1, 3, 2 * step, 3 * step))[0].shape == (1, 48, 2, 3)


def test_other_input_sizes_resize_the_position_table():
    model, image = build().eval(), torch.randn(1, 3, 96, 64)
    (feature,) = model(image)
    larger = build(img_size=(96, 64)).eval()
    larger.load_state_dict(model.state_dict())
    torch.testing.assert_close(larger(image)[0], feature)


def test_drop_path_rises_linearly_and_is_off_in_eval_mode():
    model, image = build(depth=3, drop_path_rate=0.3), torch.randn(8, 3, 64, 48)
    assert [round(block.drop_path.p, 6) for block in model.layers] == [0, 0.15, 0.3]
    assert not torch.equal(model(image)[0], model(image)[0])
    model.eval()
    assert torch.equal(model(image)[0], model(image)[0])


STEM = ('patch_embed.', 'pos_embed')
FROZEN = {
    'attention': ('attn.', 'norm1.'),
    'ffn': ('mlp.', 'norm2.', *STEM),
    0: STEM,
    2: (*STEM, 'layers.0.', 'layers.1.'),
    3: (*STEM, 'layers.0.', 'layers.1.', 'layers.2.'),
    'all_but_token': (*STEM, 'layers.0.', 'layers.1.', 'layers.2.', 'last_norm.'),
}


@pytest.mark.parametrize('freeze', FROZEN)
def test_exactly_the_named_parts_stay_frozen_after_train(freeze):
    token = dict(width=20, frozen=freeze != 'all_but_token')
    model = build(depth=3, freeze=freeze, drop_path_rate=0.5, knowledge_token=token)
    model.eval()
    model.train()
    for name, parameter in model.named_parameters():
        frozen = token['frozen'] if name == 'knowledge_token.tokens' else any(part in name for part in FROZEN[freeze])
        assert parameter.requires_grad is not frozen, name
    for name, module in model.named_modules():
        if any(part in name + '.' for part in FROZEN[freeze]):
            assert not module.training, name
    assert model.layers[2].drop_path.training is (
        freeze not in (3, 'all_but_token')
    )  # parts that are not frozen are in training mode


def test_layer_ids():
    model = build(depth=3, experts=EXPERTS, knowledge_token=dict(width=20, pos_embed=True))
    ids = {name: model.layer_id(name) for name, _ in model.named_parameters()}
    # new parameters have the learning rate of the head, a teacher's tokens that of the patch embedding
    outside = {name: number for name, number in ids.items() if not name.startswith('layers.')}
    assert {name for name, number in outside.items() if number == 0} == {
        'patch_embed.proj.weight',
        'patch_embed.proj.bias',
        'pos_embed',
        'knowledge_token.tokens',
    }
    assert set(outside.values()) == {0, 4}
    assert ids['layers.0.norm1.weight'] == 1 and ids['layers.2.mlp.experts.weight'] == ids['layers.2.mlp.fc2.bias'] == 3


WINDOW = dict(window_size=(8, 8))


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(img_size=(250, 192)), r'\(250, 192\): 250 is not a positive multiple of the stride 16.*240 or 256'),
        (dict(img_size=(0, 192)), 'not a positive multiple'),
        (dict(init_blocks='last'), "init_blocks='last': expected None or 'first'"),
        (dict(patch_size=14, stride=8, img_size=(56, 42)), 'stride=8 with patch_size=14: expected 14'),
        (dict(patch_size=14), r'\(64, 48\): 64 is not a positive multiple of the stride 14.*56 or 70'),
        (dict(dim=50), 'num_heads=4 does not divide embed_dim=50'),
        (dict(arch='giant'), "arch='giant': expected one of deit-tiny, small, base, large, huge or a dict of depth"),
        (
            dict(arch=dict(depth=2)),
            r"missing keys \['embed_dim', 'num_heads'\]; .*num_heads and mlp_ratio \(optional\)",
        ),
        (dict(arch=dict(depth=2, embed_dim=48, num_heads=4, width=3)), r"unknown keys \['width'\], missing keys \[\]"),
        (dict(depth=0), 'depth=0 must be > 0'),
        (dict(drop_path_rate=1.0), 'drop_path_rate=1.0: expected a rate >= 0 and < 1'),
        (dict(freeze='all'), "freeze='all'.*attention"),
        (dict(freeze=5), 'freeze=5.*to 4'),
        (dict(freeze=True), 'freeze=True'),
        (dict(arch=12), 'arch=12: expected one of deit-tiny'),
        (dict(img_size=256), r'img_size=256: expected \(h, w\)'),
        (dict(pretrain_img_size=224), r'pretrain_img_size=224: expected \(h, w\)'),
        (dict(attention='window'), "attention='window'.*'full' \\(no windows\\) or a dict of window_size"),
        (dict(attention=dict(window_size=(0, 8))), r'window_size=\(0, 8\).*integers >= 1'),
        (dict(attention=dict(window_size=(8, 8, 8))), r'expected \(h, w\)'),
        (dict(attention=dict(window_size=8)), r'window_size=8, expected \(h, w\)'),
        (dict(attention=dict(WINDOW, pooled=True)), r"unknown keys \['pooled'\]"),
        (dict(attention=dict(WINDOW, rel_pos='swin')), "rel_pos='swin', expected None or 'decomposed'"),
        (dict(attention=dict(rel_pos='decomposed')), r"missing keys \['window_size'\]; expected 'full'"),
        (dict(attention=dict(WINDOW, full_every_quarter=True), depth=3), 'depth >= 4, this model has 3'),
        (dict(knowledge_token=[1]), r'knowledge_token=\[1\]: expected None or a dict of count'),
        (dict(knowledge_token=dict(count=0)), 'count=0, expected an integer >= 1'),
        (dict(knowledge_token=dict(width=2.5)), 'width=2.5, expected an integer >= 1'),
        (dict(knowledge_token=dict(size=3)), r"unknown keys \['size'\], .* None or a dict of count \(optional\), w"),
        (dict(freeze='all_but_token'), 'leaves nothing to train: add knowledge_token=dict'),
        (dict(knowledge_token=dict(frozen=True), freeze='all_but_token'), 'leaves nothing to train'),
        (dict(experts=NAMES), r"experts=\['coco', 'aic'\]: expected None or a dict of names, expert_dim and new_from"),
        (dict(experts=dict(EXPERTS, names=['coco'] * 2)), r"names=\['coco', 'coco'\], expected .* each once"),
        (dict(experts=dict(EXPERTS, names=[])), r'names=\[\], expected at least one dataset'),
        (dict(experts=dict(expert_dim=16)), r"missing keys \['names'\]; expected None or a dict of names, expert_dim"),
        (dict(experts=dict(names=NAMES, part=16)), r"unknown keys \['part'\], missing keys \['expert_dim'\]"),
        (dict(experts=dict(EXPERTS, new_from=1)), 'new_from=1, expected the name of one of the checkpoint.s datasets'),
        (dict(experts=dict(EXPERTS, expert_dim=48)), 'expert_dim=48 must be > 0 and < the width 48'),
    ],
)
def test_bad_arguments(changes, message):
    with pytest.raises(ValueError, match=message):
        build(**changes)


def test_a_transposed_img_size_is_warned_about_once(logged):
    model = build(img_size=(48, 64)).eval()
    for _ in range(2):
        model(torch.randn(1, 3, 64, 48))
    assert logged().count('(64, 48), but img_size=(48, 64)') == 1
