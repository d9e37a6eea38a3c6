"""The shapes given in the README section "Data flow through the model"."""

import numpy as np
import pytest
import torch
from mmengine import Config
from mmengine.dataset import pseudo_collate
from mmengine.evaluator import Evaluator
from mmengine.registry import init_default_scope
from mmpose.registry import DATASETS, MODELS

from tests.coco_files import noise_image, person, write_coco
from vitpose_mm.heads.batch_targets import batch_targets

CONFIG = 'configs/coco/vitpose-base_coco-256x192.py'


@pytest.fixture
def cfg(root, tmp_path):
    """The leaf config with one image of one person as its data."""
    (tmp_path / 'images').mkdir()
    noise_image(tmp_path / 'images/1.png', np.random.default_rng(0), 300, 400)
    keypoints = np.array([(60 + 10 * k, 50 + 12 * k, 2) for k in range(17)])
    write_coco(tmp_path / 'one.json', ['1.png'], 300, 400, [person(1, [40, 30, 200, 240], keypoints)])
    cfg = Config.fromfile(root / CONFIG)
    init_default_scope('mmpose')
    paths = dict(data_root=str(tmp_path), ann_file='one.json', data_prefix=dict(img='images/'))
    cfg.train_dataloader.dataset.update(paths)
    cfg.test_dataloader.dataset.update(paths, bbox_file=None)
    cfg.test_evaluator.ann_file = str(tmp_path / 'one.json')
    return cfg


def test_shapes_of_one_image(cfg):
    torch.manual_seed(0)
    training, testing = (DATASETS.build(cfg.train_dataloader.dataset), DATASETS.build(cfg.test_dataloader.dataset))

    # steps 1 and 2: record, image, crop, targets
    record = testing.get_data_info(0)
    assert record['dataset_name'] == 'coco' and record['bbox'].shape == (1, 4)
    load, box, crop, _ = testing.pipeline.transforms
    loaded = load(record)
    assert loaded['img'].shape == (300, 400, 3) and loaded['img'].dtype == np.uint8
    assert crop(box(loaded))['img'].shape == (256, 192, 3)
    sample = training[0]['data_samples']
    assert sample.gt_instances.keypoint_target.shape == (1, 17, 4)

    # step 3: a batch
    model = MODELS.build(cfg.model)
    model.head.init_weights()
    assert batch_targets(model.head.decoder, [sample], torch.device('cpu'))[0].shape == (1, 17, 64, 48)
    data = model.data_preprocessor(pseudo_collate([testing[0], testing[0]]))
    images = torch.stack(data['inputs']) if isinstance(data['inputs'], list) else data['inputs']
    assert images.shape == (2, 3, 256, 192)
    blue, _, red = testing[0]['inputs'].float()
    torch.testing.assert_close(images[0, 0], (red - 123.675) / 58.395)
    torch.testing.assert_close(images[0, 2], (blue - 103.53) / 57.375)

    # steps 4 to 6: tokens, feature map, heatmaps
    model.eval()
    with torch.no_grad():
        assert model.backbone.patch_embed(images).shape == (2, 16, 12, 768)
        features = model.backbone(images)
        assert [tuple(f.shape) for f in features] == [(2, 768, 16, 12)]
        assert model.head(features).shape == (2, 17, 64, 48)

        # step 7: loss, prediction in image pixels, score
        batch = model.data_preprocessor(pseudo_collate([training[0], training[0]]), training=True)
        losses = model(**batch, mode='loss')
        assert losses['loss_kpt'].ndim == 0 and losses['loss_kpt'] > 0
        predictions = model.test_step(pseudo_collate([testing[0]]))
    keypoints = predictions[0].pred_instances.keypoints
    assert keypoints.shape == (1, 17, 2)
    # an untrained model predicts somewhere inside the crop: the person's box, padded to 3:4 and scaled by 1.25
    centre, scale = np.array([140, 150]), np.array([225, 300])
    assert (np.abs(keypoints[0] - centre) <= scale / 2 + 1).all()
    evaluator = Evaluator([cfg.test_evaluator])
    evaluator.dataset_meta = testing.metainfo
    evaluator.process(predictions)
    assert 0 <= evaluator.evaluate(1)['coco/AP'] <= 1
