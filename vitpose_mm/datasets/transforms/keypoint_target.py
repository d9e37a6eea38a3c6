"""A replacement for MMPose's GenerateTarget that leaves encoding heatmaps to the head."""

import numpy as np
from mmpose.datasets.transforms import GenerateTarget, PackPoseInputs
from mmpose.registry import TRANSFORMS

# field of gt_instances, (1, K, 5) in fp32: x and y in input pixels, whether it is labeled, weight, and 1 if it is
# visible, 0 if occluded, -1 if unknown
KEYPOINT_TARGET = 'keypoint_target'


@TRANSFORMS.register_module()
class KeypointTarget(GenerateTarget):
    """Send the keypoints in the crop to the model, whose head encodes the heatmaps of the whole batch on its device.

    It replaces `GenerateTarget(encoder=...)` for `ClassicHead` and `SimpleHead`, alone or in a `MultiDatasetHead`. The
    losses are the same, and a worker sends 5 numbers per keypoint instead of a heatmap.

    Args:
        encoder: config of the codec: `BatchUDPHeatmap` or `BatchMSRAHeatmap`, the same as the head's `decoder`, which
            encodes the heatmaps. `RunCheckHook` compares them.
        use_dataset_keypoint_weights: whether to multiply the weights by the dataset's keypoint weights.

    Raises:
        TypeError: there are several codecs, or the codec cannot encode a batch.
    """

    def __init__(self, encoder: dict, use_dataset_keypoint_weights: bool = False):
        super().__init__(encoder, use_dataset_keypoint_weights=use_dataset_keypoint_weights)
        if not hasattr(self.encoder, 'targets'):
            raise TypeError(
                f'KeypointTarget: encoder={encoder}: expected one BatchUDPHeatmap or BatchMSRAHeatmap; other codecs '
                "need MMPose's GenerateTarget"
            )

    def transform(self, results: dict) -> dict:
        """Add `keypoint_target` (1, K, 5) to what `PackPoseInputs` packs. KeyError for a sample without keypoints."""
        keypoints = results.get('transformed_keypoints')
        if keypoints is None:
            keypoints = results['keypoints']
        visible = results['keypoints_visible']
        target = np.ones((*keypoints.shape[:2], 5), np.float32)
        target[..., :2] = keypoints[..., :2]
        target[..., 2] = visible[..., 0] if visible.ndim == 3 else visible
        if self.use_dataset_keypoint_weights:
            target[..., 3] = results['dataset_keypoint_weights']
        target[..., 4] = _visibility(results, keypoints.shape[1])
        results[KEYPOINT_TARGET] = target
        table = results.get('instance_mapping_table', PackPoseInputs.instance_mapping_table)
        results['instance_mapping_table'] = {**table, KEYPOINT_TARGET: KEYPOINT_TARGET}
        return results


def _visibility(results: dict, count: int) -> np.ndarray | int:
    """Return COCO's flags of `count` keypoints less 1: MMPose's `keypoints_visible` only says which are labeled."""
    annotation = results.get('raw_ann_info')
    flags = np.array(annotation.get('keypoints', ()) if isinstance(annotation, dict) else (), np.float32)[2::3]
    if len(flags) != count or results['keypoints_visible'].ndim == 3:  # none, or converted to other keypoints
        return -1
    if results.get('flip_direction') in ('horizontal', 'vertical'):
        flags = flags[list(results['flip_indices'])]
    return np.minimum(flags - 1, 1)
