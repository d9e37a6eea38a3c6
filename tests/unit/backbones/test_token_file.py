"""Token files: written, read, refused; tests/unit/cli/test_token.py has the command."""

import hashlib
import json

import numpy as np
import pytest
import torch

from vitpose_mm.backbones.token_file import FILE_KIND, extract_tokens, read_token_file, write_token_file

KIND = json.dumps(dict(kind=FILE_KIND))
TOKENS = np.zeros((2, 4), np.float32)


def teacher(**more):
    weights = {f'backbone.layers.{n}.norm1.weight': torch.ones(6) for n in range(3)}
    weights |= {f'backbone.knowledge_token.{key}': value for key, value in more.items()}
    tokens = torch.arange(8.0).view(1, 2, 4)
    return weights | {'backbone.last_norm.weight': torch.ones(6), 'backbone.knowledge_token.tokens': tokens}


def test_written_tokens_come_back(tmp_path):
    tokens, origin = torch.randn(2, 4), dict(checkpoint='a.pth', count=2)
    write_token_file(tmp_path / 'token.npz', tokens.double(), origin)
    read, about = read_token_file(str(tmp_path / 'token.npz'))
    assert torch.equal(read, tokens) and read.dtype is torch.float32
    assert about == dict(origin, kind=FILE_KIND)
    assert [file.name for file in tmp_path.iterdir()] == ['token.npz']


@pytest.mark.parametrize(
    'content',
    [
        dict(tokens=TOKENS),
        dict(origin=KIND),
        dict(tokens=TOKENS, origin=json.dumps(dict(kind='other'))),
        dict(tokens=TOKENS[None], origin=KIND),
        dict(tokens=TOKENS.astype(np.float64), origin=KIND),
        dict(tokens=np.array([object()]), origin=KIND),
        dict(tokens=TOKENS, origin='no JSON'),
        dict(tokens=TOKENS, origin=json.dumps([FILE_KIND])),
        dict(tokens=TOKENS, origin=np.zeros(3)),
    ],
)
def test_other_archives_are_refused(tmp_path, content):
    np.savez(tmp_path / 'other.npz', **content)
    with pytest.raises(ValueError, match=r'other\.npz is not a knowledge token file \(.*\): expected a file that'):
        read_token_file(tmp_path / 'other.npz')


@pytest.mark.parametrize('content', [b'', b'text', b'PK\x03\x04 broken', 'a checkpoint'])
def test_other_files_are_refused(tmp_path, content):
    file = tmp_path / 'other.npz'
    torch.save(dict(state_dict={}), file) if content == 'a checkpoint' else file.write_bytes(content)
    with pytest.raises(ValueError, match='is not a knowledge token file.*vitpose token extract'):
        read_token_file(file)
    with pytest.raises(FileNotFoundError, match=r"init='\S*missing\.npz': no such file; expected a file that"):
        read_token_file(tmp_path / 'missing.npz')


def test_extracted_tokens_are_projected_and_have_their_positions(tmp_path):
    source = tmp_path / 'teacher.pth'
    source.write_bytes(b'a checkpoint')
    plain, origin = extract_tokens(teacher(), source)
    assert torch.equal(plain, torch.arange(8.0).view(2, 4))
    digest = hashlib.sha256(b'a checkpoint').hexdigest()
    expected = dict(checkpoint='teacher.pth', sha256=digest, teacher_depth=3, teacher_width=6, count=2, width=4)
    assert origin == expected
    proj, bias, positions = torch.randn(6, 4), torch.randn(6), torch.randn(1, 2, 6)
    more = {'proj.weight': proj.half(), 'proj.bias': bias, 'pos_embed': positions}
    projected, origin = extract_tokens(teacher(**more), source)
    expected = torch.arange(8.0).view(2, 4) @ proj.half().float().T + bias + positions[0]
    torch.testing.assert_close(projected, expected)
    assert origin['width'] == 6


def test_no_or_several_tokens_are_refused(tmp_path):
    with pytest.raises(ValueError, match='has 0 knowledge tokens, expected one: train it first'):
        extract_tokens({'a': torch.ones(1)}, tmp_path / 'teacher.pth')
    two = teacher() | {'student.knowledge_token.tokens': torch.ones(1, 1, 4)}
    with pytest.raises(ValueError, match='has 2 knowledge tokens'):
        extract_tokens(two, tmp_path / 'teacher.pth')
