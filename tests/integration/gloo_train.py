"""MMPose's ``tools/train.py`` with the gloo backend, for machines without a GPU.

MMEngine calls ``torch.cuda.set_device`` before it creates a process group, but it uses an existing group as it is.
Run this script with torchrun and the arguments of ``tools/train.py``.
"""

import runpy
from pathlib import Path

import mmpose
import torch.distributed

torch.distributed.init_process_group('gloo')
runpy.run_path(str(Path(mmpose.__file__).parent / '.mim' / 'tools' / 'train.py'), run_name='__main__')
