"""The estimator that passes each sample's dataset to the backbone and the head."""

import numpy as np
import pytest
import torch
from mmengine.model import PretrainedInit
from mmengine.runner import load_checkpoint
from mmengine.structures import InstanceData, PixelData
from mmpose.registry import MODELS
from mmpose.structures import PoseDataSample

from vitpose_mm.backbones import routing
from vitpose_mm.heads import multi_dataset_head
from vitpose_mm.layers.index import index_on

CODEC = dict(type='UDPHeatmap', input_size=(48, 64), heatmap_size=(12, 16), sigma=2)
KEYPOINTS = dict(coco=5, aic=3)


def build(**test_cfg):
    torch.manual_seed(0)
    heads = {
        name: dict(type='SimpleHead', in_channels=48, out_channels=count, decoder=CODEC)
        for name, count in KEYPOINTS.items()
    }
    model = MODELS.build(
        dict(
            type='MultiDatasetPoseEstimator',
            test_cfg=dict(flip_mode='heatmap', **test_cfg),
            backbone=dict(
                type='ViT',
                arch=dict(depth=2, embed_dim=48, num_heads=4),
                img_size=(64, 48),
                experts=dict(names=list(KEYPOINTS), expert_dim=16),
            ),
            head=dict(type='MultiDatasetHead', heads=heads, default_dataset='coco'),
        )
    )
    for parameter in model.head.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return model.eval()


def samples(*names):
    made = []
    for name in names:
        count = KEYPOINTS[name or 'coco']
        meta = dict(
            flip_indices=list(range(count)),
            input_size=(48, 64),
            input_center=np.array([30.0, 40.0]),
            input_scale=np.array([48.0, 64.0]),
        )
        sample = PoseDataSample(metainfo=dict(meta, dataset_name=name) if name else meta)
        sample.gt_instances = InstanceData(bboxes=np.zeros((1, 4)), bbox_scores=np.ones(1))
        sample.gt_instance_labels = InstanceData(keypoint_weights=torch.ones(1, count))
        sample.gt_fields = PixelData(heatmaps=torch.rand(count, 16, 12))
        made.append(sample)
    return made


def test_only_experts_and_heads_of_the_batchs_datasets_are_trained():
    model = build()
    model.loss(torch.randn(2, 3, 64, 48), samples('aic', 'aic'))['loss_kpt'].backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
    assert model.backbone.layers[1].mlp.experts.weight.grad.flatten(1).abs().sum(1).gt(0).tolist() == [False, True]
    assert model.head.heads['coco'].final_layer.weight.grad.abs().sum() == 0


@pytest.mark.parametrize('flip', [False, True])
def test_a_mixed_batch_gives_the_predictions_of_single_images(flip):
    model, image, names = build(flip_test=flip, output_heatmaps=True), torch.randn(3, 3, 64, 48), ('aic', 'coco', 'aic')
    with torch.no_grad():
        mixed = model.predict(image, samples(*names))
        for i, name in enumerate(names):
            (alone,) = model.predict(image[i : i + 1], samples(name))
            torch.testing.assert_close(mixed[i].pred_fields.heatmaps, alone.pred_fields.heatmaps, rtol=0, atol=1e-5)
            assert mixed[i].pred_instances.keypoints.shape == (1, KEYPOINTS[name], 2)


def test_flip_test_averages_with_the_mirrored_pass_of_the_same_expert():
    image = torch.randn(1, 3, 64, 48)
    with torch.no_grad():
        model = build(flip_test=True, output_heatmaps=True)
        both = model.predict(image, samples('aic'))[0].pred_fields.heatmaps
        plain, mirrored = (model.head.heads['aic'](model.backbone(x, ['aic']))[0] for x in (image, image.flip(-1)))
    torch.testing.assert_close(both, (plain + mirrored.flip(-1)) / 2)


def test_datasets_are_looked_up_once_per_batch(monkeypatch):
    model, names, indices = build(flip_test=True), [], []
    look_up = model.head.datasets
    monkeypatch.setattr(model.head, 'datasets', lambda batch: names.append(look_up(batch)) or names[-1])
    monkeypatch.setattr(routing, 'index_on', lambda *given: indices.append(given) or index_on(*given))
    with torch.no_grad():
        model.predict(torch.randn(2, 3, 64, 48), samples('aic', 'coco'))
    model.loss(torch.randn(2, 3, 64, 48), samples('aic', 'coco'))
    assert names == [['aic', 'coco']] * 2
    assert indices == [(torch.device('cpu'), [1, 0])] * 2


def authors_file(path):
    """Write decoders under the authors' keys, with one dataset more than the model has."""
    torch.manual_seed(1)
    own = build()
    weights = {key: value for key, value in own.state_dict().items() if key.startswith('backbone.')}
    for number, name in enumerate(('coco', 'aic', 'mpii')):
        prefix = f'associate_keypoint_heads.{number - 1}' if number else 'keypoint_head'
        decoder = own.head.heads[name if name in KEYPOINTS else 'aic'].state_dict()
        weights |= {f'{prefix}.{key}': value + number for key, value in decoder.items()}
    torch.save(dict(state_dict=weights), path)
    return weights


@pytest.mark.parametrize('part', ['estimator', 'head'])
def test_authors_decoders_are_renamed_once_for_estimator_and_head(part, tmp_path, monkeypatch):
    weights, model, calls = authors_file(tmp_path / 'authors.pth'), build(), []
    rename = multi_dataset_head.rename_decoders
    monkeypatch.setattr(multi_dataset_head, 'rename_decoders', lambda *given: calls.append(1) or rename(*given))
    load_checkpoint(model if part == 'estimator' else model.head, str(tmp_path / 'authors.pth'))
    assert calls == [1] and model.head.absent == set()
    for name, prefix in dict(coco='keypoint_head', aic='associate_keypoint_heads.0').items():
        for key, value in model.head.heads[name].state_dict().items():
            assert torch.equal(value, weights[f'{prefix}.{key}'])


def test_a_head_loads_a_single_decoder_by_prefix(tmp_path):
    decoder = {key: value + 1 for key, value in build().head.heads['coco'].state_dict().items()}
    torch.save({f'head.{key}': value for key, value in decoder.items()}, tmp_path / 'coco.pth')
    head = build().head
    PretrainedInit(str(tmp_path / 'coco.pth'), prefix='head.')(head)
    assert head.absent == {'aic'}
    for key, value in head.heads['coco'].state_dict().items():
        assert torch.equal(value, decoder[key])


def test_the_default_dataset_applies_to_backbone_and_head():
    model, image = build(output_heatmaps=True), torch.randn(1, 3, 64, 48)
    with torch.no_grad():
        unnamed = model.predict(image, samples(None))[0].pred_fields.heatmaps
        named = model.predict(image, samples('coco'))[0].pred_fields.heatmaps
        assert torch.equal(unnamed, named)
        assert torch.equal(model(image, None, mode='tensor')[0], named)


def test_features_pass_through_a_neck():
    model, image = build(), torch.randn(1, 3, 64, 48)
    (plain,) = model.extract_feat(image)
    model.neck = torch.nn.Module()
    model.neck.forward = lambda features: tuple(2 * each for each in features)
    torch.testing.assert_close(model.extract_feat(image)[0], 2 * plain)
