"""ViT with knowledge tokens: gradients, compilation, export, freezing, token files."""

import numpy as np
import pytest
import torch
from mmengine.utils import digit_version
from mmpose.registry import MODELS

import vitpose_mm  # noqa: F401
from vitpose_mm.backbones.token_file import write_token_file
from vitpose_mm.checkpoints.validation import load_strictly

CAN_EXPORT = pytest.mark.skipif(
    digit_version(torch.__version__) < digit_version('2.4'), reason='tracing and export need torch 2.4 or newer'
)
WINDOWS = dict(window_size=(4, 3), shift=True, pool=True, rel_pos='decomposed')
LAYOUTS = {
    'full': 'full',
    'windows': dict(window_size=(4, 3)),
    'shift, pool, rel_pos': WINDOWS,
    'one window': dict(window_size=(64, 64), pool=True),
    'mixed': dict(WINDOWS, full_every_quarter=True),
}
layouts = pytest.mark.parametrize('attention', LAYOUTS.values(), ids=LAYOUTS)
EXPERTS = dict(names=['coco', 'aic'], expert_dim=16)
TOKEN = dict(count=2, width=20)


def build(attention='full', token=TOKEN, **changes):
    torch.manual_seed(0)
    changes = {'img_size': (72, 56), 'knowledge_token': None if token is False else token, **changes}
    model = MODELS.build(
        dict(type='ViT', arch=dict(depth=4, embed_dim=48, num_heads=4), stride=8, attention=attention, **changes)
    )
    for name, parameter in model.named_parameters():
        if 'rel_pos' in name or 'knowledge_token' in name:
            torch.nn.init.normal_(parameter, std=0.5)
    return model


def images(batch=2, size=(72, 56)):
    return torch.randn(batch, 3, *size, generator=torch.Generator().manual_seed(7))


@layouts
def test_every_parameter_gets_a_gradient(attention):
    model = build(attention, dict(width=20, pos_embed=True))
    (feature,) = model(images())
    assert feature.shape == (2, 48, 9, 7)
    feature.square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad.isfinite().all() and parameter.grad.abs().sum() > 0, name


@layouts
def test_a_token_changes_every_cell_of_the_output(attention):
    model = build(attention).eval()
    (before,) = model(images())
    with torch.no_grad():
        model.knowledge_token.tokens[:, 1] += 1
    assert (model(images())[0] - before).abs().amax(1).min() > 1e-4


def test_each_block_updates_the_tokens():
    """Each block applies its attention and FFN to the tokens too, with the same weights."""
    model = build(WINDOWS).eval()
    streams = model.patch_embed(images()), model.knowledge_token(2)
    for block in model.layers:
        grid, token = streams
        streams = block(streams)
        attended = token + block.attn(block.norm1(grid), block.norm1(token))[1]
        expected = attended + block.mlp(block.norm2(attended))
        torch.testing.assert_close(streams[1], expected)


def test_a_token_adds_one_key_and_changes_no_other_weights():
    plain, other = build(token=False), build(token=dict())
    assert not any('token' in key for key in plain.state_dict())
    assert set(other.state_dict()) - set(plain.state_dict()) == {'knowledge_token.tokens'}
    for key, value in plain.state_dict().items():
        assert torch.equal(value, other.state_dict()[key])


@layouts
def test_activation_checkpointing_gives_the_same_gradients(attention):
    gradients = []
    for with_cp in (False, True):
        model = build(attention, with_cp=with_cp, drop_path_rate=0.3)
        torch.manual_seed(1)
        model(images())[0].square().sum().backward()
        gradients.append([p.grad for p in model.parameters()])
    for plain, checkpointed in zip(*gradients, strict=True):
        torch.testing.assert_close(plain, checkpointed)


def test_a_mixed_batch_with_experts_equals_single_images():
    model, names = build(WINDOWS, experts=EXPERTS).eval(), ['coco', 'aic', 'coco']
    (mixed,) = model(images(3), names)
    alone = torch.cat([model(images(3)[i : i + 1], names[i : i + 1])[0] for i in range(3)])
    torch.testing.assert_close(mixed, alone, rtol=0, atol=1e-5)
    model(images(), ['aic', 'coco'])[0].square().sum().backward()
    assert all(p.grad is not None for p in model.parameters())


@pytest.mark.slow
@CAN_EXPORT
@pytest.mark.parametrize('training', [False, True])
@pytest.mark.parametrize('experts', [None, EXPERTS])
@pytest.mark.parametrize('attention', ['full', WINDOWS], ids=['full', 'windows'])
def test_compiles_without_a_graph_break(fresh_compiler, attention, training, experts):
    model = build(attention, experts=experts).train(training)
    route = (model.route(['coco', 'aic']),) if experts else ()
    compiled = torch.compile(model.forward, fullgraph=True, backend='eager')
    torch.testing.assert_close(compiled(images(), *route)[0], model(images(), *route)[0])


