import hashlib
import re

import torch
from mmengine.config import Config
from mmpose.registry import MODELS
from torch import nn

import vitpose_mm  # noqa: F401
from vitpose.cli.main import main
from vitpose.cli.token import EXAMPLES
from vitpose_mm.backbones.token_file import read_token_file


def build(**token):
    arch = dict(depth=3, embed_dim=24, num_heads=2)
    return MODELS.build(dict(type='ViT', arch=arch, img_size=(32, 32), knowledge_token=dict(count=2, **token)))


def test_extract_writes_the_token_and_its_origin(refuses, tmp_path, capsys):
    teacher, path, out = build(), tmp_path / 'teacher.pth', tmp_path / 'tokens' / 'teacher.npz'
    nn.init.normal_(teacher.knowledge_token.tokens)
    weights = {f'backbone.{key}': value for key, value in teacher.state_dict().items()}
    torch.save(dict(state_dict=weights, meta=dict(cfg='x = 1')), path)
    refuses('token', 'extract', path, '--out', tmp_path / 'a.pth', message='expected a name that ends in .npz')
    assert main(['token', 'extract', str(path), '--out', str(out)]) == 0
    tokens, origin = read_token_file(out)
    assert torch.equal(tokens, teacher.knowledge_token.tokens[0])
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    assert origin.pop('kind')
    made_from = dict(checkpoint='teacher.pth', sha256=sha256, teacher_depth=3, teacher_width=24)
    assert origin == dict(made_from, count=2, width=24)
    assert [file.name for file in out.parent.iterdir()] == ['teacher.npz']
    assert '2 token(s) of width 24, from teacher.pth (a teacher of 3 blocks' in capsys.readouterr().out
    refuses('token', 'extract', path, '--out', out, message=f'{out} exists: pass another --out, or --overwrite')
    assert main(['token', 'extract', str(path), '--out', str(out), '--overwrite']) == 0
    student = build(frozen=True, init=str(out))
    student.init_weights()
    assert torch.equal(student.knowledge_token.tokens[0], tokens)


def test_example_in_the_help_uses_the_paths_of_the_configs(root):
    ((run, epoch),) = re.findall(r'work_dirs/(\S+)/epoch_(\d+)\.pth', EXAMPLES)
    assert Config.fromfile(root / f'configs/transfer/{run}.py').train_cfg.max_epochs == int(epoch)
    (token,) = re.findall(r'--out (\S+)', EXAMPLES)
    assert any(f"init='{token}'" in path.read_text() for path in (root / 'configs/transfer').glob('*-token_*.py'))
