"""ViT with one expert per dataset."""

import pytest
import torch
from mmengine.utils import digit_version
from mmpose.registry import MODELS
from torch._dynamo.testing import CompileCounterWithBackend

import vitpose_mm  # noqa: F401

NAMES = ['coco', 'aic', 'mpii']


def build(**changes):
    torch.manual_seed(0)
    return MODELS.build(
        {
            **dict(
                type='ViT',
                arch=dict(depth=4, embed_dim=48, num_heads=4),
                img_size=(64, 48),
                experts=dict(names=NAMES, expert_dim=16),
            ),
            **changes,
        }
    )


@pytest.mark.parametrize('attention', ['full', dict(window_size=(2, 2), shift=True, pool=True)])
def test_a_mixed_batch_equals_single_images(attention):
    model = build(attention=attention).eval()
    image, names = torch.randn(4, 3, 64, 48), ['mpii', 'coco', 'mpii', 'aic']
    (mixed,) = model(image, names)
    alone = torch.cat([model(image[i : i + 1], names[i : i + 1])[0] for i in range(4)])
    torch.testing.assert_close(mixed, alone, rtol=0, atol=1e-5)
    (other,) = model(image, ['coco', 'coco', 'mpii', 'aic'])
    assert (other[0] - mixed[0]).abs().max() > 1e-3
    torch.testing.assert_close(other[1:], mixed[1:], rtol=0, atol=1e-5)


def test_activation_checkpointing_gives_the_same_gradients():
    grads = []
    for model in (build(), build(with_cp=True)):
        torch.manual_seed(1)
        model(torch.randn(3, 3, 64, 48), NAMES)[0].square().sum().backward()
        grads.append([p.grad for p in model.parameters()])
    for plain, checkpointed in zip(*grads, strict=True):
        torch.testing.assert_close(plain, checkpointed)


def test_every_parameter_gets_a_gradient_from_a_batch_of_one_dataset():
    model = build()
    model(torch.randn(2, 3, 64, 48), ['aic', 'aic'])[0].square().sum().backward()
    assert all(p.grad is not None for p in model.parameters())
    assert model.layers[0].mlp.experts.weight.grad.flatten(1).abs().sum(1).gt(0).tolist() == [False, True, False]


def test_experts_have_the_layer_id_of_their_block():
    assert build().layer_id('layers.2.mlp.experts.weight') == 3


@pytest.mark.skipif(digit_version(torch.__version__) < digit_version('2.4'), reason='torch 2.1 cannot trace experts')
@pytest.mark.parametrize('training', [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    'attention', ['full', pytest.param(dict(window_size=(2, 2), shift=True, pool=True), marks=pytest.mark.slow)]
)
@pytest.mark.parametrize('by_name', [False, pytest.param(True, marks=pytest.mark.slow)])
def test_all_mixes_of_datasets_use_one_compiled_graph(fresh_compiler, training, attention, by_name):
    model, image = build(attention=attention).train(training), torch.randn(3, 3, 64, 48)
    counter = CompileCounterWithBackend('aot_eager')
    # looking up names breaks the graph; passing indices from route() does not
    compiled = torch.compile(model, fullgraph=not by_name, backend=counter)
    graphs = []
    for names in (NAMES, ['mpii', 'mpii', 'coco'], ['aic', 'coco', 'coco']):
        (found,) = compiled(image, names if by_name else model.route(names))
        torch.testing.assert_close(found, model(image, names)[0], rtol=0, atol=1e-5)
        graphs.append(counter.frame_count)
    assert graphs[0] == graphs[-1] > 0, 'another mix of datasets triggered a recompilation'


def test_route_gives_the_expert_indices_of_dataset_names():
    model, image = build().eval(), torch.randn(3, 3, 64, 48)
    assert model.route(['aic', 'aic']) == 1
    names = ['mpii', 'coco', 'aic']
    assert model.route(names).tolist() == [2, 0, 1]
    assert torch.equal(model(image, model.route(names))[0], model(image, names)[0])
    assert torch.equal(model(image, model.route(['aic'] * 3))[0], model(image, ['aic'] * 3)[0])


def test_a_model_without_experts_has_no_expert_keys():
    assert not any('experts' in key for key in build(experts=None).state_dict())


@pytest.mark.parametrize('names', [None, ['coco']])
def test_one_dataset_name_per_image_is_required(names):
    with pytest.raises(ValueError, match='needs the dataset of each image, one of coco, aic, mpii'):
        build()(torch.randn(2, 3, 64, 48), names)


def test_an_unknown_dataset_is_an_error():
    with pytest.raises(KeyError, match="no expert for dataset 'jhmdb': this ViT has coco, aic, mpii"):
        build()(torch.randn(2, 3, 64, 48), ['coco', 'jhmdb'])


@pytest.mark.parametrize(
    ('experts', 'message'),
    [
        (dict(names=['coco', 'coco'], expert_dim=16), r"names=\['coco', 'coco'\], expected .* each once"),
        (dict(names=[], expert_dim=16), r'names=\[\], expected at least one dataset'),
        (dict(expert_dim=16), r"missing keys \['names'\]; expected None or a dict of names, expert_dim"),
        (dict(names=NAMES), r"missing keys \['expert_dim'\]"),
        (dict(names=NAMES, expert_dim=16, size=3), r"unknown keys \['size'\]"),
        (dict(names=NAMES, part=16), r"unknown keys \['part'\], missing keys \['expert_dim'\]"),
        (
            dict(names=NAMES, expert_dim=16, new_from=1),
            'new_from=1, expected the name of one of the checkpoint.s datasets',
        ),
        (NAMES, 'expected None or a dict of names, expert_dim and new_from'),
        (dict(names=NAMES, expert_dim=48), 'expert_dim=48 must be > 0 and < the width 48'),
    ],
)
def test_bad_experts(experts, message):
    with pytest.raises(ValueError, match=message):
        build(experts=experts)


@pytest.mark.parametrize(('more', 'start'), [({}, 0), (dict(new_from='mpii'), 2)])
def test_a_dataset_is_added_to_a_checkpoint(more, start, logged):
    source, names = build(), ['hand21', *NAMES]
    model = build(experts=dict(names=names, expert_dim=16, **more))
    with torch.no_grad():
        for value in source.parameters():
            value += torch.rand_like(value)
    model.load_state_dict(source.state_dict())
    image = torch.randn(1, 3, 64, 48)
    for name in NAMES:
        assert torch.equal(model.eval()(image, [name])[0], source.eval()(image, [name])[0])
    assert torch.equal(model(image, ['hand21'])[0], source(image, [NAMES[start]])[0])
    assert logged().count(f'experts: hand21 start as that of {NAMES[start]}; coco, aic, mpii keep theirs') == 1
    again = build(experts=dict(names=names, expert_dim=16, new_from='gone'))  # resuming needs no start
    again.load_state_dict(model.state_dict())
