"""ViT with knowledge tokens: what blocks do with them, and the file that they start from."""

import pytest
import torch

from tests.unit.backbones.small_vit import build
from vitpose_mm.backbones.token_file import write_token_file


def test_each_block_updates_the_tokens():
    attention = dict(window_size=(4, 3), shift=True, pool=True, rel_pos='decomposed')
    model = build(knowledge_token=dict(count=2), attention=attention, stride=8, img_size=(72, 56)).eval()
    streams = model.patch_embed(torch.randn(2, 3, 72, 56)), model.knowledge_token(2)
    for block in model.layers:
        grid, token = streams
        streams = block(streams)
        attended = token + block.attn(block.norm1(grid), block.norm1(token))[1]
        expected = attended + block.mlp(block.norm2(attended))
        torch.testing.assert_close(streams[1], expected)


def test_a_token_adds_one_key_and_changes_no_other_weights():
    plain, other = build().state_dict(), build(knowledge_token=dict()).state_dict()
    assert not any('token' in key for key in plain) and set(other) - set(plain) == {'knowledge_token.tokens'}
    assert all(torch.equal(value, other[key]) for key, value in plain.items())


def test_init_file_is_read_only_when_training_starts(tmp_path):
    file, tokens, image = tmp_path / 'token.npz', torch.randn(2, 20), torch.randn(2, 3, 64, 48)
    write_token_file(file, tokens, dict(checkpoint='teacher.pth'))
    options = dict(count=2, width=20, frozen=True, init=str(file))
    model = build(knowledge_token=options)
    assert not torch.equal(model.knowledge_token.tokens[0], tokens)
    model.init_weights()
    assert torch.equal(model.knowledge_token.tokens[0], tokens)
    for count, width in ((2, 48), (2, 30), (1, 20)):
        ours = rf'this ViT knowledge_token=dict\(count={count}, width={width}\)'
        message = f'2 tokens of width 20, {ours}: set .*count=2, width=20, '
        with pytest.raises(ValueError, match=message):
            build(knowledge_token=dict(options, count=count, width=width)).init_weights()
    file.unlink()
    tested = build(knowledge_token=options).eval()
    tested.load_state_dict(model.state_dict())
    assert torch.equal(tested(image)[0], model.eval()(image)[0])
    with pytest.raises(FileNotFoundError, match='token.npz.: no such file.*vitpose token extract'):
        tested.init_weights()
