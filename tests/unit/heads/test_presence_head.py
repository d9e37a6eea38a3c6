"""Presence beside a decoder: targets, losses, checkpoints, predictions, and a training that learns it."""

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.structures import InstanceData
from mmpose.registry import KEYPOINT_CODECS, MODELS, TRANSFORMS
from mmpose.structures import PoseDataSample

import vitpose_mm  # noqa: F401
from tests.unit.configs.reading import CONFIGS
from tests.unit.heads.test_confidence_head import sample
from tests.unit.heads.test_decoders import build, kinds
from vitpose.synthetic.render_settings import RenderSettings, render_one
from vitpose_mm.checkpoints.validation import load_strictly
from vitpose_mm.datasets.transforms.keypoint_target import KEYPOINT_TARGET
from vitpose_mm.heads.presence_head import use_calibrations
from vitpose_mm.networks.heatmaps.confidence import Confidence, fingerprint
from vitpose_mm.networks.heatmaps.presence import Presence, read_presence

CODEC = dict(type='BatchUDPHeatmap', input_size=(48, 64), heatmap_size=(12, 16), sigma=2)
MSRA = dict(CODEC, type='BatchMSRAHeatmap')
LEAF = 'coco/vitpose-small_coco-256x192'
ON = dict(presence=True, decoder=dict(CODEC, presence=True))
PLACES = np.array([[20, 30], [20, 64.5], [-1, 5], [0, 0], [47.5, 63.5]])  # inside, below, left, inside, inside


@pytest.mark.parametrize('codec', [CODEC, MSRA, dict(MSRA, unbiased=True)])
def test_a_labeled_keypoint_outside_the_crop_is_nowhere(codec):
    keypoints, labeled = torch.tensor(PLACES)[None].float(), torch.tensor([[1, 1, 1, 0, 1.0]])
    old, old_weights = KEYPOINT_CODECS.build(codec).targets(keypoints, labeled)
    new, weights = KEYPOINT_CODECS.build(dict(codec, presence=True)).targets(keypoints, labeled)
    assert torch.equal(weights, labeled)  # the fourth has no label: it is not known where it is
    assert new[0, 1:4].abs().sum() == 0 and torch.equal(new[0, [0, 4]], old[0, [0, 4]])
    assert old[0, 1].max() > 0.5  # a label just outside reached into the crop
    far = KEYPOINT_CODECS.build(codec).targets(keypoints + 500, labeled)
    assert far[1].sum() == 0 and old_weights[0, 1] == 1
    assert torch.equal(KEYPOINT_CODECS.build(dict(codec, presence=True)).targets(keypoints + 500, labeled)[1], labeled)


@pytest.mark.parametrize('flip', [False, True])
def test_the_pipeline_sends_visibility(flip):
    flags = np.array([2, 1, 0, 2, 1])
    annotation = dict(keypoints=np.concatenate((PLACES, flags[:, None]), 1).ravel().tolist())
    results = dict(keypoints=PLACES[None], keypoints_visible=np.minimum(flags, 1)[None], flip_indices=[0, 2, 1, 4, 3])
    step = TRANSFORMS.build(dict(type='KeypointTarget', encoder=CODEC))
    target = step(dict(results))[KEYPOINT_TARGET]
    assert (target[..., 4] == -1).all()
    results |= dict(raw_ann_info=annotation, flip=flip, flip_direction='horizontal' if flip else None)
    target = step(dict(results))[KEYPOINT_TARGET]
    np.testing.assert_array_equal(target[0, :, 4], [1, -1, 0, 0, 1] if flip else [1, 0, -1, 1, 0])
    annotation['keypoints'] = annotation['keypoints'][:12]  # of other keypoints
    assert (step(dict(results))[KEYPOINT_TARGET][..., 4] == -1).all()


