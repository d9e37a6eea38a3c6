"""Checkpoints of other origins load without a conversion step."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.checkpoints.tiny_vits import build_vit, is_same, timm_names
from vitpose_mm.checkpoints import key_maps as maps
from vitpose_mm.checkpoints.key_maps import bare_key, pop_prefix, rename, rename_back
from vitpose_mm.checkpoints.validation import load_strictly


def test_a_square_mae_checkpoint_loads_into_a_rectangular_model():
    source, target = build_vit(img_size=(64, 64)), build_vit(pretrain_img_size=(64, 64))
    weights = timm_names(source.state_dict())
    slot = torch.randn(1, 1, 24)
    weights['pos_embed'] = torch.cat([slot, weights['pos_embed'] - slot], dim=1)
    for key in ('mask_token', 'decoder_pos_embed', 'decoder_blocks.0.norm1.weight'):
        weights[key] = torch.zeros(8)
    target.load_state_dict(weights, strict=True)
    # the oracle: resize the square table to the rectangular grid
    table = F.interpolate(source.pos_embed.view(1, 4, 4, 24).permute(0, 3, 1, 2), size=(4, 3), mode='bicubic')
    torch.testing.assert_close(target.pos_embed, table.flatten(2).transpose(1, 2), rtol=1e-4, atol=1e-5)


def test_unknown_keys_are_an_error_where_a_run_starts():
    weights = timm_names(build_vit().state_dict(), 'last_norm') | {'blorp.weight': torch.zeros(1)}
    with pytest.raises(ValueError, match='1 unknown keys: blorp.weight; remove'):
        load_strictly(build_vit(), weights)
    assert build_vit().load_state_dict(weights, strict=False).unexpected_keys == ['blorp.weight']


# tests/parity compares the names with the libraries themselves
TABLES = (maps.AUTHORS, maps.TIMM, maps.MMPRETRAIN, maps.TRANSFORMERS, maps.MAE, maps.MAE_TRANSFORMERS)


@given(st.sampled_from(TABLES), st.data())
def test_any_weights_survive_renaming_there_and_back(table, data):
    """Of any blocks, in any order; parts of one weight (query, key, value) come together in the table's order."""
    names = data.draw(st.lists(st.sampled_from([ours for _, ours in table if ours]), unique=True))
    blocks = data.draw(st.lists(st.integers(0, 40), min_size=1, max_size=3, unique=True))
    keys = {name.replace('{n}', str(n)) + end for name in names for n in blocks for end in ('.weight', '.bias')}
    order = data.draw(st.permutations(sorted(keys)))
    weights = {key: torch.arange(6.0) + number for number, key in enumerate(order)}
    theirs = rename_back(weights, table)
    shuffled = data.draw(st.permutations(sorted(theirs.items(), key=lambda item: item[0])))
    assert is_same(rename(dict(shuffled), table)[0], weights)


def test_experts_are_stacked_in_the_order_of_their_numbers():
    theirs = {f'blocks.1.mlp.experts.{number}.bias': torch.tensor([number]) for number in (2, 10, 0, 1, *range(3, 10))}
    renamed, problems = rename(theirs, maps.AUTHORS)
    assert renamed['layers.1.mlp.experts.bias'][:, 0].tolist() == list(range(11)) and not problems
    back = rename_back(renamed, maps.TRANSFORMERS)
    assert list(back) == [f'encoder.layer.1.mlp.experts.{number}.bias' for number in range(11)]
    del theirs['blocks.1.mlp.experts.4.bias']
    message = 'layers.1.mlp.experts.bias: experts 0, 1, 2, 3, 5, 6, 7, 8, 9, 10; expected 0 to 9'
    assert rename(theirs, maps.AUTHORS)[1] == [message]


@given(st.sampled_from([*TABLES, maps.VITMAE]), st.data())
def test_no_table_drops_or_guesses_a_key(table, data):
    """A listed key has one new name or None; any other key is named in the error."""
    rows = [tuple(name and name.replace('{n}', '7').replace('{e}', '0') for name in row) for row in table]
    key = data.draw(st.sampled_from(rows))[0] + data.draw(st.sampled_from(['', '.weight', '.x.bias']))
    theirs, ours = next(row for row in rows if f'{key}.'.startswith(f'{row[0]}.'))  # the first that fits counts
    value = torch.rand(2)
    renamed, problems = rename({key: value}, table)
    assert list(renamed) == ([] if ours is None else [ours + key.removeprefix(theirs)]) and not problems
    assert all(torch.equal(weight.view(2), value) for weight in renamed.values())  # one expert is a stack
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
