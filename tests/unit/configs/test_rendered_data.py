"""No two documented `vitpose synth` commands render different data into the same folder."""

import re

from vitpose.cli.main import build_parser


def test_commands_for_the_same_folder_render_the_same_data(root):
    """Every command in a page, a config or the help."""
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
