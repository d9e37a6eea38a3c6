"""Top-down estimator for a backbone with experts."""

from collections.abc import Sequence
from typing import Any

from mmpose.models.pose_estimators import TopdownPoseEstimator
from mmpose.registry import MODELS
from mmpose.structures import PoseDataSample
from torch import Tensor

from ..checkpoints.experts_and_decoders import gather_decoders
from ..heads import MultiDatasetHead


@MODELS.register_module()
class MultiDatasetPoseEstimator(TopdownPoseEstimator):
    """MMPose's top-down estimator that also passes the dataset of each sample to the backbone.

    It needs a `ViT` with experts and a `MultiDatasetHead`; the head's default_dataset applies to both.
    Without experts, use MMPose's own estimator. The arguments are those of `TopdownPoseEstimator`. The
    authors' ViTPose+ checkpoints load without conversion. ValueError for another backbone or head.
    """

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        if not getattr(self.backbone, 'experts', ()) or not isinstance(getattr(self, 'head', None), MultiDatasetHead):
            raise ValueError(
                "MultiDatasetPoseEstimator needs backbone=dict(type='ViT', experts=...) and "
                "head=dict(type='MultiDatasetHead', ...): use type='TopdownPoseEstimator' without experts"
            )
        self._register_load_state_dict_pre_hook(gather_decoders)

    def extract_feat(self, inputs: Tensor, datasets: Sequence[str] | int | Tensor | None = None) -> tuple[Tensor, ...]:
        """Extract feature maps of images (B, 3, H, W).

        `datasets` are those of the images, or the result of `ViT.route`; None for the head's default.
        """
        if datasets is None:
            datasets = [self.head.default_dataset] * len(inputs)
        feats = self.backbone(inputs, datasets)
        return self.neck(feats) if self.with_neck else feats

    def loss(self, inputs: Tensor, data_samples: list[PoseDataSample]) -> dict:
        """Compute the losses of a batch, see `MultiDatasetHead.loss`."""
        datasets = self.head.datasets(data_samples)
        compiled = getattr(self.backbone, '_compiled_call_impl', None) is not None
        feats = self.extract_feat(inputs, self.backbone.route(datasets, inputs.device, compiled))
        return self.head.loss(feats, data_samples, train_cfg=self.train_cfg, datasets=datasets)

    def predict(self, inputs: Tensor, data_samples: list[PoseDataSample]) -> list[PoseDataSample]:
        """Predict the poses of a batch, in image pixels."""
        datasets = self.head.datasets(data_samples)
        route = self.backbone.route(datasets, inputs.device)  # once for both passes
        flip = self.test_cfg.get('flip_test', False)
        passes = [self.extract_feat(image, route) for image in ([inputs, inputs.flip(-1)] if flip else [inputs])]
        result = self.head.predict(
            passes if flip else passes[0], data_samples, test_cfg=self.test_cfg, datasets=datasets
        )
        poses, fields = result if isinstance(result, tuple) else (result, None)
        return self.add_pred_to_datasample(poses, fields, data_samples)
