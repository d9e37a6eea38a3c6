"""The teacher of output distillation: a trained estimator."""

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import torch
from mmengine import Config
from mmpose.models.pose_estimators import TopdownPoseEstimator
from mmpose.registry import MODELS
from mmpose.structures import PoseDataSample
from torch import Tensor, nn

from ..checkpoints.run_checkpoints import missing_checkpoint_message
from ..checkpoints.safe_load import load_weights
from ..checkpoints.validation import load_strictly
from ..heads import MultiDatasetHead
from ..optim.autocast import DTYPES
from ..torch_support import has_bfloat16
from .multi_dataset_estimator import MultiDatasetPoseEstimator


class Teacher:
    """Predicts heatmaps in evaluation mode and without gradient.

    It is not a torch module, so the model that holds it does not train, move, save or synchronize it.
    Config and checkpoint are read on first use, so a config with a teacher can be tested without these
    files. A teacher of several datasets uses the head of the samples' dataset.

    Args:
        config: config file of the teacher.
        checkpoint: its weights, of any origin that the config's model loads, without unused keys.
        precision: 'float32', or 'bfloat16' or 'float16' for autocast; independent of the student's. On a processor
            that only emulates it, bfloat16 means float32.

    Raises:
        ValueError: no config or no checkpoint is given, or the precision is unknown.
    """

    def __init__(self, config: str | None = None, checkpoint: str | None = None, precision: str = 'float32'):
        for name, value in (('config', config), ('checkpoint', checkpoint)):
            if not value:
                raise ValueError(
                    f'teacher has no {name}: expected dict(config=FILE, checkpoint=FILE), or teacher=None '
                    'to train on a cache written by `vitpose teacher-cache`'
                )
        if precision != 'float32' and precision not in DTYPES:
            raise ValueError(f"teacher: precision={precision!r}, expected 'float32', {', '.join(map(repr, DTYPES))}")
        self.config, self.checkpoint, self.precision = str(config), Path(str(checkpoint)), precision

    @cached_property
    def model(self) -> TopdownPoseEstimator:
        """The estimator, built and loaded on first use.

        FileNotFoundError if the config or checkpoint does not exist, ValueError if they do not fit.
        """
        model = MODELS.build(self.read_config().model)
        if not self.checkpoint.is_file():
            option = 'model.teacher.checkpoint={} in the config, or with --cfg-options'
            raise FileNotFoundError(
                'teacher: ' + missing_checkpoint_message(self.checkpoint, os.path.relpath(self.config), option)
            )
        weights = load_weights(self.checkpoint)
        try:
            load_strictly(model, weights)
        except ValueError as problem:
            raise ValueError(
                f'{self.checkpoint} does not fit {self.config}: {problem}; use the config that the teacher was '
                'trained with'
            ) from problem
        return model.eval().requires_grad_(False)

    def read_config(self) -> Config:
        """Read the teacher's config file. FileNotFoundError if it does not exist."""
        if not Path(self.config).is_file():
            raise FileNotFoundError(
                f'teacher: config={self.config!r}: no such file; expected the config that the teacher was trained with'
            )
        return Config.fromfile(self.config)

    def dataset(self, samples: Sequence[PoseDataSample]) -> str | None:
        """Return the dataset of all samples; None if the teacher has a single head.

        ValueError if the samples belong to several datasets, KeyError if the teacher does not know theirs.
        """
        head = self.model.head
        if not isinstance(head, MultiDatasetHead):
            return None
        names = sorted(set(head.datasets(samples)))
        if len(names) > 1:
            raise ValueError(
                f'a batch has samples of {", ".join(names)}: with a teacher of several datasets, train the student on '
                'one of them'
            )
        return names[0]

    def head(self, dataset: str | None) -> nn.Module:
        """Return the head of a dataset, or the single head."""
        return self.model.head if dataset is None else self.model.head.heads[dataset]

    def heatmaps(self, inputs: Tensor, dataset: str | None = None) -> Tensor:
        """Predict heatmaps (B, K, Hm, Wm) in fp32 of images (B, 3, H, W) of one dataset; None for a single head."""
        model = self.model
        if next(model.parameters()).device != inputs.device:
            model.to(inputs.device)
        device, dtype = inputs.device.type, DTYPES.get(self.precision)
        enabled = dtype is not None and (dtype is not torch.bfloat16 or has_bfloat16(device))
        autocast = torch.autocast(device, dtype or torch.bfloat16, enabled=enabled)
        routed = isinstance(model, MultiDatasetPoseEstimator)
        with torch.no_grad(), autocast:
            feats = model.extract_feat(inputs, *([[dataset] * len(inputs)] if routed else []))
            return self.head(dataset)(feats).float()
