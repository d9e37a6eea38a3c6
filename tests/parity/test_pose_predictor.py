"""PosePredictor's keypoints are those of MMPose's inference functions with the same boxes."""

import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.dataset import Compose, pseudo_collate
from mmengine.structures import InstanceData
from mmpose.apis import MMPoseInferencer, inference_topdown, init_model

from tests.unit.predict.tiny_models import DATASETS, rendered, several, single, write
from vitpose import PosePredictor
from vitpose_mm.datasets.metainfo import parse_metainfo

MODELS = {
    'classic head': single,
    'simple head': lambda: single(decoder='simple'),
    'classic codec': lambda: single('aic'),
    'flip test': lambda: single(flip_test=True),
    'classic codec, flip test': lambda: single('aic', flip_test=True),
}
TOLERANCE_PX = 1e-3
IMAGES = range(3)


class GivenBoxes:
    """Stands in for the detector of MMPoseInferencer, which takes no boxes."""

    def __call__(self, image, return_datasamples):
        boxes = next(boxes for drawn, boxes in map(rendered, IMAGES) if np.array_equal(drawn, image))
        scores = torch.linspace(1, 0.5, len(boxes))  # the inferencer sorts by score
        instances = InstanceData(bboxes=torch.from_numpy(boxes), scores=scores, labels=torch.zeros(len(boxes)))
        return dict(predictions=[DetDataSample(pred_instances=instances)])


@pytest.mark.parametrize('name', MODELS)
def test_inference_functions_of_mmpose(name, tmp_path):
    cfg = MODELS[name]()
    files = write(cfg, tmp_path)
    predictor = PosePredictor.load(*files, device='cpu', batch_size=5, flip_test=cfg.model.test_cfg.flip_test)
    images, boxes = zip(*map(rendered, IMAGES), strict=True)
    ours = predictor(list(images), list(boxes))
    model = init_model(*files, device='cpu')
    for i, poses in zip(IMAGES, ours, strict=True):
        compare(poses, inference_topdown(model, *rendered(i)))

    inferencer = MMPoseInferencer(*files, det_model='whole_image', device='cpu')
    inferencer.inferencer.detector, inferencer.inferencer.det_cat_ids = GivenBoxes(), (0,)
    results = inferencer(list(images), return_datasamples=True, nms_thr=1.0)
    for poses, result in zip(ours, results, strict=True):
        compare(poses, result['predictions'])


@pytest.mark.parametrize(('experts', 'flip_test'), [(True, False), (True, True), (False, False)])
def test_multi_dataset_models(experts, flip_test, tmp_path):
    cfg = several(experts)
    files = write(cfg, tmp_path)
    model = init_model(*files, device='cpu')
    model.test_cfg['flip_test'] = flip_test
    image, boxes = rendered(1)
    for name, member in zip(DATASETS, cfg.test_dataloader.dataset.datasets, strict=True):
        predictor = PosePredictor.load(*files, device='cpu', flip_test=flip_test, dataset=name)
        pipeline, meta = Compose(member.pipeline), parse_metainfo(member)
        samples = [dict(img=image, bbox=box[None], bbox_score=np.ones(1, np.float32), **meta) for box in boxes]
        with torch.no_grad():
            theirs = model.test_step(pseudo_collate([pipeline(sample) for sample in samples]))
        assert {sample.metainfo['dataset_name'] for sample in theirs} == {name}
        compare(predictor(image, boxes), theirs)


def compare(poses, samples):
    keypoints, scores = (
        np.concatenate([getattr(sample.pred_instances, name) for sample in samples])
        for name in ('keypoints', 'keypoint_scores')
    )
    # random heatmaps have flat maxima, which UDP may move far out of the image: there, compare relatively
    np.testing.assert_allclose(poses.keypoints, keypoints, atol=TOLERANCE_PX, rtol=1e-5)
    np.testing.assert_allclose(poses.scores, scores, atol=1e-5)
    assert np.ptp(keypoints, 0).mean() > 10  # different people have different poses
