"""A trained estimator whose heatmaps teach another."""

import os
from collections.abc import Sequence
from pathlib import Path

import torch
from mmengine import Config
from mmpose.models.pose_estimators import TopdownPoseEstimator
from mmpose.registry import MODELS
from mmpose.structures import PoseDataSample
from torch import Tensor, nn

from ..checkpoints.safe_load import load_weights
from ..files import missing_checkpoint
from ..heads import MultiDatasetHead
from ..optim.autocast import DTYPES
from .multi_dataset import MultiDatasetPoseEstimator


class Teacher:
    """Answers with heatmaps, in evaluation mode and without gradient.

    No torch module on purpose: what holds it neither trains, moves, saves nor synchronises it.
    Config and checkpoint are read when it is first needed, so that a config with a teacher can be
    tested without its files. A teacher of several datasets answers for that of the samples.

    Args:
        config: its config file.
        checkpoint: its weights, of any origin that the config's model takes; none may be left over.
        precision: 'float32', or 'bfloat16' or 'float16' for autocast; the student's does not matter.

    Raises:
        ValueError: the config or checkpoint is missing here, or an unknown precision.
    """

    def __init__(self, config: str | None = None, checkpoint: str | None = None, precision: str = 'float32'):
        for name, value in (('config', config), ('checkpoint', checkpoint)):
            if not value:
                raise ValueError(
                    f'teacher has no {name}: expected dict(config=FILE, checkpoint=FILE), or teacher=None '
                    'to learn from a cache that `vitpose teacher-cache` wrote'
                )
        if precision != 'float32' and precision not in DTYPES:
            raise ValueError(f"teacher: precision={precision!r}, expected 'float32', {', '.join(map(repr, DTYPES))}")
        self.config, self.checkpoint, self.precision = str(config), Path(str(checkpoint)), precision
        self._model: TopdownPoseEstimator | None = None

    @property
    def model(self) -> TopdownPoseEstimator:
        """The estimator, built and loaded when first asked for.

        Raises:
            FileNotFoundError: config or checkpoint are not there.
            ValueError: the checkpoint is another net's.
        """
        if self._model is None:
            model = MODELS.build(self.read_config().model)
            if not self.checkpoint.is_file():
                option = 'model.teacher.checkpoint={} in the config, or with --cfg-options'
                raise FileNotFoundError(
                    'teacher: ' + missing_checkpoint(self.checkpoint, os.path.relpath(self.config), option)
                )
            weights = load_weights(self.checkpoint)
            try:
                missing, left = model.load_state_dict(weights, strict=False)
            except (RuntimeError, ValueError) as problem:
                raise ValueError(f'{self.checkpoint} does not fit {self.config}: {problem}') from problem
            if missing or left:
                raise ValueError(
                    f'{self.checkpoint} does not fit {self.config}: {_some(left)} left over, '
                    f"{_some(missing)} missing; give the teacher's own config"
                )
            self._model = model.eval().requires_grad_(False)
        return self._model

    def read_config(self) -> Config:
        """The teacher's config file.

        Raises:
            FileNotFoundError: there is no such file.
        """
        if not Path(self.config).is_file():
            raise FileNotFoundError(
                f'teacher: config={self.config!r}: no such file; expected the config that the teacher was trained with'
            )
        return Config.fromfile(self.config)

    def head_for(self, samples: Sequence[PoseDataSample]) -> nn.Module:
        """The head that answers for samples, which of several is that of their dataset.

        Raises:
            ValueError: they are of several datasets.
            KeyError: the teacher does not know the samples' dataset.
        """
        head = self.model.head
        if not isinstance(head, MultiDatasetHead):
            return head
        names = sorted(set(head.datasets(samples)))
        if len(names) > 1:
            raise ValueError(
                f'a batch has samples of {", ".join(names)}: a teacher of several datasets can teach a student of one'
            )
        return head.heads[names[0]]

    def heatmaps(self, inputs: Tensor, samples: Sequence[PoseDataSample]) -> Tensor:
        """Preprocessed images (B, 3, H, W) -> heatmaps (B, K, Hm, Wm) in fp32.

        Raises:
            ValueError: samples of several datasets.
            KeyError: the teacher does not know the samples' dataset.
        """
        model, head = self.model, self.head_for(samples)
        if next(model.parameters()).device != inputs.device:
            model.to(inputs.device)
        autocast = torch.autocast(
            inputs.device.type, DTYPES.get(self.precision, torch.bfloat16), enabled=self.precision in DTYPES
        )
        with torch.no_grad(), autocast:
            if isinstance(model, MultiDatasetPoseEstimator):
                return head(model.extract_feat(inputs, model.head.datasets(samples))).float()
            return head(model.extract_feat(inputs)).float()


def _some(keys: Sequence[str]) -> str:
    """A few keys and how many there are: '3 keys (a, b, ...)'."""
    return f'{len(keys)} keys' + (f' ({", ".join(keys[:3])}{", ..." if len(keys) > 3 else ""})' if keys else '')
