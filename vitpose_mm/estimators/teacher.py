"""A trained estimator whose heatmaps teach another."""

from collections.abc import Sequence
from pathlib import Path

import torch
from mmengine import Config
from mmpose.models.pose_estimators import TopdownPoseEstimator
from mmpose.registry import MODELS
from mmpose.structures import PoseDataSample
from torch import Tensor

from ..checkpoints.safe_load import load_weights
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
                raise ValueError(f'teacher has no {name}: expected dict(config=FILE, checkpoint=FILE), or teacher=None '
                                 'to learn from a cache that `vitpose teacher-cache` wrote')
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
            weights = load_weights(self.checkpoint)
            model = MODELS.build(Config.fromfile(self.config).model)
            try:
                missing, left = model.load_state_dict(weights, strict=False)
            except (RuntimeError, ValueError) as problem:
                raise ValueError(f'{self.checkpoint} does not fit {self.config}: {problem}') from problem
            if missing or left:
                raise ValueError(f'{self.checkpoint} does not fit {self.config}: {_some(left)} left over, '
                                 f"{_some(missing)} missing; give the teacher's own config")
            self._model = model.eval().requires_grad_(False)
        return self._model

    def heatmaps(self, inputs: Tensor, samples: Sequence[PoseDataSample]) -> Tensor:
        """Preprocessed images (B, 3, H, W) -> heatmaps (B, K, Hm, Wm) in fp32.

        Raises:
            ValueError: another input size than the teacher's, or samples of several datasets.
            KeyError: the teacher does not know the samples' dataset.
        """
        model = self.model
        if next(model.parameters()).device != inputs.device:
            model.to(inputs.device)
        head, datasets = model.head, None
        if isinstance(head, MultiDatasetHead):
            datasets = head.datasets(samples)
            if len(set(datasets)) > 1:
                raise ValueError(f'a batch has samples of {", ".join(sorted(set(datasets)))}: a teacher of several '
                                 'datasets can teach a student of one')
            head = head.heads[datasets[0]]
        if head.decoder is not None and tuple(head.decoder.input_size) != tuple(inputs.shape[:1:-1]):
            raise ValueError(f'the teacher takes inputs of {tuple(head.decoder.input_size)} (w, h), this student has '
                             f'{tuple(inputs.shape[:1:-1])}: both see the same input, so take a teacher of this size')
        autocast = torch.autocast(inputs.device.type, DTYPES.get(self.precision, torch.bfloat16),
                                  enabled=self.precision in DTYPES)
        with torch.no_grad(), autocast:
            feats = model.extract_feat(inputs, datasets) if isinstance(model, MultiDatasetPoseEstimator) else (
                model.extract_feat(inputs))
            return head(feats).float()


def _some(keys: Sequence[str]) -> str:
    """A few keys and how many there are: '3 keys (a, b, ...)'."""
    return f'{len(keys)} keys' + (f' ({", ".join(keys[:3])}{", ..." if len(keys) > 3 else ""})' if keys else '')
