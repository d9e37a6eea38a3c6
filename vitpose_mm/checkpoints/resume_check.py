"""A check of the file that a run resumes from, which MMEngine reads with all that it holds."""

import re
from pickle import UnpicklingError

import mmengine.runner.checkpoint as mmengine_checkpoint
import torch


def refuse_code(path: str, flag: str) -> None:
    """Refuse a file that torch's `weights_only` rejects: MMEngine would then read it again and run code in it.

    Old versions never read with `weights_only`; there, nothing is checked.

    Args:
        path: the file.
        flag: command-line option that trusts the file, for the message.

    Raises:
        ValueError: names what the file holds.
    """
    allowed = getattr(mmengine_checkpoint, 'get_torch_safe_globals', None)
    if allowed is None or not hasattr(torch.serialization, 'safe_globals'):
        return
    try:
        with torch.serialization.safe_globals(allowed()):
            torch.load(path, map_location='meta', weights_only=True)
    except UnpicklingError as problem:
        text = ' '.join(str(problem).split())
        names = re.findall(r'GLOBAL (\S+)', text)
        raise ValueError(
            f'{path} holds {names[0] if names else text[:200]}, so reading it could run code: resume from a file that '
            f'you wrote, start from its weights alone with load_from, or, if you trust it, add {flag}'
        ) from problem
