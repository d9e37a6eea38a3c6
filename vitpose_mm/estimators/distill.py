"""Output distillation: a student learns from its labels and from a teacher's heatmaps."""

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.model import BaseModel
from mmpose.datasets.datasets.utils import parse_pose_metainfo
from mmpose.models.pose_estimators import TopdownPoseEstimator
from mmpose.registry import DATASETS, MODELS
from mmpose.structures import PoseDataSample
from torch import Tensor, nn

from ..heads import MultiDatasetHead
from ..heads.targets import describe, same_targets
from .teacher import Teacher


@MODELS.register_module()
class DistillPoseEstimator(TopdownPoseEstimator):
    """A top-down estimator, the student, that trains on MSE(S, K_gt) + MSE(S, K_t).

    Source: ViTPose section 3.4. Everything but the training loss is MMPose's top-down estimator: the
    config is the student's own plus the three arguments below, and checkpoints are the student's. The
    teacher is in none.

    Args:
        teacher: dict(config=FILE, checkpoint=FILE, precision='float32'), see `Teacher`; None where
            `TeacherCacheDataset` brings its heatmaps with the samples.
        distill_loss: registered loss of the student's heatmaps, the teacher's, and keypoint weights.
        keypoints: where the teacher has other keypoints, dict(student=..., teacher=...[, names=...]):
            the datasets of both, as a registered class's name or a metainfo dict. Keypoints of one
            name are matched, or those of `names`, {student's: teacher's}; the student learns the
            others from the labels alone.
        kwargs: of `TopdownPoseEstimator`; the head is a heatmap head.

    Raises:
        ValueError: no heatmap head, a teacher without its files, or keypoints that cannot be matched;
            while training, a teacher of another normalisation, codec or number of keypoints, or no
            teacher's heatmaps at all.
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
                f'a student with the head {type(getattr(self, "head", None)).__name__} has no heatmap '
                "head of its own (head.final_layer): expected a 'ClassicHead' or 'SimpleHead'"
            )
        self.teacher = None if teacher is None else Teacher(**teacher)
        self.distill_loss = MODELS.build(distill_loss or dict(type='HeatmapDistillLoss'))
        self.pairs = None if keypoints is None else match_keypoints(**keypoints)

    def init_weights(self) -> None:
        """Load the teacher and initialise the student; the Runner calls it to train."""
        if self.teacher is not None:
            self.check_teacher()
        super().init_weights()

    def check_teacher(self) -> None:
        """Load the teacher, and refuse one that sees other pixels or answers in another codec.

        Raises:
            FileNotFoundError: one of its files is not there.
            ValueError: names what differs. Of a teacher of several datasets the samples tell which head
                answers: its codec is compared in `taught`.
        """
        assert self.teacher is not None
        mine, theirs = _normalisation(self), _normalisation(self.teacher.model)
        if mine != theirs:
            raise ValueError(
                f"the teacher's data_preprocessor ({theirs}) is not the student's ({mine}): both see "
                'the same input, so they have to be the same'
            )
        if not isinstance(self.teacher.model.head, MultiDatasetHead):
            self._check_codec(self.teacher.model.head)

    def loss(self, inputs: Tensor, data_samples: list[PoseDataSample]) -> dict[str, Tensor]:
        """The student's losses of a batch, and `loss_distill`."""
        taught = self.taught(inputs, data_samples)
        given: list[Tensor] = []
        # the student's own loss makes the heatmaps; a second pass would count twice in its batch norms
        hook = self.head.final_layer.register_forward_hook(lambda *call: given.append(call[-1]))
        try:
            losses = super().loss(inputs, data_samples)
        finally:
            hook.remove()
        heatmaps = given[-1].float()
        weights = torch.cat([sample.gt_instance_labels.keypoint_weights for sample in data_samples])
        if self.pairs is not None:
            mine, theirs = self.pairs
            heatmaps, weights, taught = heatmaps[:, mine], weights[:, mine], taught[:, theirs]
        if heatmaps.shape != taught.shape:
            raise ValueError(
                f'the teacher has heatmaps of (keypoints, h, w) {tuple(taught.shape[1:])}, the student '
                f'{tuple(heatmaps.shape[1:])}: take a teacher of the same, or match other keypoints by '
                'name with keypoints=dict(student=DATASET, teacher=DATASET)'
            )
        losses['loss_distill'] = self.distill_loss(heatmaps, taught, weights)
        return losses

    def taught(self, inputs: Tensor, samples: Sequence[PoseDataSample]) -> Tensor:
        """The teacher's heatmaps (B, K, Hm, Wm) of preprocessed images, from itself or from the cache.

        Raises:
            ValueError: the teacher's codec is not the student's; or there are no heatmaps, or both a
                teacher and a cache's.
        """
        cached = ['teacher_heatmaps' in sample.gt_fields for sample in samples]
        if self.teacher is not None:
            if any(cached):
                raise ValueError(
                    'a teacher, and samples with heatmaps that it was asked for before: set model.teacher='
                    'None to learn from the cache, or TeacherCacheDataset(cache=None) to run the teacher'
                )
            self._check_codec(self.teacher.head_for(samples))
            return self.teacher.heatmaps(inputs, samples)
        if not all(cached):
            raise ValueError(
                'no teacher, and samples without its heatmaps: give teacher=dict(config=FILE, '
                "checkpoint=FILE), or train on a dataset=dict(type='TeacherCacheDataset', ...)"
            )
        # fp16 in the file; autocast on a CPU cannot stack it
        return torch.stack([sample.gt_fields.teacher_heatmaps.float() for sample in samples]).to(inputs.device)

    def _check_codec(self, head: nn.Module) -> None:
        if not same_targets(self.head.decoder, head.decoder):
            raise ValueError(
                f"the teacher's codec is {describe(head.decoder)}, the student's "
                f'{describe(self.head.decoder)}: the same keypoint makes other heatmaps in the two. Give '
                "the student's head and pipelines the teacher's codec, or take another teacher"
            )


