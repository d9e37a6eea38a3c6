"""Checkpoints of other origins load without a conversion step."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mmpose.registry import MODELS

import vitpose_mm  # noqa: F401
from vitpose_mm.checkpoints.key_maps import (
    AUTHORS,
    AUTOENCODER,
    MAE,
    MAE_TRANSFORMERS,
    MMPRETRAIN,
    TIMM,
    TRANSFORMERS,
    TRANSFORMERS_HEAD,
    VITMAE,
    bare_key,
    pop_prefix,
    rename,
    rename_back,
)
from vitpose_mm.checkpoints.origins import rename_vit
from vitpose_mm.checkpoints.validation import load_strictly

ARCH = dict(depth=2, embed_dim=24, num_heads=2)


def build(img_size=(64, 48), **changes):
    return MODELS.build(dict(type='ViT', arch=ARCH, img_size=img_size, **changes))


def authors_names(weights, norm='last_norm'):
    """Our weights under the authors' keys, with a non-zero class-token slot in the position table."""
    renamed = {key.replace('layers.', 'blocks.').replace('last_norm', norm): value for key, value in weights.items()}
    slot = torch.randn(1, 1, 24)
    renamed['pos_embed'] = torch.cat([slot, weights['pos_embed'] - slot], dim=1)
    return renamed


def test_authors_checkpoint_loads_strictly_and_its_extra_slot_is_folded():
    source, target = build(), build()
    target.load_state_dict(authors_names(source.state_dict()), strict=True)
    for key, value in source.state_dict().items():
        torch.testing.assert_close(target.state_dict()[key], value)


