"""Output distillation: a student trains on its labels and on a teacher's heatmaps."""

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.model import BaseModel
from mmpose.models.pose_estimators import TopdownPoseEstimator
from mmpose.registry import DATASETS, MODELS
from mmpose.structures import PoseDataSample
from torch import Tensor, nn

from ..datasets.metainfo import parse_metainfo
from ..heads import MultiDatasetHead
from ..heads.batch_targets import batch_weights, describe_codec, same_targets
from ..heads.decoders import DecoderHead
from ..heads.heatmap_losses import heatmap_losses
from ..layers.index import index_on
from .teacher import Teacher


@MODELS.register_module()
class DistillPoseEstimator(TopdownPoseEstimator):
    """A top-down estimator, the student, with the training loss MSE(S, K_gt) + MSE(S, K_t).

    Source: ViTPose section 3.4. Except for the loss it is MMPose's top-down estimator: the config is
    the student's plus the three arguments below, and checkpoints contain only the student.

    Args:
        teacher: dict(config=FILE, checkpoint=FILE, precision='float32'), see `Teacher`; None if
            `TeacherCacheDataset` adds the teacher's heatmaps to the samples.
        distill_loss: registered loss of the student's heatmaps, the teacher's, and keypoint weights.
        keypoints: if the teacher has other keypoints, dict(student=..., teacher=...[, names=...]): the datasets of
            both, as the name of a registered class or a metainfo dict. Keypoints of the same name are matched, or those
            in `names`, {student's: teacher's}; the student learns the others from the labels only.
        **kwargs: of `TopdownPoseEstimator`; the head must be a heatmap head.

    Raises:
        ValueError: no heatmap head, a teacher without files, or keypoints that cannot be matched; in training, a
            teacher with a different normalization, codec or number of keypoints, or no heatmaps of a teacher.
    """

    def __init__(
        self,
        teacher: dict | None = None,
        distill_loss: dict | None = None,
        keypoints: dict | None = None,
        **kwargs: Any,
    ):
        if 'student' in kwargs:
            raise ValueError(
                "DistillPoseEstimator takes no student=...: its arguments are the student's own, as in "
                "_base_ = 'STUDENT.py'; model = dict(type='DistillPoseEstimator', teacher=dict(...))"
            )
        super().__init__(**kwargs)
        if not hasattr(getattr(self, 'head', None), 'final_layer'):
            raise ValueError(
                f"the student's head is a {type(getattr(self, 'head', None)).__name__}: expected a heatmap head with a "
                "final_layer, such as 'ClassicHead' or 'SimpleHead'"
            )
        self.teacher = None if teacher is None else Teacher(**teacher)
        self.distill_loss = MODELS.build(distill_loss or dict(type='HeatmapDistillLoss'))
        self.keypoint_indices = None if keypoints is None else match_keypoints(**keypoints)

    def init_weights(self) -> None:
        """Load the teacher and initialize the student; the Runner calls it before training."""
        if self.teacher is not None:
            self.check_teacher()
        super().init_weights()

    def check_teacher(self) -> None:
        """Load the teacher, and refuse it with a ValueError if its normalization or codec differs from the student's.

        For a teacher of several datasets, the samples select the head: `teacher_heatmaps` checks its codec.
        FileNotFoundError for a missing file of the teacher.
        """
        assert self.teacher is not None
        mine, theirs = _normalization(self), _normalization(self.teacher.model)
        if mine != theirs:
            raise ValueError(
                f"the teacher's data_preprocessor ({theirs}) is not the student's ({mine}): both get the same input. "
                "Give the student the teacher's data_preprocessor, or use another teacher"
            )
        if not isinstance(self.teacher.model.head, MultiDatasetHead):
            self._check_codec(self.teacher.model.head)

    def loss(self, inputs: Tensor, data_samples: list[PoseDataSample]) -> dict[str, Tensor]:
        """Compute the student's losses of a batch, and `loss_distill`."""
        teacher_heatmaps = self.teacher_heatmaps(inputs, data_samples)
        losses, heatmaps = self._student_losses(inputs, data_samples)
        weights = batch_weights(self.head.decoder, data_samples, heatmaps.device)
        if self.keypoint_indices is not None:
            mine, theirs = (index_on(heatmaps.device, indices) for indices in self.keypoint_indices)
            heatmaps, weights, teacher_heatmaps = heatmaps[:, mine], weights[:, mine], teacher_heatmaps[:, theirs]
        if heatmaps.shape != teacher_heatmaps.shape:
            raise ValueError(
                f'the teacher has heatmaps of (keypoints, h, w) {tuple(teacher_heatmaps.shape[1:])}, the student '
                f'{tuple(heatmaps.shape[1:])}: use a teacher with the same shape, or match other keypoints by name '
                'with keypoints=dict(student=DATASET, teacher=DATASET)'
            )
        losses['loss_distill'] = self.distill_loss(heatmaps, teacher_heatmaps, weights)
        return losses

    def _student_losses(self, inputs: Tensor, data_samples: list[PoseDataSample]) -> tuple[dict[str, Tensor], Tensor]:
        """Compute the student's losses and heatmaps (B, K, Hm, Wm) in one pass; two would update batch norms twice."""
        if isinstance(self.head, DecoderHead):
            heatmaps = self.head(feats := self.extract_feat(inputs))
            return heatmap_losses(self.head, heatmaps, data_samples, self.train_cfg, feats[-1]), heatmaps
        heatmaps_seen: list[Tensor] = []
        hook = self.head.final_layer.register_forward_hook(lambda *call: heatmaps_seen.append(call[-1]))
        try:
            losses = super().loss(inputs, data_samples)
        finally:
            hook.remove()
        return losses, heatmaps_seen[-1].float()

    def teacher_heatmaps(self, inputs: Tensor, samples: Sequence[PoseDataSample]) -> Tensor:
        """Return the teacher's heatmaps (B, K, Hm, Wm) of preprocessed images (B, 3, H, W), computed or cached.

        ValueError if the teacher's codec is not the student's, or there is neither a teacher nor a cache, or both.
        """
        cached = ['teacher_heatmaps' in getattr(sample, 'gt_fields', ()) for sample in samples]
        if self.teacher is not None:
            if any(cached):
                raise ValueError(
                    'the model has a teacher, and the samples have cached heatmaps: set model.teacher=None to use the '
                    'cache, or TeacherCacheDataset(cache=None) to run the teacher'
                )
            dataset = self.teacher.dataset(samples)
            self._check_codec(self.teacher.head(dataset))
            return self.teacher.heatmaps(inputs, dataset)
        if not all(cached):
            raise ValueError(
                'there is no teacher, and the samples have no cached heatmaps: set teacher=dict(config=FILE, '
                "checkpoint=FILE), or train on a dataset=dict(type='TeacherCacheDataset', ...)"
            )
        # the cache is fp16, which autocast on the CPU cannot stack
        return torch.stack([sample.gt_fields.teacher_heatmaps.float() for sample in samples]).to(inputs.device)

    def _check_codec(self, head: nn.Module) -> None:
        if not same_targets(self.head.decoder, head.decoder):
            raise ValueError(
                f"the teacher's codec is {describe_codec(head.decoder)}, the student's "
                f'{describe_codec(self.head.decoder)}: they encode the same keypoint into different heatmaps. Use the '
                "teacher's codec in the student's head and pipelines, or another teacher"
            )


