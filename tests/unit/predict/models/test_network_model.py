"""NetworkModel: what it reads from a checkpoint alone, and what it refuses; tests/parity compares it with MMPose."""

import numpy as np
import pytest
import torch

from tests.unit.predict.tiny_models import rendered, single, write
from vitpose import PosePredictor
from vitpose.predict import optional_imports
from vitpose.predict.models.file_info import IN_METAINFO
from vitpose.predict.models.network_model import NetworkModel
from vitpose.predict.models.torch_model import PoseModel


def changed(file, path, change, **meta):
    """Save the weights of a checkpoint under another path, after a change."""
    weights = torch.load(file, weights_only=True)['state_dict']
    change(weights)
    torch.save(dict(state_dict=weights, meta=meta), path)
    return path


def drop(part):
    def change(weights):
        for key in [key for key in weights if part in key]:
            del weights[key]

    return change


def test_attributes_are_those_that_prediction_needs(model_files):
    model = NetworkModel(model_files[1], 'cpu', 'fp32', True, 'coco')
    assert (model.num_keypoints, model.metainfo['dataset_name'], model.metainfo['category']) == (17, 'coco', 'person')
    assert (str(model.device), model.precision, model.flip_test) == ('cpu', 'fp32', True)
    assert model.crop_rule.input_size == (96, 128) and model.crop_rule.use_udp
    assert model.metainfo['keypoint_id2name'][0] == 'nose' and len(model.metainfo['sigmas']) == 17


def test_the_dataset_must_be_chosen_unless_the_file_records_it(model_files, tmp_path):
    with pytest.raises(
        ValueError, match=r'model.pth: the dataset of its 17 keypoints is not recorded: .* Human-Art, ap'
    ):
        NetworkModel(model_files[1])
    recorded = changed(model_files[1], tmp_path / 'recorded.pth', lambda weights: None, dataset='ap10k')
    assert NetworkModel(recorded).metainfo['dataset_name'] == 'ap10k'
    with pytest.raises(ValueError, match="recorded.pth: dataset='coco': this model predicts ap10k$"):
        NetworkModel(recorded, dataset='coco')
    with pytest.raises(ValueError, match="model.pth: it predicts 17 keypoints, 'aic' has 14"):
        NetworkModel(model_files[1], dataset='aic')


def test_one_of_several_datasets_must_be_chosen(multi_model_files):
    for dataset in (None, 'ap10k'):
        with pytest.raises(ValueError, match=f'dataset={dataset!r}: this model predicts coco, aic, mpii; choose one'):
            NetworkModel(multi_model_files[1], dataset=dataset)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (drop('head'), "dataset='coco': this file has no decoder"),
        (drop('backbone'), 'no ViT of a known origin'),
        (drop('last_norm'), r'2 missing \(last_norm.weight, last_norm.bias\)'),
        (drop('final_layer.bias'), r'0 keys unexpected, 1 keys \(head.final_layer.bias\) missing'),
        (lambda weights: weights.update({'head.x': torch.ones(1)}), r'1 keys \(head.x\) unexpected'),
        (
            lambda weights: weights._metadata.clear(),
            'number of attention heads of 2 blocks of width 48 is not recorded',
        ),
        (
            lambda weights: weights.update({'backbone.layers.0.attn.rel_pos.rel_pos_h': torch.ones(7, 24)}),
            'the windows of its attention cannot be told from the file: predict with its config',
        ),
    ],
)
def test_files_that_do_not_tell_their_network_are_refused(model_files, tmp_path, change, message):
    file = changed(model_files[1], tmp_path / 'other.pth', change)
    with pytest.raises(ValueError, match=f'other.pth: .*{message}'):
        NetworkModel(file, dataset='coco')


def test_an_unknown_grid_is_refused(model_files, tmp_path):
    def change(weights):
        weights._metadata['backbone'].pop('grid')
        weights['backbone.pos_embed'] = torch.ones(1, 50, 48)

    with pytest.raises(ValueError, match='the image size of its position table of 50 entries cannot be told'):
        NetworkModel(changed(model_files[1], tmp_path / 'other.pth', change), dataset='coco')


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'none.pth: no such checkpoint'):
        PosePredictor.load(tmp_path / 'none.pth', dataset='coco')


def test_a_checkpoint_alone_takes_no_config(model_files):
    for name, value in dict(checkpoint=model_files[1], cfg_options=dict(a=1)).items():
        with pytest.raises(ValueError, match=f'model.pth with {name}=.*: only with a config'):
            PosePredictor.load(model_files[1], **{name: value})


