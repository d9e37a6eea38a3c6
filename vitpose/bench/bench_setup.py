"""Model, weights and settings that all contestants share."""

from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmpose.registry import MODELS
from torch import Tensor, nn

from vitpose_mm.estimators.plain_model import split_config

from ..predict.models.crops import CropRule
from ..predict.models.description import choose_dataset
from ..predict.models.torch_model import PoseModel, head_names, read_config


@dataclass(frozen=True)
class Setup:
    """What a contestant is made from."""

    config: Config  # of a top-down heatmap model of one dataset, without flip test
    checkpoint: Path  # file with the weights of this model, in the names of the config's modules
    device: torch.device
    batch_size: int  # people per batch, where a contestant does not choose it itself
    crop_rule: CropRule  # how the config's test pipeline crops boxes
    metainfo: dict[str, Any]  # MMPose's parsed metainfo of the test set

    def model(self) -> nn.Module:
        """Build the config's model in eager torch, on the CPU, in evaluation mode."""
        model = MODELS.build(self.config.model)
        model.load_state_dict(self.weights())
        return model.eval().requires_grad_(False)

    def weights(self) -> dict[str, Tensor]:
        """Load the model's state dict onto the CPU."""
        return torch.load(self.checkpoint, 'cpu', weights_only=True)['state_dict']

    def preprocessor(self) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and standard deviation (3,) of the config's data preprocessor, RGB in 0 to 255."""
        steps = self.config.model.data_preprocessor
        return np.array(steps.mean, np.float64), np.array(steps.std, np.float64)


def make_setup(
    config: str | Path | Config,
    checkpoint: Path | None,
    folder: Path,
    device: str = 'auto',
    batch_size: int = 16,
    dataset: str | None = None,
) -> Setup:
    """Read a config and a checkpoint once for all contestants; take one dataset's model from a multi-dataset one.

    Without a checkpoint the weights are random, always the same. They are written into `folder` for the contestants.
    `PoseModel` says what the other arguments mean and which errors are raised.
    """
    cfg, _ = read_config(config)
    datasets, file = head_names(cfg), folder / 'weights.pth'
    plain = deepcopy(split_config(cfg, choose_dataset(dataset, datasets)) if datasets else cfg)
    plain.model.test_cfg = dict(plain.model.get('test_cfg') or {}, flip_test=False)
    if checkpoint is None:
        weights = random_model(plain).state_dict()
        plain.model.backbone.pop('init_cfg', None)
    else:
        weights = PoseModel(config, checkpoint, 'cpu', dataset=dataset).model.state_dict()
    torch.save(dict(state_dict=weights, meta={}), file)
    model = PoseModel(plain, file, device, dataset=dataset)
    return Setup(plain, file, model.device, batch_size, model.crop_rule, model.metainfo)


def random_model(cfg: Config) -> nn.Module:
    """Build the config's model with random weights, always the same; its heatmaps have distinct peaks of about 1."""
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    with torch.no_grad():
        for name, value in model.named_parameters():
            if 'norm' not in name and value.ndim > 1:
                value.normal_(std=(2.0 if name.startswith('head.') else 0.5) / value[0].numel() ** 0.5)
    return model
