"""What needs a newer torch than the package does."""

import torch
from mmengine.utils import digit_version


def check_torch(version: str, purpose: str, error: type[ValueError] = ValueError) -> None:
    """Raise an `error` that names what needs a torch of this version or newer, if it is older."""
    if digit_version(torch.__version__) < digit_version(version):
        raise error(f'{purpose} needs torch {version} or newer, and this is {torch.__version__}')