def labeled(points, flags, known, seed=0):
    made = sample(points, seed)
    target = np.stack((points[:, 0], points[:, 1], flags, np.ones(5), known), 1)[None].astype(np.float32)
    made.gt_instances.set_field(target, KEYPOINT_TARGET, dtype=None)
    return made


@kinds
def test_the_loss_is_the_cross_entropy_over_cells_and_nowhere(kind):
    head = build(kind, **ON).train(False)
    features = torch.randn(2, 32, 4, 3, requires_grad=True)
    flags, known = np.array([1, 1, 1, 0, 1]), np.array([1, 0, 0, -1, -1])
    losses = head.loss((features,), [labeled(PLACES, flags, known, seed) for seed in (0, 1)])
    with torch.no_grad():
        heatmaps = head((features,))
        nowhere = F.linear(features.mean((2, 3)), head.presence.nowhere.weight, head.presence.nowhere.bias)
        # cells and nowhere as classes; the prior of a cell is one over their number
        logits = torch.cat((10 * heatmaps.flatten(2) - np.log(12 * 16), nowhere[..., None]), -1)
        absent = logits.softmax(-1)[..., -1]
        truth = torch.tensor([0, 1, 1, 0, 0.0]).expand(2, 5)
        wrong = F.binary_cross_entropy(absent, truth, reduction='none') * torch.from_numpy(flags)
        shares = (10 * heatmaps).flatten(2).softmax(-1).unflatten(-1, (16, 12))
        maps = F.interpolate(head.presence.visible(features), scale_factor=4)
        visible = (maps * shares).sum((-2, -1))[:, 0].sigmoid()  # the only one inside with a flag
        expected = wrong.mean() - visible.log().sum() / 10
    torch.testing.assert_close(losses['loss_presence'], expected)
    losses['loss_presence'].backward()
    assert features.grad is None and all(p.grad is None for p in head.final_layer.parameters())
    assert all(p.grad.abs().sum() > 0 for p in head.presence.parameters())
    inside, seen = head.presence(heatmaps, features)
    torch.testing.assert_close(inside, 1 - absent)
    assert (seen <= inside).all()


@kinds
def test_checkpoints_fit_with_and_without_it(kind):
    plain, judging = build(kind, decoder=CODEC), build(kind, **ON)
    load_strictly(plain, judging.state_dict())
    load_strictly(judging, plain.state_dict())
    torch.testing.assert_close(plain.final_layer.weight, judging.final_layer.weight)
    assert not [key for key in plain.state_dict() if 'presence' in key]
    features, samples = (torch.randn(2, 32, 4, 3),), [sample(PLACES, seed) for seed in (0, 1)]
    assert 'keypoints_presence' not in judging.predict(features, samples)[0]  # its weights are random
    judging.train().loss(features, samples)
    assert 'keypoints_presence' in judging.eval().predict(features, samples)[0]
    judging.load_state_dict({}, strict=False)  # weights of other parts alone, such as a backbone
    assert 'keypoints_presence' in judging.predict(features, samples)[0]


def test_it_trains_beside_a_frozen_decoder():
    head = build('ClassicHead', freeze=True, **ON)
    load_strictly(head, build('ClassicHead', decoder=CODEC).state_dict())
    head.train().loss((torch.randn(1, 32, 4, 3),), [sample(PLACES)])['loss_presence'].backward()
    assert all(p.grad is not None for p in head.presence.parameters()) and not head.deconv_layers.training


def test_head_and_codec_must_agree():
    for wrong in (dict(ON, presence=False), dict(presence=True, decoder=CODEC), dict(presence=True, decoder=None)):
        with pytest.raises(ValueError, match='set presence=True in both'):
            build('SimpleHead', **wrong)
    head = build('SimpleHead', **ON)
    made = sample(PLACES)
    del made.gt_instances.keypoint_target
    with pytest.raises(ValueError, match="needs dict\\(type='KeypointTarget'"):
        head.loss((torch.randn(1, 32, 4, 3),), [made])


