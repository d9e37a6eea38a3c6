"""ViT with one expert per dataset."""

import pytest
import torch
from torch._dynamo.testing import CompileCounterWithBackend

from tests.unit.backbones import small_vit
from tests.unit.backbones.small_vit import NEEDS_TRACING

NAMES = ['coco', 'aic', 'mpii']
WINDOWS = dict(window_size=(2, 2), shift=True, pool=True)


def build(names=NAMES, new_from=None, **changes):
    return small_vit.build(experts=dict(names=names, expert_dim=16, new_from=new_from), **changes)


@pytest.mark.parametrize(
    'changes', [dict(), dict(attention=WINDOWS), dict(attention=WINDOWS, knowledge_token=dict(count=2))], ids=str
)
def test_a_mixed_batch_equals_single_images(changes):
    model = build(**changes).eval()
    image, names = torch.randn(4, 3, 64, 48), ['mpii', 'coco', 'mpii', 'aic']
    (mixed,) = model(image, names)
    alone = torch.cat([model(image[i : i + 1], names[i : i + 1])[0] for i in range(4)])
    torch.testing.assert_close(mixed, alone, rtol=0, atol=1e-5)
    (other,) = model(image, ['coco', 'coco', 'mpii', 'aic'])
    assert (other[0] - mixed[0]).abs().max() > 1e-3
    torch.testing.assert_close(other[1:], mixed[1:], rtol=0, atol=1e-5)


@NEEDS_TRACING
@pytest.mark.parametrize(
    ('training', 'attention', 'by_name'),
    [
        (False, 'full', False),
        pytest.param(True, WINDOWS, False, marks=pytest.mark.slow),
        pytest.param(False, WINDOWS, True, marks=pytest.mark.slow),
        pytest.param(True, 'full', True, marks=pytest.mark.slow),
    ],
)
def test_all_mixes_of_datasets_use_one_compiled_graph(training, attention, by_name):
    model, image = build(depth=2, attention=attention).train(training), torch.randn(3, 3, 64, 48)
    torch.compiler.reset()  # it compiles at most eight variants of a function, including those of earlier tests
    # by name, the parts of the graph are those of the other cases: tracing them is enough
    counter = CompileCounterWithBackend('eager' if by_name else 'aot_eager')
    # looking up names breaks the graph; passing indices from route() does not
    compiled = torch.compile(model, fullgraph=not by_name, backend=counter)
    graphs = []
    for names in (NAMES, ['mpii', 'mpii', 'coco'], ['aic', 'coco', 'coco']):
        (feature,) = compiled(image, names if by_name else model.route(names))
        torch.testing.assert_close(feature, model(image, names)[0], rtol=0, atol=1e-5)
        graphs.append(counter.frame_count)
    assert graphs[0] == graphs[-1] > 0, 'another mix of datasets triggered a recompilation'


def test_route_gives_the_expert_indices_of_dataset_names():
    model, image = build().eval(), torch.randn(3, 3, 64, 48)
    assert model.route(['aic', 'aic']) == 1
    names = ['mpii', 'coco', 'aic']
    assert model.route(names).tolist() == [2, 0, 1]
    assert torch.equal(model(image, model.route(names))[0], model(image, names)[0])
    assert torch.equal(model(image, model.route(['aic'] * 3))[0], model(image, ['aic'] * 3)[0])


@pytest.mark.parametrize(
    ('names', 'error', 'message'),
    [
        (None, ValueError, 'needs the dataset of each image, one of coco, aic, mpii'),
        (['coco'], ValueError, 'needs the dataset of each image, one of coco, aic, mpii'),
        (['coco', 'jhmdb'], KeyError, "no expert for dataset 'jhmdb': this ViT has coco, aic, mpii"),
    ],
)
def test_one_known_dataset_per_image_is_required(names, error, message):
    with pytest.raises(error, match=message):
        build()(torch.randn(2, 3, 64, 48), names)


@pytest.mark.parametrize(('new_from', 'start'), [(None, 0), ('mpii', 2)])
def test_a_dataset_is_added_to_a_checkpoint(new_from, start, logged):
    source, model = build(), build(['hand21', *NAMES], new_from)
    with torch.no_grad():
        for value in source.parameters():
            value += torch.rand_like(value)
    model.load_state_dict(source.state_dict())
    image = torch.randn(1, 3, 64, 48)
    for name in NAMES:
        assert torch.equal(model.eval()(image, [name])[0], source.eval()(image, [name])[0])
    assert torch.equal(model(image, ['hand21'])[0], source(image, [NAMES[start]])[0])
    assert logged().count(f'experts: hand21 start as that of {NAMES[start]}; coco, aic, mpii keep theirs') == 1
    build(['hand21', *NAMES], new_from='gone').load_state_dict(model.state_dict())  # resuming needs no start