def test_a_square_mae_checkpoint_loads_into_a_rectangular_model():
    source, target = build((64, 64)), build((64, 48), pretrain_img_size=(64, 64))
    weights = authors_names(source.state_dict(), norm='norm')
    weights |= {
        'mask_token': torch.zeros(1, 1, 8),
        'decoder_pos_embed': torch.zeros(1, 17, 8),
        'decoder_blocks.0.norm1.weight': torch.zeros(8),
    }
    target.load_state_dict(weights, strict=True)
    # the oracle: resize the square table to the rectangular grid
    table = torch.nn.functional.interpolate(
        source.pos_embed.view(1, 4, 4, 24).permute(0, 3, 1, 2), size=(4, 3), mode='bicubic'
    )
    torch.testing.assert_close(target.pos_embed, table.flatten(2).transpose(1, 2), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('wrapper', ['model', 'state_dict', None])
def test_pretrained_loads_wrapped_and_bare_state_dicts(wrapper, tmp_path):
    weights = authors_names(build().state_dict(), norm='norm') | {'mask_token': torch.zeros(1, 1, 8)}
    file = tmp_path / 'mae_pretrain.pth'
    torch.save({wrapper: weights, 'epoch': 1599} if wrapper else weights, file)
    target = build(init_cfg=dict(type='Pretrained', checkpoint=str(file)))
    target.init_weights()
    for key in ('patch_embed.proj.weight', 'layers.1.mlp.fc2.bias', 'pos_embed'):
        expected = weights[key.replace('layers', 'blocks')]
        expected = expected[:, 1:] + expected[:, :1] if key == 'pos_embed' else expected
        torch.testing.assert_close(target.state_dict()[key], expected, msg=key)


def test_unknown_keys_are_an_error_where_a_run_starts():
    weights = authors_names(build().state_dict()) | {'blorp.weight': torch.zeros(1)}
    with pytest.raises(ValueError, match='1 unknown keys: blorp.weight; remove'):
        load_strictly(build(), weights)
    assert build().load_state_dict(weights, strict=False).unexpected_keys == ['blorp.weight']


def test_the_position_table_of_another_image_size_is_resized():
    """The state dict records its grid, so any size will do."""
    small, large = build((80, 48)), build((128, 96))
    large.load_state_dict(small.state_dict(), strict=True)
    assert large.pos_embed.shape == (1, 48, 24)


def test_prefix_is_respected():
    class Wrapper(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.student = build()
            self.other = torch.nn.Linear(2, 2)

    source, target = build(), Wrapper()
    weights = {'student.' + key: value for key, value in authors_names(source.state_dict()).items()}
    weights |= {'other.' + key: value for key, value in target.other.state_dict().items()}
    target.load_state_dict(weights, strict=True)
    torch.testing.assert_close(target.student.pos_embed, source.pos_embed)


VIT = tuple((theirs.removeprefix('vit.'), ours) for theirs, ours in VITMAE)


@pytest.mark.parametrize(
    ('table', 'ffn'), [(VIT, 'intermediate.dense'), (TRANSFORMERS, 'mlp.fc1')], ids=['ViTMAE', 'VitPose']
)
def test_transformers_names_of_both_its_vits_and_back(table, ffn):
    weights = build().state_dict()
    theirs = rename_back(weights, table)
    assert f'encoder.layer.1.{ffn}.weight' in theirs
    for found in (rename(theirs, table)[0], rename_vit(theirs)[0]):
        assert found.keys() == weights.keys()
        assert all(torch.equal(found[key], value) for key, value in weights.items())


def test_decoder_with_its_counters_to_transformers_and_back():
    head = MODELS.build(dict(type='ClassicHead', in_channels=24, out_channels=3, deconv_channels=8)).state_dict()
    theirs = rename_back(head, TRANSFORMERS_HEAD)
    assert theirs['batchnorm1.num_batches_tracked'].ndim == 0
    assert all(torch.equal(value, head[key]) for key, value in rename(theirs, TRANSFORMERS_HEAD)[0].items())


# as the other libraries write them; tests/parity compares with the libraries themselves
WRITTEN = {
    'decoder of transformers': (
        TRANSFORMERS_HEAD,
        'deconv1.weight batchnorm1.running_mean deconv2.weight batchnorm2.bias conv.bias',
        'deconv_layers.0.weight deconv_layers.1.running_mean deconv_layers.3.weight deconv_layers.4.bias '
        'final_layer.bias',
    ),
    'DINOv2 of transformers': (
        TRANSFORMERS,
        'embeddings.cls_token embeddings.register_tokens encoder.layer.7.norm1.bias encoder.layer.7.norm2.bias '
        'encoder.layer.7.mlp.fc2.bias encoder.layer.7.layer_scale2.lambda1 '
        'encoder.layer.7.attention.output.dense.bias layernorm.weight',
        'cls_token register_tokens layers.7.norm1.bias layers.7.norm2.bias layers.7.mlp.fc2.bias layers.7.mlp.scale '
        'layers.7.attn.proj.bias last_norm.weight',
    ),
    'mmpretrain': (
        MMPRETRAIN,
        'patch_embed.projection.bias layers.7.ln1.bias layers.7.ln2.bias layers.7.ffn.layers.0.0.bias '
        'layers.7.ffn.layers.1.bias ln1.bias',
        'patch_embed.proj.bias layers.7.norm1.bias layers.7.norm2.bias layers.7.mlp.fc1.bias layers.7.mlp.fc2.bias '
        'last_norm.bias',
    ),
    'timm': (TIMM, 'blocks.7.ls1.gamma reg_token norm.bias', 'layers.7.attn.scale register_tokens last_norm.bias'),
    'MAE': (
        MAE,
        'patch_embed.proj.bias blocks.7.mlp.fc1.bias decoder_blocks.7.mlp.fc1.bias decoder_norm.bias '
        'decoder_pred.bias decoder_embed.bias',
        'backbone.patch_embed.proj.bias backbone.layers.7.mlp.fc1.bias decoder.layers.7.mlp.fc1.bias decoder.norm.bias '
        'decoder.pred.bias decoder.embed.bias',
    ),
    'ours inside our masked autoencoder': (
        AUTOENCODER,
        'backbone.pos_embed backbone.patch_embed.proj.bias backbone.layers.7.norm1.bias cls_token',
        'pos_embed patch_embed.proj.bias layers.7.norm1.bias cls_token',
    ),
}


@pytest.mark.parametrize('name', WRITTEN)
def test_names_of_other_libraries(name):
    table, theirs, ours = WRITTEN[name]
    assert list(rename({key: torch.zeros(1) for key in theirs.split()}, table)[0]) == ours.split()


TABLES = (AUTHORS, TIMM, MMPRETRAIN, TRANSFORMERS, MAE, MAE_TRANSFORMERS, VITMAE)


@given(st.sampled_from([AUTHORS, TIMM, MMPRETRAIN, TRANSFORMERS, MAE, MAE_TRANSFORMERS]), st.data())
def test_any_weights_survive_renaming_there_and_back(table, data):
    """Of any blocks, in any order; parts of one weight (query, key, value) come together in the table's order."""
    names = data.draw(st.lists(st.sampled_from([ours for _, ours in table if ours]), unique=True))
    blocks = data.draw(st.lists(st.integers(0, 40), min_size=1, max_size=3, unique=True))
    keys = {name.replace('{n}', str(n)) + end for name in names for n in blocks for end in ('.weight', '.bias')}
    order = data.draw(st.permutations(sorted(keys)))
    weights = {key: torch.arange(6.0) + number for number, key in enumerate(order)}
    theirs = rename_back(weights, table)
    back = rename(dict(data.draw(st.permutations(sorted(theirs.items(), key=lambda item: item[0])))), table)[0]
    assert back.keys() == weights.keys()
    assert all(torch.equal(back[key], weights[key]) for key in weights)


def test_experts_are_stacked_in_the_order_of_their_numbers():
    theirs = {f'blocks.1.mlp.experts.{number}.bias': torch.tensor([number]) for number in (2, 10, 0, 1, *range(3, 10))}
    found, problems = rename(theirs, AUTHORS)
    assert found['layers.1.mlp.experts.bias'][:, 0].tolist() == list(range(11)) and not problems
    assert rename_back(found, TRANSFORMERS).keys() == {f'encoder.layer.1.mlp.experts.{n}.bias' for n in range(11)}
    del theirs['blocks.1.mlp.experts.4.bias']
    assert rename(theirs, AUTHORS)[1] == [
        'layers.1.mlp.experts.bias: experts 0, 1, 2, 3, 5, 6, 7, 8, 9, 10; expected 0 to 9'
    ]


@given(st.sampled_from(TABLES), st.data())
def test_no_table_drops_or_guesses_a_key(table, data):
    """A listed key has one new name or None; any other key is named in the error."""
    rows = [tuple(name and name.replace('{n}', '7').replace('{e}', '0') for name in row) for row in table]
    key = data.draw(st.sampled_from(rows))[0] + data.draw(st.sampled_from(['', '.weight', '.x.bias']))
    theirs, ours = next(row for row in rows if f'{key}.'.startswith(f'{row[0]}.'))  # the first that fits counts
    value = torch.rand(2)
    renamed, problems = rename({key: value}, table)
    assert list(renamed) == ([] if ours is None else [ours + key.removeprefix(theirs)]) and not problems
    assert all(torch.equal(found.view(2), value) for found in renamed.values())  # one expert is a stack
    other = 'q' + key
    renamed, problems = rename({other: value}, table)
    assert renamed == {other: value} and f'1 unknown keys: {other};' in problems[0]


@given(st.lists(st.sampled_from(['a', 'one', 'a.one', 'ones.b', 'a.module', 'a.b.c']), unique=True), st.integers(0, 3))
def test_taking_a_module_takes_its_weights_alone(keys, wrappers):
    whole = {f'one.{key}': torch.tensor(1.0) for key in keys} | {key: torch.tensor(2.0) for key in keys}
    assert list(pop_prefix(whole, 'one.')) == keys
    assert list(whole) == keys
    for key in keys:
        assert bare_key('module.' * wrappers + '_orig_mod.' * wrappers + key) == key