@kinds
@pytest.mark.parametrize('flip', [False, True])
def test_predictions_have_presence_and_calibrated_scores(kind, flip):
    head, plain = build(kind, **ON), build(kind, decoder=CODEC)
    load_strictly(plain, head.state_dict())
    samples = [sample(PLACES, seed) for seed in (0, 1)]
    pair = [(torch.randn(2, 32, 4, 3),) for _ in range(2)]
    feats, cfg = (pair, dict(flip_test=True)) if flip else (pair[0], {})
    expected, maps = plain.predict(feats, samples, dict(cfg, output_heatmaps=True))
    found, same = head.predict(feats, samples, dict(cfg, output_heatmaps=True))
    heatmaps = torch.stack([each.heatmaps for each in maps])
    torch.testing.assert_close(torch.stack([each.heatmaps for each in same]), heatmaps)
    presence = head.presence(heatmaps, pair[0][0])
    weights = {f'head.{key}': value for key, value in head.state_dict().items()}
    module = Confidence(32, 5, width=8).eval()
    stored = {f'head.confidence.{key}': value for key, value in module.state_dict().items()}
    stored['head.confidence.fingerprint'] = fingerprint(weights)
    model = torch.nn.Module()
    model.head = head
    for person, before, *values in zip(found, expected, *presence, strict=True):
        assert np.array_equal(person.keypoint_scores, before.keypoint_scores)
        for name, value in zip(('keypoints_presence', 'keypoints_visibility'), values, strict=True):
            np.testing.assert_allclose(person[name], value.detach()[None], rtol=1e-5)
    use_calibrations(model, weights | stored)
    assert head.state_dict().keys() == {key.removeprefix('head.') for key in weights}
    calibrated = head.predict(feats, samples, cfg)
    with torch.no_grad():
        scores = module(head.decoder, heatmaps, pair[0][0], head.decoder.locate(heatmaps))
    for i, person in enumerate(calibrated):
        np.testing.assert_allclose(person.keypoint_scores[0], scores.probabilities[i], rtol=1e-4)
        np.testing.assert_allclose(person.expected_oks, scores.expected_oks[i : i + 1], rtol=1e-4)
        np.testing.assert_allclose(person.keypoints_presence, found[i].keypoints_presence)  # the trained one
    if not flip:  # a backbone's feature maps may be in a list
        for person, same in zip(head.predict([*pair[1], *feats], samples, cfg), calibrated, strict=True):
            assert np.array_equal(person.keypoint_scores, same.keypoint_scores)
    with pytest.raises(ValueError, match='calibrated for other weights'):
        use_calibrations(model, weights | stored | {'head.final_layer.bias': torch.ones(5)})


def test_weights_are_read_from_a_checkpoint():
    module = Presence(6, 3).eval()
    maps, features = torch.rand(2, 3, 8, 4), torch.rand(2, 6, 4, 2)
    for prefix in ('head.presence.', 'head.heads.coco.presence.'):
        stored = {prefix + key: value for key, value in module.state_dict().items()}
        torch.testing.assert_close(read_presence(stored, 'coco')(maps, features), module(maps, features))
        with pytest.raises(ValueError, match='its presence is damaged'):
            read_presence({key: value for key, value in stored.items() if 'bias' not in key}, 'coco')
    assert read_presence({'head.final_layer.weight': maps}) is None


def test_the_config_part_adds_it_to_a_model(tmp_path):
    file, base = tmp_path / 'presence.py', [CONFIGS / f'{name}.py' for name in (LEAF, '_base_/models/presence')]
    file.write_text(f'_base_ = {[str(path) for path in base]}\nmodel = dict(head=_base_.presence)\n')
    cfg, plain = Config.fromfile(file).model.head, Config.fromfile(base[0]).model.head
    assert cfg.decoder.to_dict() == dict(plain.decoder, presence=True)
    assert MODELS.build(cfg).presence.visible.out_channels == plain.out_channels