@pytest.mark.slow
@CAN_EXPORT
@pytest.mark.parametrize('attention', ['full', LAYOUTS['mixed']], ids=['full', 'mixed'])
def test_exports_with_a_dynamic_batch(attention):
    model = build(attention, img_size=(104, 56)).eval()
    batch = torch.export.Dim('batch', min=1, max=64)
    program = torch.export.export(model, (images(2, (104, 56)),), dynamic_shapes=({0: batch},), strict=False)
    image = images(5, (104, 56))
    torch.testing.assert_close(program.module()(image)[0], model(image)[0])


def test_layer_id_and_freezing():
    model = build(token=dict(width=20, frozen=True, pos_embed=True), freeze=2)
    ids = {name: model.layer_id(f'knowledge_token.{name}') for name, _ in model.knowledge_token.named_parameters()}
    # new parameters have the learning rate of the head, a teacher's tokens that of the patch embedding
    assert ids == {
        'tokens': 0,
        'proj.weight': model.depth + 1,
        'proj.bias': model.depth + 1,
        'pos_embed': model.depth + 1,
    }
    model(images())[0].square().sum().backward()
    assert model.knowledge_token.tokens.grad is None and model.knowledge_token.proj.weight.grad.abs().sum() > 0


def test_all_but_token_trains_only_the_token():
    model = build(WINDOWS, dict(), freeze='all_but_token', drop_path_rate=0.9, with_cp=True)
    model.eval()
    model.train()
    assert [name for name, p in model.named_parameters() if p.requires_grad] == ['knowledge_token.tokens']
    (first,) = model(images())
    assert torch.equal(first, model(images())[0])  # no drop path
    first.square().sum().backward()
    assert [name for name, p in model.named_parameters() if p.grad is not None] == ['knowledge_token.tokens']


def test_init_file_is_read_only_when_training_starts(tmp_path):
    file, tokens = tmp_path / 'token.npz', torch.randn(2, 20)
    write_token_file(file, tokens, dict(checkpoint='teacher.pth'))
    model = build(token=dict(count=2, width=20, frozen=True, init=str(file)))
    assert not torch.equal(model.knowledge_token.tokens[0], tokens)
    model.init_weights()
    assert torch.equal(model.knowledge_token.tokens[0], tokens)
    file.unlink()
    tested = build(token=dict(count=2, width=20, frozen=True, init=str(file))).eval()
    tested.load_state_dict(model.state_dict())
    assert torch.equal(tested(images())[0], model.eval()(images())[0])
    with pytest.raises(FileNotFoundError, match='token.npz.: no such file.*vitpose token extract'):
        tested.init_weights()


@pytest.mark.parametrize(('width', 'count'), [(48, 2), (30, 2), (20, 1)])
def test_a_token_of_the_wrong_shape_is_refused(tmp_path, width, count):
    file = tmp_path / 'token.npz'
    write_token_file(file, torch.randn(2, 20), {})
    with pytest.raises(
        ValueError, match=rf'2 tokens of width 20, this ViT knowledge_token=dict\(count={count}, width={width}\)'
    ):
        build(token=dict(count=count, width=width, init=file)).init_weights()


def write_checkpoint(path):
    torch.save(dict(state_dict={}), path)


def write_text(path):
    path.write_text('no archive')


def write_archive(path):
    with path.open('wb') as file:
        np.savez(file, tokens=np.zeros((1, 48), np.float32), origin='{"kind": "masks"}')


def write_pickle(path):
    with path.open('wb') as file:
        np.savez(file, tokens=np.array([object()]), origin='{}')


@pytest.mark.parametrize('write', [write_checkpoint, write_text, write_archive, write_pickle])
def test_a_file_of_another_format_is_refused(tmp_path, write):
    write(tmp_path / 'token.npz')
    with pytest.raises(ValueError, match='is not a knowledge token file.*vitpose token extract'):
        build(token=dict(init=tmp_path / 'token.npz')).init_weights()


def test_a_vit_without_token_refuses_a_checkpoint_with_one():
    with pytest.raises(ValueError, match=r'has a knowledge token, this ViT none.*count=2, width=20, frozen=True'):
        load_strictly(build(token=False), build().state_dict())


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(token=dict(count=0)), 'count=0, expected an integer >= 1'),
        (dict(token=dict(width=2.5)), 'width=2.5, expected an integer >= 1'),
        (dict(token=dict(size=3)), r"unknown keys \['size'\], .* None or a dict of count \(optional\), width"),
        (dict(token=False, freeze='all_but_token'), 'leaves nothing to train: add knowledge_token=dict'),
        (dict(token=dict(frozen=True), freeze='all_but_token'), 'leaves nothing to train'),
    ],
)
def test_bad_arguments(changes, message):
    with pytest.raises(ValueError, match=message):
        build(**changes)
