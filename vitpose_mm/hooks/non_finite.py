"""Name the samples of updates that were skipped because a loss or gradient was not finite."""

import logging
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner
from mmpose.registry import HOOKS

from ..optim.finite import SkipsNonFinite


@HOOKS.register_module()
class NonFiniteHook(Hook):
    """Log the samples (image path and annotation id) of a batch whose loss or gradient is not finite.

    The hook reads the state of a `SkipsNonFinite` optimizer wrapper, which counts skipped updates and stops the run.
    """

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Log the samples; MMEngine has already read the loss from the device."""
        wrapper, problem = runner.optim_wrapper, None
        if not isinstance(wrapper, SkipsNonFinite):
            return
        if not abs((outputs or {}).get('loss', 0.0)) < float('inf'):
            problem = 'the loss is not finite'
        elif wrapper.should_update() and wrapper.finite is not None and not wrapper.finite:
            problem = 'a gradient is not finite, or a loss of another process or batch of this update'
        if problem:
            infos = [sample.metainfo for sample in data_batch.get('data_samples', ())]
            names = [f'{info.get("img_path", "unknown image")} annotation {info.get("id")}' for info in infos]
            level = logging.WARNING if is_main_process() else logging.ERROR  # other processes only log errors
            print_log(f'iteration {runner.iter + 1}: {problem}. Samples: {", ".join(names)}', 'current', level)
