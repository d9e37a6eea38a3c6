"""AP with detector boxes: `vitpose predict` and pycocotools give what `mim test`'s CocoMetric gives."""

import json

import cv2
import numpy as np
import pytest
from mmengine.runner import Runner
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from tests.unit.predict.tiny_models import CLASSIC, rendered, single, write
from vitpose import PosePredictor
from vitpose.cli.main import main


def write_data(folder, predictor):
    """Write images, the model's own poses as annotations, and detections: good ones, duplicates, shifted and wrong."""
    rng = np.random.default_rng(0)
    images, annotations, detections = [], [], []
    for image_id in range(1, 9):
        image, boxes = rendered(image_id)
        boxes = boxes.round()  # with fractions MMPose rounds x + width in another order
        cv2.imwrite(str(folder / f'{image_id}.png'), image)
        images.append(dict(id=image_id, file_name=f'{image_id}.png', width=image.shape[1], height=image.shape[0]))
        poses = predictor(image, boxes)
        for points, box in zip(poses.keypoints, boxes, strict=True):
            x, y, *size = *box[:2].tolist(), *(box[2:] - box[:2]).tolist()
            keypoints = np.column_stack((points, np.full(len(points), 2))).ravel().tolist()
            kept = dict(id=len(annotations) + 1, image_id=image_id, category_id=1, iscrowd=0, num_keypoints=17)
            annotations.append(dict(kept, bbox=[x, y, *size], area=size[0] * size[1], keypoints=keypoints))
            for shift in (0, 0, 0, 0.3, 2, 30):  # pixels
                moved = (box[:2] + (rng.normal(0, shift, 2) * 4).round() / 4).tolist()
                score = float(rng.uniform(0.2, 1))
                detections.append(dict(image_id=image_id, category_id=1, bbox=[*moved, *size], score=score))
    categories = [dict(id=1, name='person')]
    truth = dict(images=images, annotations=annotations, categories=categories)
    (folder / 'val.json').write_text(json.dumps(truth))
    (folder / 'boxes.json').write_text(json.dumps(detections))


@pytest.mark.slow
@pytest.mark.parametrize(
    'metric', [{}, dict(nms_mode='soft_oks_nms', nms_thr=0.5), dict(nms_mode='none', score_mode='bbox')]
)
def test_ap_with_detector_boxes(tmp_path, metric, capfd):
    cfg = single()
    cfg.model.head.decoder = CLASSIC  # UDP amplifies differences in the last bit where heatmaps are flat
    files = write(cfg, tmp_path)
    write_data(tmp_path, PosePredictor.load(*files, device='cpu'))
    loader = cfg.test_dataloader
    loader.dataset.update(data_root=str(tmp_path), data_prefix=dict(img=''), bbox_file=str(tmp_path / 'boxes.json'))
    cfg.test_evaluator.update(ann_file=str(tmp_path / 'val.json'), **metric)
    cfg.update(work_dir=str(tmp_path / 'work'), load_from=files[1], test_cfg=dict(), launcher='none')
    for key in ('train_dataloader', 'val_dataloader'):
        cfg.pop(key)
    cfg.dump(files[0])
    theirs = Runner.from_cfg(cfg).test()
    names = ('boxes.json', 'val.json')
    boxes, images = (str(tmp_path / name) for name in names)
    words = ['--config', files[0], '--checkpoint', files[1], '--boxes', boxes, '--images-json', images]
    assert main(['predict', str(tmp_path), *words, '--device', 'cpu', '--no-draw', '--out', str(tmp_path / 'out')]) == 0
    truth = COCO(images)
    evaluation = COCOeval(truth, truth.loadRes(str(tmp_path / 'out' / 'keypoints.json')), 'keypoints')
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    assert 0.2 < theirs['coco/AP'] < 0.98
    expected = [theirs[f'coco/{name}'] for name in ('AP', 'AP .5', 'AP .75', 'AP (M)', 'AP (L)', 'AR')]
    np.testing.assert_allclose(evaluation.stats[:6], expected, atol=1e-6)