def match_keypoints(
    student: str | dict, teacher: str | dict, names: dict[str, str] | None = None
) -> tuple[list[int], list[int]]:
    """Match keypoints: return their indices in the student's heatmaps and in the teacher's.

    `student` and `teacher` are datasets, each the name of a registered class or metainfo; `names` is {student's
    keypoint: teacher's}, None for those of the same name. ValueError for an unknown dataset or keypoint, or no match.
    """
    mine, theirs = (_keypoint_names(dataset) for dataset in (student, teacher))
    names = {name: name for name in mine if name in theirs} if names is None else names
    for name, known in (*((name, mine) for name in names), *((name, theirs) for name in names.values())):
        if name not in known:
            raise ValueError(f'keypoints: {name!r} is not one of {", ".join(known)}')
    if not names:
        raise ValueError(
            f'keypoints: student ({", ".join(mine)}) and teacher ({", ".join(theirs)}) have no keypoint name in '
            'common: match them with names=dict(...)'
        )
    return [mine.index(name) for name in names], [theirs.index(name) for name in names.values()]


def _keypoint_names(dataset: str | dict) -> list[str]:
    if isinstance(dataset, str) and DATASETS.get(dataset) is None:
        raise ValueError(
            f"keypoints: {dataset!r} is not a registered dataset; expected one like 'CheckedCocoDataset', or "
            'metainfo such as dict(from_file=...)'
        )
    meta = parse_metainfo({'type' if isinstance(dataset, str) else 'metainfo': dataset})
    return [meta['keypoint_id2name'][i] for i in range(meta['num_keypoints'])]


def _normalization(model: BaseModel) -> dict[str, Any]:
    """Describe how a model's preprocessor normalizes pixels."""
    preprocessor = model.data_preprocessor
    return dict(
        mean=getattr(preprocessor, 'mean', torch.zeros(0)).flatten().tolist(),
        std=getattr(preprocessor, 'std', torch.zeros(0)).flatten().tolist(),
        swaps_channels=bool(getattr(preprocessor, '_channel_conversion', False)),
    )
