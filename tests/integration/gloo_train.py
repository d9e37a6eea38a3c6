"""MMPose's `tools/train.py` with the gloo backend, for machines without a GPU.

MMEngine calls `torch.cuda.set_device` before it creates a process group, but it uses an existing group as it is.
Run this script with torchrun and the arguments of `tools/train.py`.

torch's synchronized batch norm, `sync_bn='torch'` in a config, only runs on GPUs: here it is replaced by one for gloo.
"""

import runpy
from pathlib import Path

import mmpose
import torch.distributed
from torch.distributed.nn.functional import all_reduce


class GlooSyncBatchNorm(torch.nn.BatchNorm2d):
    """Batch norm with mean and variance over the samples of all processes."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return super().forward(x)
        ours = torch.stack([power.double().sum((0, 2, 3)) for power in (torch.ones_like(x), x, x.double().square())])
        count, total, squares = all_reduce(ours)
        mean, variance = total / count, squares / count - (total / count).square()
        with torch.no_grad():
            self.running_mean.lerp_(mean.float(), self.momentum)
            self.running_var.lerp_((variance * count / (count - 1)).float(), self.momentum)
            self.num_batches_tracked += 1
        normalized = ((x.double() - mean[:, None, None]) * (variance + self.eps).rsqrt()[:, None, None]).float()
        return normalized * self.weight[:, None, None] + self.bias[:, None, None]


# what MMEngine builds for sync_bn='torch'; DistributedDataParallel refuses torch's own on a CPU
torch.nn.modules.batchnorm.SyncBatchNorm = GlooSyncBatchNorm
torch.distributed.init_process_group('gloo')
runpy.run_path(str(Path(mmpose.__file__).parent / '.mim' / 'tools' / 'train.py'), run_name='__main__')
