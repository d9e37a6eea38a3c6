"""The shapes given in docs/architecture.md, section "Data flow through the model"."""

import numpy as np
import torch
from mmengine import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope
from mmpose.registry import DATASETS, MODELS

from tests.coco_files import noise_image, person, write_coco
from vitpose_mm.heads.batch_targets import batch_targets


def test_shapes_of_one_image(root, tmp_path):
    noise_image(tmp_path / '1.png', np.random.default_rng(0), 300, 400)
    keypoints = np.array([(60 + 10 * k, 50 + 12 * k, 2) for k in range(17)])
    write_coco(tmp_path / 'one.json', ['1.png'], 300, 400, [person(1, [40, 30, 200, 240], keypoints)])
    cfg = Config.fromfile(root / 'configs/coco/vitpose-base_coco-256x192.py')
    init_default_scope('mmpose')
    files = dict(data_root=str(tmp_path), ann_file='one.json', data_prefix=dict(img=''), bbox_file=None)
    training, testing = (DATASETS.build(cfg[f'{part}_dataloader'].dataset | files) for part in ('train', 'test'))

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
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    model.head.init_weights()
    assert batch_targets(model.head.decoder, [sample], torch.device('cpu'))[0].shape == (1, 17, 64, 48)
    images = model.data_preprocessor(pseudo_collate([testing[0], testing[0]]))['inputs']
    assert images.shape == (2, 3, 256, 192)
    blue, _, red = testing[0]['inputs'].float()
    torch.testing.assert_close(images[0, 0], (red - 123.675) / 58.395)
    torch.testing.assert_close(images[0, 2], (blue - 103.53) / 57.375)

    # steps 4 to 7: tokens, feature map, heatmaps, loss, prediction in image pixels
    with torch.no_grad():
        assert model.eval().backbone.patch_embed(images).shape == (2, 16, 12, 768)
        (features,) = model.backbone(images)
        assert features.shape == (2, 768, 16, 12)
        assert model.head((features,)).shape == (2, 17, 64, 48)
        batch = model.data_preprocessor(pseudo_collate([training[0], training[0]]), training=True)
        loss = model(**batch, mode='loss')['loss_kpt']
        assert loss.shape == () and loss > 0
        (prediction,) = model.test_step(pseudo_collate([testing[0]]))
    keypoints = prediction.pred_instances.keypoints
    assert keypoints.shape == (1, 17, 2)
    # an untrained model predicts somewhere inside the crop: the person's box, padded to 3:4 and scaled by 1.25
    assert (np.abs(keypoints[0] - [140, 150]) <= np.array([225, 300]) / 2 + 1).all()