def match_keypoints(
    student: str | dict, teacher: str | dict, names: dict[str, str] | None = None
) -> tuple[list[int], list[int]]:
    """The places of the same keypoints in the student's heatmaps and in the teacher's.

    Args:
        student: its dataset: a registered class's name, or metainfo.
        teacher: likewise.
        names: {student's keypoint: teacher's}; None for those of one name.

    Raises:
        ValueError: an unknown dataset or keypoint, or nothing to match.
    """
    mine, theirs = (_keypoint_names(dataset) for dataset in (student, teacher))
    names = {name: name for name in mine if name in theirs} if names is None else names
    for name, known in (*((name, mine) for name in names), *((name, theirs) for name in names.values())):
        if name not in known:
            raise ValueError(f'keypoints: there is no {name!r} among {", ".join(known)}')
    if not names:
        raise ValueError(
            f'keypoints: no name of the student ({", ".join(mine)}) is one of the teacher '
            f'({", ".join(theirs)}): pair them with names=dict(...)'
        )
    return [mine.index(name) for name in names], [theirs.index(name) for name in names.values()]


def _keypoint_names(dataset: str | dict) -> list[str]:
    if isinstance(dataset, str):
        found = DATASETS.get(dataset)
        if found is None:
            raise ValueError(
                f'keypoints: {dataset!r} is no registered dataset; expected one like '
                "'CheckedCocoDataset', or metainfo such as dict(from_file=...)"
            )
        dataset = found.METAINFO
    named = parse_pose_metainfo(dataset)['keypoint_id2name']
    return [named[i] for i in range(len(named))]


def _normalisation(model: BaseModel) -> dict[str, Any]:
    """What a model's preprocessor does to pixels."""
    found = model.data_preprocessor
    return dict(
        mean=getattr(found, 'mean', torch.zeros(0)).flatten().tolist(),
        std=getattr(found, 'std', torch.zeros(0)).flatten().tolist(),
        swaps_channels=bool(getattr(found, '_channel_conversion', False)),
    )
