"""The top-down estimator for a backbone with experts."""

from collections.abc import Sequence
from typing import Any

from mmpose.models.pose_estimators import TopdownPoseEstimator
from mmpose.registry import MODELS
from mmpose.structures import PoseDataSample
from torch import Tensor


@MODELS.register_module()
class MultiDatasetPoseEstimator(TopdownPoseEstimator):
    """MMPose's top-down estimator that also tells the backbone each sample's dataset.

    Needs a `ViT` with experts and a `MultiDatasetHead`, whose default_dataset holds for both. Without
    experts MMPose's own estimator suffices. Arguments are its. The authors' ViTPose+ checkpoints load
    as they are.
    """

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self._register_load_state_dict_pre_hook(self._read_checkpoint)

    def _read_checkpoint(self, state_dict: dict, prefix: str, *_: object) -> None:
        # the authors' further decoders lie beside the head, where its own hook does not see them
        self.head.read_checkpoint(state_dict, prefix + 'head.')

    def _route(self, inputs: Tensor, samples: list[PoseDataSample]) -> int | Tensor:
        """The samples' experts, looked up once per batch."""
        return self.backbone.route(self.head.datasets(samples), inputs.device)

    def extract_feat(self, inputs: Tensor, datasets: Sequence[str] | int | Tensor | None = None) -> tuple[Tensor, ...]:
        """(B, 3, H, W) and each image's dataset, or its `ViT.route` -> feature maps; by default the head's default."""
        if datasets is None:
            datasets = [self.head.default_dataset] * len(inputs)
        feats = self.backbone(inputs, datasets)
        return self.neck(feats) if self.with_neck else feats

    def loss(self, inputs: Tensor, data_samples: list[PoseDataSample]) -> dict:
        """Losses of a batch."""
        feats = self.extract_feat(inputs, self._route(inputs, data_samples))
        return self.head.loss(feats, data_samples, train_cfg=self.train_cfg)

    def predict(self, inputs: Tensor, data_samples: list[PoseDataSample]) -> list[PoseDataSample]:
        """Poses of a batch, in pixels of the whole image."""
        route = self._route(inputs, data_samples)
        flip = self.test_cfg.get('flip_test', False)
        passes = [self.extract_feat(image, route) for image in ([inputs, inputs.flip(-1)] if flip else [inputs])]
        answer = self.head.predict(passes if flip else passes[0], data_samples, test_cfg=self.test_cfg)
        poses, fields = answer if isinstance(answer, tuple) else (answer, None)
        return self.add_pred_to_datasample(poses, fields, data_samples)
