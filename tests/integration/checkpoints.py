from pathlib import Path

import torch


def load(path: Path) -> dict:
    return torch.load(path, map_location='cpu', weights_only=False)


def check_same(whole: Path, resumed: Path, file: str = 'epoch_3.pth') -> None:
    one, other = (
        [part['state_dict'], part['optimizer']['state']] for part in (load(whole / file), load(resumed / file))
    )
    torch.testing.assert_close(other, one, rtol=0, atol=0)
