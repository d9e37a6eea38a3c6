"""A real runner with a model of two weights, which trains in a fraction of a second."""

import os
import random
import sys
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch.utils.data import Dataset

import vitpose_mm  # noqa: F401  registers the hooks


class Numbers(Dataset):
    """Samples: their index and the mean of three random numbers: Python's, NumPy's and torch's."""

    def __init__(self, count=12):
        self.count = count

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        number = (random.random() + np.random.random() + torch.rand(()).item()) / 3
        sample = SimpleNamespace(metainfo=dict(img_path=f'{index}.jpg', id=100 + index))
        return dict(index=index, number=number, data_samples=sample)


class Toy(BaseModel):
    """Dropout, batch norm, one weight; remembers its samples. Some of them are bad after a number of samples."""

    def __init__(self, bad=(), fault='nan', after=0):
        super().__init__()
        self.bad, self.fault, self.after = bad, fault, after
        self.weight = torch.nn.Parameter(torch.ones(3))
        self.norm = torch.nn.BatchNorm1d(3)
        self.seen = []

    def forward(self, index, number, data_samples, mode='tensor'):
        if mode == 'predict':
            return [dict(score=float(self.weight.sum()))]
        self.seen += zip(index, number, strict=True)
        x = self.norm(torch.tensor([[n, n * n, 1 + n] for n in number]) * self.weight)
        loss = torch.nn.functional.dropout(x, 0.5).square().sum()
        if set(index) & set(self.bad) and len(self.seen) > self.after:
            # the root adds 0, but its gradient is not a number
            loss = loss + (self.weight * 0).abs().sqrt().sum() if self.fault == 'gradient' else loss * float(self.fault)
        return dict(loss=loss)


class Score(BaseMetric):
    """A score that improves with every validation."""

    calls = 0

    def process(self, data_batch, data_samples):
        Score.calls += 1
        self.results.append(Score.calls)

    def compute_metrics(self, results):
        return dict(score=max(results))


def in_children(function, processes=1, folder=None):
    """Call a function in forked processes, several of them with gloo; return their exit statuses (-n: signal n)."""
    children = []
    for rank in range(processes):
        child = os.fork()
        if not child:
            try:
                if processes > 1:
                    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(processes))
                    store = torch.distributed.FileStore(str(folder / 'store'), processes)
                    torch.distributed.init_process_group('gloo', store=store, rank=rank, world_size=processes)
                function()
                os._exit(0)
            except SystemExit as end:
                os._exit(end.code)
            except BaseException:
                sys.excepthook(*sys.exc_info())
                os._exit(1)
        children.append(child)
    statuses = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    if processes > 1:
        (folder / 'store').unlink(missing_ok=True)
    return statuses if processes > 1 else statuses[0]


def collate(samples):
    return {key: [sample[key] for sample in samples] for key in samples[0]}


def build(folder: Path, epochs=3, resume=False, workers=0, checkpoint=None, hooks=(), val=True, ours=True, **more):
    """A runner of 4 iterations per epoch; `seed` is that of EpochSeedHook."""
    loader = dict(batch_size=3, num_workers=workers, dataset=Numbers(), collate_fn=collate)
    loader['sampler'] = dict(type='DefaultSampler', shuffle=True)
    if distributed := torch.distributed.is_initialized():
        kind = dict(type='MMDistributedDataParallel', device_ids=None, broadcast_buffers=False)
        more['cfg'] = dict(model_wrapper_cfg=kind)
    build.number = getattr(build, 'number', 0) + 1
    seeding = dict(type='EpochSeedHook', seed=more.pop('seed', None))
    saving = dict(type=f'{"Complete" if ours else ""}CheckpointHook', interval=1, max_keep_ckpts=1) | (checkpoint or {})
    with patch('mmengine.runner.runner.collect_env', dict):  # it starts a compiler
        return Runner(
            more.pop('model', None) or Toy(),
            str(folder),
            train_dataloader={**loader, **more.pop('loader', {})},
            train_cfg=dict(by_epoch=True, max_epochs=epochs),
            val_dataloader=dict(loader, num_workers=0) if val else None,
            val_cfg=dict() if val else None,
            val_evaluator=[Score()] if val else None,
            optim_wrapper=more.pop('wrapper', dict(optimizer=dict(type='AdamW', lr=0.1))),
            param_scheduler=dict(type='LinearLR', start_factor=0.1, end=9, by_epoch=False),
            custom_hooks=[*([seeding] if ours else []), *hooks],
            default_hooks=dict(checkpoint=saving, **more.pop('default_hooks', {})),
            default_scope='mmpose',
            experiment_name=f'toy{build.number}',
            resume=resume,
            randomness=more.pop('randomness', dict(seed=0)),
            log_level='WARNING',
            launcher='pytorch' if distributed else 'none',
            **more,
        )


def log_of(folder: Path) -> str:
    return ''.join(path.read_text() for path in sorted(folder.glob('*/*.log')))