SIZE = (48, 64)


def crops_of(split, count, seed=0):
    """Crops of rendered people, of which every other is cut off: images (B, 3, 64, 48) and samples."""
    rng, settings = np.random.default_rng(seed), RenderSettings(count, count, width=160, height=160)
    images, samples = [], []
    for index in range(count):
        drawn = render_one(settings, split, index)
        for person in drawn.people:
            x, y, w, h = person['bbox']
            points = np.array(person['keypoints'], float).reshape(-1, 3)
            if (points[:, 2] > 0).sum() < 12:
                continue
            if len(images) % 2:  # the upper or the lower half
                h, y = h / 2, y + (h / 2) * rng.integers(2)
            center, height = np.array([x + w / 2, y + h / 2]), max(h, w * 4 / 3) * 1.1
            scale = height / 64
            matrix = np.array([[1 / scale, 0, 24 - center[0] / scale], [0, 1 / scale, 32 - center[1] / scale]])
            images.append(cv2.warpAffine(drawn.image, matrix, SIZE, flags=cv2.INTER_AREA))
            points[:, :2] = points[:, :2] @ matrix[:, :2].T + matrix[:, 2]
            columns = np.minimum(points[:, 2:], 1), np.ones((17, 1)), points[:, 2:] - 1
            made = PoseDataSample(metainfo=dict(flip_indices=list(range(17)), input_size=SIZE))
            made.gt_instances = InstanceData(bboxes=np.zeros((1, 4)), bbox_scores=np.ones(1))
            target = np.concatenate((points[:, :2], *columns), 1)[None].astype(np.float32)
            made.gt_instances.set_field(target, KEYPOINT_TARGET, dtype=None)
            samples.append(made)
    return (torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() - 128) / 64, samples


def auroc(scores, is_good):
    good, bad = scores[is_good][:, None], scores[~is_good]
    return ((good > bad) + (good == bad) / 2).mean()


@pytest.mark.slow
def test_a_training_learns_which_keypoints_are_cut_off():
    torch.manual_seed(0)
    vit = dict(type='ViT', arch=dict(depth=2, embed_dim=48, num_heads=2), img_size=(64, 48), stride=8)
    head = dict(type='SimpleHead', in_channels=48, out_channels=17, feature_stride=8, **ON)
    head['loss'] = dict(type='HeatmapCrossEntropyLoss')
    model = MODELS.build(dict(type='TopdownPoseEstimator', backbone=vit, head=head, train_cfg=dict(compute_acc=False)))
    model.init_weights()
    model.train()
    images, samples = crops_of('train', 150)
    optimizer, rng = torch.optim.AdamW(model.parameters(), 2e-3), np.random.default_rng(0)
    for _ in range(150):
        rows = rng.permutation(len(images))[:32]
        losses = model.loss(images[rows], [samples[i] for i in rows])
        optimizer.zero_grad()
        sum(value for name, value in losses.items() if 'loss' in name).backward()
        optimizer.step()
    images, samples = crops_of('val', 60)
    with torch.no_grad():
        found = model.eval().head.predict(model.extract_feat(images), samples)
    labels = np.concatenate([each.gt_instances[KEYPOINT_TARGET] for each in samples])
    presence, visibility = (
        np.concatenate([person[name] for person in found]) for name in ('keypoints_presence', 'keypoints_visibility')
    )
    counts = labels[..., 2] > 0
    inside = ((labels[..., :2] >= 0) & (labels[..., :2] < SIZE)).all(-1)
    assert 0.1 < (~inside[counts]).mean() < 0.5
    found = [auroc(presence[counts], inside[counts]), presence[counts].mean() - inside[counts].mean()]
    counts &= inside
    found.append(auroc(visibility[counts], labels[counts][:, 4] > 0))
    assert found[0] > 0.8 and abs(found[1]) < 0.1 and found[2] > 0.55, found
