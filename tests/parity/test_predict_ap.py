"""AP with detector boxes: `vitpose predict` with pycocotools, and `vitpose eval`, give what `mim test` gives."""

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
from vitpose.predict.evaluation import STATS


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
    expected = [theirs[f'coco/{name}'] for name in STATS]
    np.testing.assert_allclose(evaluation.stats, expected, atol=1e-6)
    for name in ('predictions.jsonl', 'keypoints.json'):
        capfd.readouterr()
        assert main(['eval', str(tmp_path / 'out' / name), '--ann', images, '--json']) == 0
        ours = json.loads(capfd.readouterr().out)
        np.testing.assert_allclose([ours[f'coco/{key}'] for key in STATS], expected, atol=1e-6)


@pytest.mark.slow
def test_pck_auc_and_pixels_with_annotated_boxes(tmp_path, capsys):
    cfg = single()
    cfg.model.head.decoder = CLASSIC
    files = write(cfg, tmp_path)
    write_data(tmp_path, PosePredictor.load(*files, device='cpu'))
    annotations = tmp_path / 'val.json'
    truth, rng = json.loads(annotations.read_text()), np.random.default_rng(0)
    for row in truth['annotations']:  # some keypoints near, some far, and some not labeled
        noise = rng.normal(0, rng.choice([1, 6, 30], 17))[:, None] * [1, 1, 0]
        keypoints = np.reshape(row['keypoints'], (-1, 3)) + noise
        keypoints[rng.random(17) < 0.2] = 0
        row['keypoints'] = keypoints.ravel().tolist()
    annotations.write_text(json.dumps(truth))
    cfg.test_dataloader.dataset.update(data_root=str(tmp_path), data_prefix=dict(img=''), ann_file='val.json')
    pck = [dict(type='PCKAccuracy', thr=thr, prefix=str(thr)) for thr in (0.05, 0.1, 0.2)]
    cfg.test_evaluator = [*pck, dict(type='AUC'), dict(type='EPE')]
    cfg.update(work_dir=str(tmp_path / 'work'), load_from=files[1], test_cfg=dict(), launcher='none')
    for key in ('train_dataloader', 'val_dataloader', 'val_evaluator'):
        cfg.pop(key, None)
    theirs = Runner.from_cfg(cfg).test()
    words = ['--config', files[0], '--checkpoint', files[1], '--boxes', str(annotations), '--device', 'cpu']
    assert main(['predict', str(tmp_path), *words, '--no-draw', '--out', str(tmp_path / 'out')]) == 0
    capsys.readouterr()
    assert main(['eval', str(tmp_path / 'out/predictions.jsonl'), '--ann', str(annotations), '--json']) == 0
    ours = json.loads(capsys.readouterr().out)
    assert ours['people'] == ours['found'] == len(truth['annotations']) and 0.2 < theirs['0.1/PCK'] < 0.9
    expected = [theirs[f'{thr}/PCK'] for thr in (0.05, 0.1, 0.2)] + [theirs['AUC'], theirs['EPE']]
    scores = [ours[name] for name in ('PCK@0.05', 'PCK@0.1', 'PCK@0.2', 'AUC', 'EPE')]
    np.testing.assert_allclose(scores, expected, atol=1e-3)
