"""Pictures of what a masked autoencoder reconstructs."""

import numpy as np
import torch
from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmpose.registry import HOOKS

from ..pretrain.masking import mask_noise, reconstruction_rows
from .bare_model import bare_model


@HOOKS.register_module()
class ReconstructionHook(Hook):
    """Write input, masked input and reconstruction of some training images every few epochs to the run's visualizer.

    Only the first process draws. Images, crops and masks stay the same during a run.

    Args:
        interval: epochs between two pictures, an integer >= 1; the last epoch also has one.
        images: number of images, evenly spaced over the training set, an integer >= 1.
    """

    def __init__(self, interval: int = 20, images: int = 8):
        if not (isinstance(interval, int) and isinstance(images, int) and interval >= 1 and images >= 1):
            raise ValueError(f'ReconstructionHook: interval={interval!r}, images={images!r}: expected integers >= 1')
        self.interval, self.images = interval, images

    @master_only
    def after_train_epoch(self, runner: Runner) -> None:
        """Draw in every `interval`-th epoch and in the last one."""
        if not (self.every_n_epochs(runner, self.interval) or self.is_last_train_epoch(runner)):
            return
        dataset, model = runner.train_dataloader.dataset, bare_model(runner)
        state = np.random.get_state()  # these crops must not change those of the training
        np.random.seed(0)
        samples = [dataset[int(i)] for i in np.linspace(0, len(dataset) - 1, min(self.images, len(dataset)))]
        np.random.set_state(state)
        data = model.data_preprocessor({key: [sample[key] for sample in samples] for key in samples[0]})
        noise = torch.from_numpy(mask_noise(0, 0, len(samples), model.grid[0] * model.grid[1]))
        model.eval()
        with torch.no_grad():
            predicted, split = model(**data, noise=noise.to(data['inputs'].device))
        model.train()
        mean, std = model.data_preprocessor.mean, model.data_preprocessor.std
        rows = reconstruction_rows(data['inputs'], predicted, split.masked, mean, std, model.grid)
        runner.visualizer.add_image('reconstruction', rows, step=runner.epoch + 1)
