"""The estimator that passes each sample's dataset to the backbone and the head."""

import numpy as np
import pytest
import torch
from mmengine.model import PretrainedInit
from mmengine.runner import load_checkpoint
from mmpose.registry import MODELS

from tests.unit.estimators.distillation import multi_dataset_estimator
from tests.unit.heads.pose_samples import CODEC, pose_sample
from vitpose_mm.heads import multi_dataset_head
from vitpose_mm.layers.index import index_on
from vitpose_mm.networks import routing

KEYPOINTS = dict(coco=5, aic=3)


def build(**test_cfg):
    torch.manual_seed(0)
    simple = dict(type='SimpleHead', in_channels=32, decoder=CODEC)
    heads = {name: dict(simple, out_channels=count) for name, count in KEYPOINTS.items()}
    head = dict(type='MultiDatasetHead', heads=heads, default_dataset='coco')
    test_cfg |= dict(flip_mode='heatmap')
    model = MODELS.build(dict(multi_dataset_estimator(), head=head, test_cfg=test_cfg))
    for parameter in model.head.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return model.eval()


def samples(*names):
    place = dict(input_center=np.array([30.0, 40.0]), input_scale=np.array([48.0, 64.0]))
    named = [place | (dict(dataset_name=name) if name else {}) for name in names]
    return [pose_sample(KEYPOINTS[name or 'coco'], **meta) for name, meta in zip(names, named, strict=True)]


def test_it_needs_experts_and_a_head_per_dataset():
    model = multi_dataset_estimator()
    for changes in (dict(backbone=dict(model['backbone'], experts=None)), dict(head=model['head']['heads']['coco'])):
        with pytest.raises(ValueError, match="needs .*experts=.*MultiDatasetHead.*use type='TopdownPoseEstimator'"):
            MODELS.build(model | changes)


@pytest.mark.parametrize('flip', [False, True])
@torch.no_grad()
def test_each_image_of_a_mixed_batch_has_its_expert_and_head(flip):
    model, image, names = build(flip_test=flip, output_heatmaps=True), torch.randn(3, 3, 64, 48), ('aic', 'coco', 'aic')
    mixed = model.predict(image, samples(*names))
    for i, name in enumerate(names):
        plain, mirrored = (
            model.head.heads[name](model.backbone(x[i : i + 1], [name]))[0] for x in (image, image.flip(-1))
        )
        expected = (plain + mirrored.flip(-1)) / 2 if flip else plain
        torch.testing.assert_close(mixed[i].pred_fields.heatmaps, expected, rtol=0, atol=1e-5)
        assert mixed[i].pred_instances.keypoints.shape == (1, KEYPOINTS[name], 2)


def test_datasets_are_looked_up_once_per_batch(monkeypatch):
    model, names, indices = build(flip_test=True), [], []
    look_up = model.head.datasets
    monkeypatch.setattr(model.head, 'datasets', lambda batch: names.append(look_up(batch)) or names[-1])
    monkeypatch.setattr(routing, 'index_on', lambda *call: indices.append(call) or index_on(*call))
    with torch.no_grad():
        model.predict(torch.randn(2, 3, 64, 48), samples('aic', 'coco'))
    model.loss(torch.randn(2, 3, 64, 48), samples('aic', 'coco'))
    assert names == [['aic', 'coco']] * 2
    assert indices == [(torch.device('cpu'), [1, 0])] * 2


@pytest.mark.parametrize('part', ['estimator', 'head', 'nested'])
def test_authors_decoders_are_renamed_once_for_estimator_and_head(part, tmp_path, monkeypatch):
    """Their file has one dataset more than the model."""
    model, calls, rename = build(), [], multi_dataset_head.rename_decoders
    weights = {key: value for key, value in model.state_dict().items() if key.startswith('backbone.')}
    decoders = [model.head.heads[name].state_dict() for name in ('coco', 'aic', 'aic')]
    for number, prefix in enumerate(('keypoint_head', 'associate_keypoint_heads.0', 'associate_keypoint_heads.1')):
        weights |= {f'{prefix}.{key}': value + number + 1 for key, value in decoders[number].items()}
    prefix = 'student.' if part == 'nested' else ''
    torch.save(dict(state_dict={prefix + key: value for key, value in weights.items()}), tmp_path / 'authors.pth')
    monkeypatch.setattr(multi_dataset_head, 'rename_decoders', lambda *call: calls.append(1) or rename(*call))
    parts = dict(estimator=model, head=model.head, nested=torch.nn.ModuleDict({prefix[:-1]: model} if prefix else {}))
    load_checkpoint(parts[part], str(tmp_path / 'authors.pth'))
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
    model.neck.forward = lambda features: tuple(2 * feature for feature in features)
    torch.testing.assert_close(model.extract_feat(image)[0], 2 * plain)
