"""COCO test-dev: images without annotations and detected boxes in, a result file for the server out."""

import json
from pathlib import Path

import numpy as np
from mmengine.evaluator import Evaluator
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmpose.registry import MODELS

from tests.coco_files import noise_image
from tests.unit.configs.reading import copy_config, read_config
from tests.unit.configs.test_steps import narrow


def test_results_are_written(tmp_path, monkeypatch):
    """One result per detected box, with the image and category ids of the server and 17 keypoints in the image."""
    monkeypatch.chdir(tmp_path)
    init_default_scope('mmpose')
    cfg = copy_config('coco/vitpose-base_coco-test-dev-256x192.py')
    images = Path('data/coco/test2017')
    images.mkdir(parents=True)
    noise_image(images / '000000000001.jpg', np.random.default_rng(0), 240, 320)
    info = dict(id=1, file_name='000000000001.jpg', width=320, height=240)
    listed = dict(images=[info], categories=[dict(id=1, name='person', supercategory='person')])
    boxes = [dict(image_id=1, category_id=1, bbox=[20.0 + 150 * i, 30, 120, 180], score=0.9 - 0.1 * i) for i in (0, 1)]
    for file, content in ((cfg.test_evaluator.ann_file, listed), (cfg.test_dataloader.dataset.bbox_file, boxes)):
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        Path(file).write_text(json.dumps(content))

    narrow(cfg.model, depth=1)
    model = MODELS.build(cfg.model).eval()
    cfg.test_dataloader.update(num_workers=0, persistent_workers=False)
    loader = Runner.build_dataloader(cfg.test_dataloader, seed=0)
    (batch,) = loader
    evaluator = Evaluator(cfg.test_evaluator)
    evaluator.dataset_meta = loader.dataset.metainfo
    evaluator.process(data_samples=model.test_step(batch), data_batch=batch)
    assert evaluator.evaluate(len(loader.dataset)) == {}

    results = json.loads(Path(f'{cfg.test_evaluator.outfile_prefix}.keypoints.json').read_text())
    assert [(r['image_id'], r['category_id'], len(r['keypoints'])) for r in results] == [(1, 1, 51)] * 2


def test_validation_stays_that_of_coco():
    dev, coco = (read_config(f'coco/vitpose-base_coco{name}-256x192.py') for name in ('-test-dev', ''))
    for key in ('model', 'train_dataloader', 'val_dataloader', 'val_evaluator', 'optim_wrapper', 'default_hooks'):
        assert dev[key] == coco[key]
