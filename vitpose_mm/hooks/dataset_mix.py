"""Count samples per dataset and epoch."""

from collections import Counter
from typing import Any

import torch
from mmengine.dist import all_reduce
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmpose.registry import HOOKS

from ..datasets.combined import find_named_members
from .bare_model import bare_model


@HOOKS.register_module()
class DatasetMixHook(Hook):
    """Count the samples of each dataset.

    After each training epoch, the numbers of samples over all processes are logged in one line and added as scalars
    `samples/NAME` to the message hub and the visualizer (TensorBoard, for example).
    """

    def before_train(self, runner: Runner) -> None:
        """Start at zero for each dataset, and for heads without a dataset."""
        head = bare_model(runner).head
        names = [name for name, _ in find_named_members(runner.train_dataloader.dataset)]
        self.names = list(dict.fromkeys([*names, *getattr(head, 'heads', ())]))
        self.default, self.counts = getattr(head, 'default_dataset', None), Counter[str | None]()

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Count the samples in this process's batch."""
        self.counts.update(sample.metainfo.get('dataset_name', self.default) for sample in data_batch['data_samples'])

    def after_train_epoch(self, runner: Runner) -> None:
        """Sum the counts over all processes, log them and add them as scalars."""
        total = torch.tensor([self.counts[name] for name in self.names])
        all_reduce(total)
        self.counts.clear()
        counts = dict(zip(self.names, total.tolist(), strict=True))
        runner.logger.info(f'Samples of epoch {runner.epoch + 1}: ' + ', '.join(f'{n} {c}' for n, c in counts.items()))
        scalars = {f'samples/{name}': count for name, count in counts.items()}
        runner.message_hub.update_scalars(scalars)
        runner.visualizer.add_scalars(scalars, step=runner.epoch + 1)
