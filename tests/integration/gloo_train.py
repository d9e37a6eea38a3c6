"""MMPose's ``tools/train.py`` over gloo, for machines without a GPU.

MMEngine itself starts a process group by ``torch.cuda.set_device``; it leaves one alone that is
already there. Started by torchrun, with that script's arguments.
"""

import runpy
from pathlib import Path

import mmpose
import torch.distributed

torch.distributed.init_process_group('gloo')
runpy.run_path(str(Path(mmpose.__file__).parent / '.mim' / 'tools' / 'train.py'), run_name='__main__')
