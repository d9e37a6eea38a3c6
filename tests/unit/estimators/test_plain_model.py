"""Splitting one dataset's model from a multi-dataset model: identical heatmaps, nothing of other datasets."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpose.registry import MODELS
from mmpose.structures import PoseDataSample

import vitpose_mm  # noqa: F401
from tests.unit.configs.reading import POSE, RESIZED, copy_config, for_each
from tests.unit.heads.test_confidence_head import CONFIDENCE
from vitpose_mm.datasets.metainfo import parse_metainfo
from vitpose_mm.estimators.plain_model import split_config, split_model

CONFIG = Path(__file__).parents[1] / 'checkpoints' / 'three_datasets.py'


def load(experts=True):
    """The config, with experts or with MMPose's own estimator and no experts."""
    cfg = Config.fromfile(CONFIG)
    if not experts:
        del cfg.model.backbone['experts']
        cfg.model.type = 'TopdownPoseEstimator'
    init_default_scope('mmpose')
    return cfg


@torch.no_grad()
def build(cfg):
    """A model whose parameters and batch-norm statistics are all random."""
    model = MODELS.build(cfg.model).eval()
    generator = torch.Generator().manual_seed(0)
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point():
            noise = torch.empty_like(tensor).uniform_(-0.5, 0.5, generator=generator)
            tensor.copy_(1 + noise if name.endswith('running_var') else noise)
    return model


@pytest.mark.parametrize('experts', [True, False])
@pytest.mark.parametrize('name', ['coco', 'aic', 'mpii'])
@torch.no_grad()
def test_heatmaps_are_bitwise_equal(name, experts):
    cfg = load(experts)
    multi = build(cfg)
    single = MODELS.build(split_config(cfg, name).model).eval()
    weights = split_model(cfg, multi.state_dict(), name).state_dict()
    single.load_state_dict(weights, strict=True)
    assert type(single).__name__ == 'TopdownPoseEstimator'
    assert not [key for key in weights if 'expert' in key or 'heads' in key]
    assert weights['backbone.layers.1.mlp.fc2.weight'].shape == (48, 192)
    image = torch.randn(3, 3, 64, 48, generator=torch.Generator().manual_seed(1))
    # flipping swaps keypoints 0 and 1, 2 and 3, ...
    count = single.head.out_channels
    flip = [number ^ 1 if number ^ 1 < count else number for number in range(count)]
    batch = [PoseDataSample(metainfo=dict(dataset_name=name, flip_indices=flip)) for _ in image]
    route = [[name] * 3] if experts else []
    feats = [multi.extract_feat(x, *route) for x in (image, image.flip(-1))]
    expected_poses, expected = multi.head.predict(feats, batch, dict(multi.test_cfg, output_heatmaps=True))
    feats = [single.extract_feat(x) for x in (image, image.flip(-1))]
    poses, fields = single.head.predict(feats, batch, dict(single.test_cfg, output_heatmaps=True))
    for i in range(3):
        assert torch.equal(fields[i].heatmaps, expected[i].heatmaps)
        assert (poses[i].keypoints == expected_poses[i].keypoints).all()
    assert fields[0].heatmaps.std() > 0.01  # constant heatmaps would be equal for any model


def test_presence_and_confidence_are_split_with_their_head():
    cfg = load()
    head = cfg.model.head.heads.coco
    head.decoder = dict(type='BatchUDPHeatmap', input_size=(48, 64), heatmap_size=(12, 16), sigma=2, presence=True)
    head.update(presence=True, confidence=CONFIDENCE)
    weights = build(cfg).state_dict()
    single = split_model(cfg, weights, 'coco').state_dict()
    MODELS.build(split_config(cfg, 'coco').model).load_state_dict(single, strict=True)
    for part in ('head.presence.', 'head.confidence.'):
        of_part = {key: value for key, value in single.items() if key.startswith(part)}
        assert len(of_part) > 2
        assert all(
            torch.equal(value, weights[key.replace('head.', 'head.heads.coco.')]) for key, value in of_part.items()
        )
    other = split_model(cfg, weights, 'aic').state_dict()
    assert not [key for key in other if 'presence' in key or 'confidence' in key]


