"""No two documented `vitpose synth` commands render different data into the same folder."""

import re

import pytest

from vitpose.cli.main import build_parser


@pytest.fixture
def commands(root):
    """Every command in a page, a config or the help, as {folder: {(train, val, seed, difficulty)}}."""
    texts = [
        path.read_text(encoding='utf-8')
        for pattern in ('*.md', 'docs/**/*.md', 'configs/**/*.md', 'configs/**/*.py')
        for path in root.glob(pattern)
    ]
    texts.append((root / 'vitpose/cli/synth.py').read_text(encoding='utf-8'))
    parser = build_parser(['synth'])
    found = {}
    for text in texts:
        for line in re.findall(r'vitpose (synth(?: --\w+ [^\s;`]+| \d+)*)', text):
            for kind in ('aic', 'mpii', 'ap10k', 'wholebody') if '$kind' in line else ('',):
                args = parser.parse_args(line.replace('$kind', kind).split())
                folder = args.out or ('data/synthetic' if args.kind == 'coco' else f'data/synthetic_{args.kind}')
                found.setdefault(str(folder), set()).add((args.train, args.val, args.seed, args.difficulty))
    return found


def test_commands_for_the_same_folder_render_the_same_data(commands):
    assert {'data/synthetic', 'data/synthetic_few', 'data/synthetic_aic', 'data/synthetic_ap10k'} <= set(commands)
    assert {folder: sizes for folder, sizes in commands.items() if len(sizes) > 1} == {}
