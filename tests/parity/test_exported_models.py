"""Exported files give torch's heatmaps and keypoints: every layout, both decoders, both codecs, datasets, flip test."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.utils import digit_version
from mmpose.registry import MODELS

from tests.unit.bench.fitted_model import export_once, people, write_fitted
from tests.unit.predict.tiny_models import several, single, write
from vitpose import PosePredictor
from vitpose.cli.main import main
from vitpose.export.rendered_crops import crop_people
from vitpose.export.sizes import resize
from vitpose.export.writing import Target, run_heatmaps, write_file
from vitpose.predict.models.exported import ExportedModel
from vitpose.predict.models.torch_model import PoseModel
from vitpose_mm.export import onnx_file
from vitpose_mm.export.graph import DecodingGraph
from vitpose_mm.networks.heatmaps.confidence import Confidence
from vitpose_mm.networks.heatmaps.presence import Presence

onnxruntime = pytest.importorskip('onnxruntime', reason='exported files need it (requirements/tested.txt)')
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(digit_version(torch.__version__) < digit_version('2.6'), reason='export needs torch 2.6'),
]
# a grid of 16x12 tokens, which the windows do not divide
WINDOWS = dict(window_size=(5, 5), shift=True, pool=True, rel_pos='decomposed')


def windowed():
    """Stride 8, windows with shift, pooling and relative position, a knowledge token, the simple decoder."""
    cfg = single(decoder='simple', flip_test=True)
    cfg.model.backbone.update(stride=8, attention=WINDOWS, knowledge_token=dict(width=20))
    cfg.model.head.feature_stride = 8
    return cfg


def mixed():
    """Full attention in every fourth of the blocks, the classic codec, the classic decoder at stride 8."""
    cfg = single('aic')
    attention = dict(window_size=(4, 3), full_every_quarter=True)
    cfg.model.backbone.update(arch=dict(depth=4, embed_dim=48, num_heads=2), stride=8, attention=attention)
    cfg.model.head.feature_stride = 8
    return cfg


CASES = {
    'windows, flip test': (windowed, None, None),
    'full every quarter, classic codec and decoder': (mixed, None, None),
    'experts merged, flip test with a shift': (several, 'aic', None),
    'another size': (single, None, (160, 96)),
}


def relative_difference(ours, theirs):
    """That of 95% of the values; below 1, it is absolute."""
    return np.quantile(np.abs(ours - theirs) / (1 + np.abs(theirs)), 0.95)


RUNS = [*((case, 'onnx') for case in CASES), ('experts merged, flip test with a shift', 'openvino')]
RUNS += [pytest.param('windows, flip test', 'openvino', marks=pytest.mark.long)]
SUFFIXES = {'onnx': ['.onnx'], 'openvino': ['.bin', '.xml']}


@pytest.mark.parametrize(('case', 'kind'), RUNS)
def test_a_file_gives_the_keypoints_of_torch(case, kind, tmp_path):
    make, dataset, size = CASES[case]
    cfg = make()
    files = write(cfg, tmp_path, seed=1 if size else 0)  # whose maxima are not too flat at that size
    if size:
        resize(cfg, size)
    model = PoseModel(cfg, files[1], 'cpu', flip_test='flip test' in case, dataset=dataset)
    assert size is None or model.crop_rule.input_size == size[::-1]
    if case == 'windows, flip test':  # initialized to zero
        torch.nn.init.normal_(model.model.backbone.layers[0].attn.rel_pos.rel_pos_h, std=0.2)
    out = tmp_path / f'model{SUFFIXES[kind][-1]}'
    crops = crop_people(model.crop_rule, 17)
    differences = write_file(model, Path(files[1]), Target(kind), out, crops, checked=False)
    assert differences.heatmaps[0] < 2e-5, differences.lines()
    # random weights: maxima are flat, and the last bits of a heatmap move keypoints far more than a trained model's. So
    # the keypoints are compared with those of torch for the file's own heatmaps
    exported = ExportedModel(out)
    keypoints, scores, covariance = exported.network(crops)
    with torch.no_grad():
        expected = DecodingGraph(model.codec)(torch.from_numpy(run_heatmaps(exported, model, crops)))
    # where a maximum is almost flat in one direction, rounding moves the refined keypoint by up to a pixel
    assert np.quantile(np.abs(keypoints - expected[0].numpy()), 0.99) < 0.05
    np.testing.assert_allclose(scores, expected[1].numpy(), atol=1e-5)
    assert relative_difference(covariance, expected[2].numpy()) < 0.005
    assert exported.extras == model.extras == ('covariance',) and exported.metainfo['score_kind'] == 'peak'
    assert exported.metainfo['dataset_name'] == model.metainfo['dataset_name']
    assert exported.crop_rule == model.crop_rule and exported.flip_test == model.flip_test
    assert sorted(path.suffix for path in tmp_path.glob('model.*')) == sorted(['.py', '.pth', *SUFFIXES[kind]])


def test_a_backbone_with_experts_takes_the_dataset_of_each_image_at_any_batch_size(tmp_path):
    torch.manual_seed(0)
    vit = dict(type='ViT', arch=dict(depth=2, embed_dim=48, num_heads=4), img_size=(72, 56), stride=8)  # 9x7 tokens
    experts = dict(names=['coco', 'aic', 'mpii'], expert_dim=16)
    model = MODELS.build(dict(vit, attention=dict(window_size=(4, 3), shift=True, pool=True), experts=experts)).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    inputs, names = (torch.randn(2, 3, 72, 56), torch.tensor([0, 1])), ['image', 'route']
    shapes = ({0: torch.export.Dim('batch')},) * 2
    file = tmp_path / 'vit.onnx'
    torch.onnx.export(model, inputs, file, dynamo=True, input_names=names, dynamic_shapes=shapes, verbose=False)
    session = onnxruntime.InferenceSession(file, providers=['CPUExecutionProvider'])
    for route in ([2], [1, 2, 1]):
        inputs = (torch.randn(len(route), 3, 72, 56), torch.tensor(route))
        (feature,) = session.run(None, {name: value.numpy() for name, value in zip(names, inputs, strict=True)})
        with torch.no_grad():
            expected = model(*inputs)[0].numpy()
        # outputs are of order 1, where fp32 has a precision of 6e-8; the two runtimes sum in a different order
        np.testing.assert_allclose(feature, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize('kind', ['onnx', pytest.param('openvino', marks=pytest.mark.long)])
def test_a_file_of_a_calibrated_model_gives_its_probabilities(kind, tmp_path):
    files, out = write(single(), tmp_path), tmp_path / f'model{SUFFIXES[kind][-1]}'
    model = PoseModel(*files, 'cpu')
    crops = crop_people(model.crop_rule, 17)
    torch.manual_seed(0)
    model.confidence, model.network.has_features = Confidence(48, 17).eval(), True
    model.presence = Presence(48, 17).eval()
    model.metainfo['score_kind'] = 'probability'
    write_file(model, Path(files[1]), Target(kind), out, crops, checked=False)  # random heatmaps have equal maxima
    exported = ExportedModel(out)
    assert exported.extras == model.extras and exported.metainfo['score_kind'] == 'probability'
    (_, scores, found), (_, expected, values) = (each.predict(crops, model.extras) for each in (exported, model))
    for ours, theirs in zip((scores, *found.values()), (expected, *values.values()), strict=True):
        assert relative_difference(ours, theirs) < 0.005
    poses = PosePredictor(exported, detector=None, uncertainty=True)(np.zeros((90, 90, 3), np.uint8))
    assert poses.score_kind == 'probability' and poses.presence.shape == poses.visibility.shape == (1, 17)


def test_onnx_weights_in_fewer_bits(tmp_path, monkeypatch):
    """The file shrinks, and the heatmaps differ as little as rounding to 11 or 8 bits can explain, but do differ."""
    model = PoseModel(*write_fitted(tmp_path), 'cpu')
    export_once(monkeypatch)
    crops, sizes = crop_people(model.crop_rule, 17), {}
    weights = sum(value.numel() for value in model.model.parameters())
    for precision, bytes_per_weight, largest in (('fp32', 4, 1e-5), ('fp16', 2, 0.002), ('int8', 1, 0.1)):
        file = tmp_path / f'{precision}.onnx'
        differences = write_file(model, tmp_path / 'model.pth', Target('onnx', precision), file, crops)
        sizes[precision] = file.stat().st_size
        assert sizes['fp32'] - sizes[precision] >= 0.9 * (4 - bytes_per_weight) * weights
        assert differences.heatmaps[0] < largest and (precision == 'fp32' or differences.heatmaps[0] > 1e-5)
        exported = ExportedModel(file)
        assert exported.info.precision == precision
        assert np.quantile(np.abs(exported.predict(crops)[0] - model.predict(crops)[0]), 0.9) < 0.5


def test_weights_above_the_limit_of_protobuf_stand_beside(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(onnx_file, 'MAX_WEIGHT_BYTES', 1000)
    config, checkpoint = write_fitted(tmp_path)
    out = tmp_path / 'files/heatmaps.onnx'  # as the copy that is compared was once called
    assert main(['export', config, checkpoint, '--to', 'onnx', '--out', str(out)]) == 0
    assert f'{out}.data: 0.' in capsys.readouterr().out
    assert sorted(path.name for path in out.parent.iterdir()) == ['heatmaps.onnx', 'heatmaps.onnx.data']
    assert len({path.stat().st_mode for path in out.parent.iterdir()}) == 1
    outputs = [output.name for output in onnxruntime.InferenceSession(out).get_outputs()]
    assert outputs == ['keypoints', 'scores', 'covariance']
    PosePredictor.load(out)
    out.with_name('heatmaps.onnx.data').unlink()
    with pytest.raises(ValueError, match=r'heatmaps.onnx: ONNX Runtime cannot read it.*External data'):
        PosePredictor.load(out)


def test_the_heatmap_file_runs_unchanged_in_rtmlib(tmp_path):
    rtmlib = pytest.importorskip('rtmlib', reason='the other tool is rtmlib (projects/peers/requirements.txt)')
    files = write_fitted(tmp_path)
    model = PoseModel(*files, device='cpu')
    out, crops = tmp_path / 'h.onnx', crop_people(model.crop_rule, 17)
    write_file(model, Path(files[1]), Target('onnx', decode=False), out, crops)
    tool = rtmlib.ViTPose(str(out), model.crop_rule.input_size)
    images, boxes = people()
    ours = PosePredictor.load(*files, device='cpu')(images, boxes)
    for image, people_boxes, poses in zip(images, boxes, ours, strict=True):
        keypoints, scores = tool(np.ascontiguousarray(image[..., ::-1]), people_boxes)
        pixel = model.crop_rule.regions(people_boxes)[1][:, 0].max() / model.crop_rule.input_size[0]
        assert np.linalg.norm(keypoints - poses.keypoints, axis=-1).max() < pixel
        np.testing.assert_allclose(scores, poses.scores, atol=0.05)