def test_config_contains_only_the_chosen_dataset(tmp_path):
    single = split_config(load(), 'aic')
    (tmp_path / 'aic.py').write_text(single.pretty_text)
    assert Config.fromfile(tmp_path / 'aic.py').to_dict() == single.to_dict()
    assert single.model.head.out_channels == 14
    assert single.model.head.decoder.type == 'MSRAHeatmap'
    assert single.model.test_cfg == dict(flip_test=True, flip_mode='heatmap', shift_heatmap=True)
    assert not {'experts', 'init_cfg'} & set(single.model.backbone)
    dataset = single.test_dataloader.dataset
    assert (dataset.type, dataset.ann_file, dataset.test_mode) == ('CheckedAicDataset', 'val.json', True)
    assert dataset.pipeline[2] == dict(type='TopdownAffine', input_size=(48, 64))
    assert dataset.metainfo == dict(from_file='configs/_base_/datasets/aic.py')
    assert (single.test_dataloader.batch_size, single.val_dataloader.batch_size) == (8, 4)
    metric = dict(type='CocoMetric', ann_file='data/aic/val.json', use_area=False, prefix='aic')
    assert single.test_evaluator == single.val_evaluator == metric
    assert (single.data_mode, single.dataset_type) == ('topdown', 'AicDataset')
    assert single.custom_imports.imports == ['vitpose_mm']
    assert not {'train_dataloader', 'train_cfg', 'optim_wrapper', 'custom_hooks'} & set(single)
    assert set(single.default_hooks) == {'logger'}


def test_a_dataset_that_is_only_validated_is_taken_from_validation():
    cfg = load()
    cfg.test_dataloader = dict(cfg.test_dataloader, dataset=cfg.val_sets[0])
    cfg.test_evaluator = cfg.metrics[0]
    assert split_config(cfg, 'mpii').test_dataloader.dataset.type == 'CheckedMpiiDataset'
    assert split_config(cfg, 'mpii').test_evaluator.type == 'MpiiPCKAccuracy'
    assert split_config(cfg, 'coco').test_evaluator.type == 'CocoMetric'


def test_the_pipeline_of_a_combined_dataset_of_mmpose_is_appended():
    cfg = load()
    members = [dict(part, pipeline=part.pipeline[:3]) for part in cfg.val_sets]
    meta = dict(from_file='configs/_base_/datasets/coco.py')
    cfg.test_dataloader.dataset = dict(type='CombinedDataset', metainfo=meta, datasets=members, pipeline=cfg.packing)
    steps = split_config(cfg, 'mpii').test_dataloader.dataset.pipeline
    assert [step.type for step in steps] == ['LoadImage', 'GetBBoxCenterScale', 'TopdownAffine', 'PackPoseInputs']


@for_each([leaf for leaf in POSE if leaf.parent.name == 'multi_dataset' and leaf not in RESIZED])
def test_every_multi_dataset_config_can_be_split(leaf):
    cfg = copy_config(leaf)
    for name, head in cfg.model.head.heads.items():
        single = split_config(cfg, name)
        meta = parse_metainfo(single.test_dataloader.dataset)
        assert (meta['dataset_name'], meta['num_keypoints']) == (name, single.model.head.out_channels)
        assert not Path(single.test_dataloader.dataset.metainfo.get('from_file', '')).is_absolute()
        assert single.model.head == head
        assert single.model.test_cfg.shift_heatmap is (head.decoder.type == 'BatchMSRAHeatmap')
        assert 'datasets' not in single.test_evaluator


def test_a_config_that_cannot_be_split_is_refused():
    with pytest.raises(ValueError, match="no head for dataset 'hand' in this config: choose one of coco, aic, mpii"):
        split_config(load(), 'hand')
    cfg = load()
    cfg.model.backbone.experts.names = ['coco', 'mpii']
    with pytest.raises(ValueError, match="no expert for dataset 'aic' in this config: choose one of coco, mpii"):
        split_config(cfg, 'aic')
    cfg.model.head = cfg.model.head.heads.coco
    with pytest.raises(ValueError, match='model.head is a ClassicHead: expected a MultiDatasetHead'):
        split_config(cfg, 'coco')
    cfg = load()
    for part in ('val', 'test'):
        cfg[f'{part}_dataloader'].dataset.datasets = cfg.val_sets[:1]
    with pytest.raises(ValueError, match=r"does not test dataset 'aic', only coco: add it to test_dataloader"):
        split_config(cfg, 'aic')


def test_a_checkpoint_of_another_model_is_refused():
    cfg = load()
    weights = MODELS.build(cfg.model).state_dict()
    incomplete = {key: value for key, value in weights.items() if key != 'backbone.layers.0.norm1.weight'}
    for other, message in (
        ({**weights, 'neck.conv.weight': torch.zeros(1)}, '(?s)does not fit the config:.*neck.conv.weight'),
        (incomplete, r'does not fit this ViT: 1 missing \(layers.0.norm1.weight\)'),
        (split_model(cfg, weights, 'coco').state_dict(), '(?s)does not fit the config:.*heads.aic'),  # of one dataset
    ):
        with pytest.raises(ValueError, match=message):
            split_model(cfg, other, 'aic')
