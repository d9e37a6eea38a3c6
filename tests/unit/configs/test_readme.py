import re

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmpose.registry import MODELS

from vitpose.cli.main import build_parser


def test_shown_configs_are_the_files(root):
    """Each config that configs/README.md shows as a whole is that file without its docstring."""
    page = (root / 'configs/README.md').read_text('utf-8')
    shown = re.findall(r'the whole of\s`(\S+)`.*?```python\n(.*?)```', page, re.DOTALL)
    assert len(shown) == 2
    for name, text in shown:
        assert re.sub(r'  # .*', '', text) == (root / 'configs' / name).read_text('utf-8').partition('\n\n')[2]


def test_pasted_config_has_our_backbone_and_layer_wise_lr_decay(root, tmp_path):
    """tests/integration trains it."""
    init_default_scope('mmpose')
    page = (root / 'docs/training.md').read_text('utf-8')
    (text,) = re.findall(r"```python\n(_base_ = 'mmpose::.*?)```", page, re.DOTALL)
    (tmp_path / 'pasted.py').write_text(text)
    config = Config.fromfile(tmp_path / 'pasted.py')
    assert config.model.backbone.pop('init_cfg').checkpoint.startswith('https://download.openmmlab.com/mmpose/')
    with torch.device('meta'):
        model = MODELS.build(config.model)
    assert type(model.backbone).__module__ == 'vitpose_mm.backbones.vit'
    optimizer = build_optim_wrapper(model, config.optim_wrapper)
    rates = {id(weight): group['lr'] for group in optimizer.param_groups for weight in group['params']}
    blocks = [rates[id(block.attn.qkv.weight)] for block in model.backbone.layers]
    assert rates[id(model.head.final_layer.weight)] == pytest.approx(5e-4)
    assert blocks == pytest.approx([5e-4 * 0.8 ** (12 - number) for number in range(12)])


def test_commands_for_the_same_folder_render_the_same_data(root):
    """Every command in a page, a config or the help; no two write different data into one folder."""
    parser, commands = build_parser(['synth']), {}
    pages = '*.md', 'docs/**/*.md', 'configs/**/*.md', 'configs/**/*.py', 'vitpose/cli/synth.py'
    for path in (path for pattern in pages for path in root.glob(pattern)):
        for line in re.findall(r'vitpose (synth(?: --\w+ [^\s;`]+| \d+)*)', path.read_text('utf-8')):
            for kind in ('aic', 'mpii', 'ap10k', 'wholebody') if '$kind' in line else ('',):
                args = parser.parse_args(line.replace('$kind', kind).split())
                folder = args.out or ('data/synthetic' if args.kind == 'coco' else f'data/synthetic_{args.kind}')
                commands.setdefault(str(folder), set()).add((args.train, args.val, args.seed, args.difficulty))
    assert {'data/synthetic', 'data/synthetic_few', 'data/synthetic_aic', 'data/synthetic_ap10k'} <= set(commands)
    assert {folder: sizes for folder, sizes in commands.items() if len(sizes) > 1} == {}
