"""The message about a checkpoint that does not exist."""

import re
from pathlib import Path


def missing_checkpoint(path: Path, config: str, option: str) -> str:
    """Return the error message for a missing checkpoint.

    It names the config whose training writes it, the files found instead, and the command-line option that selects
    one of those, with {} for the file: '--checkpoint {}'.
    """
    message = f'{path}: no such checkpoint. `mim train mmpose {config}` writes it'
    matches = [re.fullmatch(r'(?:epoch|iter)_(\d+)\.pth', file.name) for file in path.parent.glob('*.pth')]
    names = [match[0] for match in sorted(filter(None, matches), key=lambda match: int(match[1]))]
    if not names:
        return f'{message}; {path.parent} has no epoch_*.pth'
    last = option.format(path.parent / names[-1])
    return f'{message}; {path.parent} has {", ".join(names)}. To use the last one: {last}'
