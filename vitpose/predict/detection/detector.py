"""Find people with a detector of MMDetection, as MMPoseInferencer does, but several images at a time."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.registry import init_default_scope
from mmpose.apis.inferencers.utils import default_det_models
from mmpose.evaluation.functional import nms

from vitpose_mm.checkpoints.safe_load import load_weights
from vitpose_mm.checkpoints.validation import load_strictly
from vitpose_mm.noise import quiet

from ...errors import InputError
from ..models.device import as_device


class Detector:
    """Boxes of people in images.

    Args:
        model: config file of MMDetection; or a name that MMPoseInferencer accepts: 'human', 'animal', 'face', 'hand',
            or one of MMDetection's models such as 'rtmdet-m'.
        checkpoint: its weights; only tensors are read, no code in the file runs. None, for a name only: download the
            published ones, which MMEngine reads.
        device, score_threshold, nms_threshold: as for `OnnxDetector`.
        categories: numbers or names of the detector's classes; None: those of the name, or else the only class, or
            'person'.

    ImportError if MMDetection is not installed; FileNotFoundError if there is no such checkpoint; ValueError for a
    config file without checkpoint, a checkpoint that does not fit, or a class that the detector lacks.
    """

    batch_size = 8  # images

    def __init__(
        self,
        model: str | Path,
        checkpoint: str | Path | None = None,
        device: str = 'auto',
        score_threshold: float = 0.3,
        nms_threshold: float = 0.3,
        categories: Sequence[int | str] | None = None,
    ):
        with quiet():
            from mmdet.apis import DetInferencer

        known = default_det_models.get(str(model), {})
        config, name = str(known.get('model', model)), str(model)
        if checkpoint is None and not known and Path(config).suffix in ('.py', '.json', '.yml', '.yaml'):
            raise InputError(f'detector {name}: expected a checkpoint with a config file')
        published = known.get('weights') if checkpoint is None else None
        with warnings.catch_warnings():
            warnings.filterwarnings('ignore', '(Checkpoint is not loaded|weights is None|palette does not exist)')
            self._inferencer: Any = DetInferencer(config, published, str(as_device(device)), show_progress=False)
        init_default_scope('mmpose')
        if checkpoint is not None:
            try:
                load_strictly(self._inferencer.model, load_weights(Path(checkpoint)))
            except ValueError as problem:
                raise InputError(f'detector: {checkpoint} does not fit {name}: {problem}') from problem
        self.score_threshold, self.nms_threshold = score_threshold, nms_threshold
        named = categories or known.get('cat_ids')
        is_indices = named and all(isinstance(each, int) for each in named)
        self.categories = tuple(named if is_indices else find_classes(self._inferencer.cfg, name, named))

    def __call__(self, images: Sequence[np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return boxes (N, 4) x1 y1 x2 y2 in image pixels, scores (N,), best first, per image (H, W, 3) uint8 BGR."""
        samples = self._inferencer(list(images), batch_size=self.batch_size, return_datasamples=True, no_save_vis=True)
        detected = []
        for sample in samples['predictions']:
            people = sample.pred_instances.cpu().numpy()
            kept = np.isin(people.labels, self.categories) & (people.scores > self.score_threshold)
            boxes = np.concatenate((people.bboxes, people.scores[:, None]), 1)[kept].astype(np.float32)
            boxes = boxes[nms(boxes, self.nms_threshold)]
            detected.append((boxes[:, :4], boxes[:, 4]))
        return detected


def find_classes(cfg: Any, name: str, named: Sequence[int | str] | None) -> tuple[int, ...]:
    """Find the indices of classes of a detector's test set by names or indices; None: the only class, or 'person'."""
    from mmdet.registry import DATASETS

    dataset = cfg.test_dataloader.dataset
    kind: Any = dataset.type if isinstance(dataset.type, type) else DATASETS.get(dataset.type)
    classes = (dataset.get('metainfo') or {}).get('classes') or kind.METAINFO['classes']
    classes = [classes] if isinstance(classes, str) else list(classes)
    if named is None and len(classes) == 1:
        return (0,)
    indices = [classes.index(each) if each in classes else each for each in named or ('person',)]
    if wrong := [each for each in indices if not isinstance(each, int)]:
        has = ', '.join(classes)
        raise InputError(f"detector {name}: no class '{wrong[0]}' among {has}; choose some with categories")
    return tuple(map(int, indices))