def test_a_config_without_openmmlab_is_refused(monkeypatch, model_files):
    monkeypatch.setattr(optional_imports, 'missing_packages', lambda: ['mmengine', 'mmpose'])
    with pytest.raises(ValueError, match='model.py: a config needs mmengine, mmpose, not .*: .*the checkpoint alone'):
        PosePredictor.load(*model_files)


def test_bfloat16_is_computed_by_the_layers(monkeypatch, model_files):
    monkeypatch.setattr('vitpose.predict.models.device.has_bfloat16', lambda _: True)
    model = NetworkModel(model_files[1], 'cpu', 'bf16', dataset='coco')
    assert model.model.backbone.layers[0].mlp.fc1.weight.dtype == torch.bfloat16
    assert model.heatmaps(np.zeros((1, 128, 96, 3), np.uint8)).dtype == torch.float32


def test_pixels_of_the_recorded_config_are_used(tmp_path):
    cfg = single()
    cfg.model.data_preprocessor = dict(type='PoseDataPreprocessor', mean=[1, 2, 3], std=[4, 5, 6], bgr_to_rgb=False)
    config, checkpoint = write(cfg, tmp_path)
    file = changed(checkpoint, tmp_path / 'own.pth', lambda weights: None, cfg=cfg.pretty_text, dataset='coco')
    graph = NetworkModel(file).network
    assert (graph.mean.flatten().tolist(), graph.std.flatten().tolist(), graph.rgb) == ([1, 2, 3], [4, 5, 6], False)


@pytest.mark.parametrize('settings', [{}, dict(objects='two_pass', box_share=(0.1, 0.5), license='MIT')])
def test_how_objects_are_found_is_as_the_recorded_config_says(settings, tmp_path):
    cfg = single()
    cfg.update(settings)
    config, checkpoint = write(cfg, tmp_path)
    file = changed(checkpoint, tmp_path / 'own.pth', lambda weights: None, cfg=cfg.pretty_text, dataset='coco')
    alone, whole = NetworkModel(file).metainfo, PoseModel(config, checkpoint, 'cpu').metainfo
    assert {key: alone[key] for key in IN_METAINFO} == {key: whole[key] for key in IN_METAINFO}


@pytest.mark.parametrize('kind', ['ViT', 'mmpose.ViT', 'vitpose_mm.backbones.ViT'])
def test_the_windows_of_the_recorded_config_are_used(kind, tmp_path):
    """Without relative positions the weights do not tell them; lazy configs record the module of a class."""
    cfg = single()
    cfg.model.backbone.attention = dict(window_size=(2, 2), shift=True)
    config, checkpoint = write(cfg, tmp_path)
    cfg.model.backbone.type = kind
    file = changed(checkpoint, tmp_path / 'own.pth', lambda weights: None, cfg=cfg.pretty_text, dataset='coco')
    crops = np.random.default_rng(0).integers(0, 255, (1, 128, 96, 3), np.uint8)
    assert torch.equal(NetworkModel(file).heatmaps(crops), PoseModel(config, checkpoint, 'cpu').heatmaps(crops))


@pytest.mark.parametrize('decoder', ['classic', 'simple'])
def test_presence_is_predicted_with_and_without_the_config(decoder, tmp_path):
    cfg, plain = single(decoder=decoder), write(single(decoder=decoder), tmp_path / 'plain')
    head = dict(cfg.model.head.to_dict(), presence=True)
    head['decoder'] = dict(head['decoder'], type='BatchUDPHeatmap', presence=True)
    cfg.model.head = head
    files, (image, boxes) = write(cfg, tmp_path), rendered(0)
    models = PoseModel(*files, 'cpu'), NetworkModel(files[1], 'cpu', dataset='coco')
    found = [PosePredictor(model, detector=None)(image, boxes) for model in models]
    for poses in found:
        for name in ('presence', 'visibility'):
            values = getattr(poses, name)
            assert values.shape == poses.scores.shape and np.std(values) > 0
            np.testing.assert_allclose(values, getattr(found[0], name), atol=1e-5)
            assert np.shape(poses.to_dict()[name]) == values.shape
        assert (poses.visibility <= poses.presence).all() and poses.score_kind == 'peak'
    without = PosePredictor(PoseModel(*plain, 'cpu'), detector=None)(image, boxes)
    assert without.presence is None and 'presence' not in without.to_dict()
