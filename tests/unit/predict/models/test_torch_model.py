"""PoseModel: what it reads from configs and checkpoints, what it refuses, and what it compiles."""

from functools import partial

import numpy as np
import pytest
import torch
from mmengine import Config
from mmengine.utils import digit_version
from torch._dynamo.testing import CompileCounterWithBackend

from tests.unit.predict.tiny_models import CLASSIC, UDP, rendered, single, write
from vitpose import PosePredictor
from vitpose.cli.main import main
from vitpose.predict.models import device
from vitpose.predict.models.torch_model import PoseModel, read_config

CROPS = np.random.default_rng(0).integers(0, 256, (7, 128, 96, 3), np.uint8)


@pytest.fixture(scope='module')
def model(model_files):
    return PoseModel(*model_files, device='cpu')


def changed(file, path, change):
    """Save the weights of a checkpoint under another path, after a change."""
    weights = torch.load(file, weights_only=True)['state_dict']
    change(weights)
    torch.save(weights, path)
    return path


def drop(weights, *parts):
    for key in [key for key in weights if any(part in key for part in parts)]:
        del weights[key]


def test_a_dataset_selects_head_codec_crop_and_keypoints(multi_model_files):
    model = PoseModel(*multi_model_files, device='cpu', dataset='aic')
    assert (model.num_keypoints, model.metainfo['dataset_name']) == (14, 'aic')
    assert model.model.head.decoder.input_size == CLASSIC['input_size']
    assert type(model.model.head.decoder).__name__.endswith('MSRAHeatmap')
    assert not model.crop_rule.use_udp and model.model.test_cfg['shift_heatmap']
    other = PoseModel(*multi_model_files, device='cpu', dataset='mpii')
    assert (other.num_keypoints, other.crop_rule.use_udp) == (16, True)
    with pytest.raises(ValueError, match='dataset=None: this model predicts aic, coco, mpii'):
        PoseModel(*multi_model_files)


def test_the_only_dataset_is_the_default(multi_model_files, model_files, tmp_path):
    cfg = Config.fromfile(multi_model_files[0])
    cfg.model.head.heads, cfg.model.head.test_cfgs = dict(coco=cfg.model.head.heads.coco), {}
    checkpoint = changed(multi_model_files[1], tmp_path / 'one.pth', lambda weights: drop(weights, '.aic.', '.mpii.'))
    assert PoseModel(cfg, checkpoint).metainfo['dataset_name'] == 'coco'
    assert PoseModel(*model_files, dataset='coco').num_keypoints == 17
    with pytest.raises(ValueError, match="dataset='aic': this model predicts coco$"):
        PoseModel(*model_files, dataset='aic')


def test_heads_of_other_datasets_may_be_absent(multi_model_files, tmp_path):
    config, checkpoint = multi_model_files
    two = changed(checkpoint, tmp_path / 'two.pth', lambda weights: drop(weights, '.mpii.'))
    full, part = (PoseModel(config, file, dataset='coco').model.state_dict() for file in (checkpoint, two))
    assert full.keys() == part.keys() and all(torch.equal(part[key], full[key]) for key in full)
    with pytest.raises(ValueError, match=r'two.pth does not fit .*model.py: .*heads.mpii'):
        PoseModel(config, two, dataset='mpii')


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda weights: weights.update(extra=torch.zeros(1)), r'1 keys \(extra\) unexpected, 0 keys missing'),
        (lambda weights: weights.pop('head.final_layer.bias'), r'1 missing \(final_layer.bias\)'),
        (lambda weights: weights.pop('backbone.last_norm.bias'), r'1 missing \(last_norm.bias\)'),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused(model_files, tmp_path, change, message):
    other = changed(model_files[1], tmp_path / 'other.pth', change)
    with pytest.raises(ValueError, match=f'(?s)other.pth does not fit .*model.py: .*{message}'):
        PoseModel(model_files[0], other)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (dict(head=dict(type='RegressionHead', num_joints=17)), 'expected a TopdownPoseEstimator with'),
        (dict(head=dict(type='SimpleHead', out_channels=17)), 'heatmap head and its decoder'),
        (dict(head=dict(type='SimpleHead', out_channels=5, decoder=UDP)), "predicts 5 keypoints, its .* 'coco' has 17"),
        (dict(data_preprocessor=dict(type='PoseDataPreprocessor', pad_size_divisor=100)), 'without padding'),
        (dict(data_preprocessor=None), 'data_preprocessor'),
    ],
)
def test_models_that_cannot_be_repeated_are_refused(tmp_path, change, message):
    cfg = single()
    for name, value in change.items():
        cfg.model[name] = value
    cfg.model.head.in_channels = 48
    with pytest.raises(ValueError, match=message):
        PoseModel(*write(cfg, tmp_path))


def test_missing_files_and_incomplete_configs_are_named(model_files, tmp_path):
    cfg = Config.fromfile(model_files[0])
    cfg.pop('test_dataloader'), cfg.pop('val_dataloader')
    for config, checkpoint, error, message in (
        ('nowhere.py', model_files[1], FileNotFoundError, 'nowhere.py: no such config'),
        (model_files[0], tmp_path / 'nowhere.pth', FileNotFoundError, 'nowhere.pth: no such checkpoint'),
        (cfg, model_files[1], ValueError, 'expected a test_dataloader'),
        (Config(dict(a=1)), model_files[1], ValueError, 'expected a config with model='),
    ):
        with pytest.raises(error, match=message):
            PoseModel(config, checkpoint)


def test_normalization_is_that_of_the_data_preprocessor(model):
    pixels = torch.from_numpy(CROPS).permute(0, 3, 1, 2)
    theirs = model.model.data_preprocessor(dict(inputs=list(pixels), data_samples=[]))['inputs']
    assert torch.equal(model.normalized(CROPS), theirs)


def test_output_keypoint_indices_select_keypoints(model_files, model):
    cfg = Config.fromfile(model_files[0])
    cfg.model.test_cfg['output_keypoint_indices'] = [3, 1]
    some, heatmaps = PoseModel(cfg, model_files[1]), model.heatmaps(CROPS[:2])
    assert some.num_keypoints == 2
    for selected, every in zip(some.decode(heatmaps), model.decode(heatmaps), strict=True):
        np.testing.assert_array_equal(selected, every[:, [3, 1]])


def test_metainfo_is_of_the_selected_keypoints(model_files, model):
    cfg = Config.fromfile(model_files[0])
    cfg.model.test_cfg['output_keypoint_indices'] = [5, 3, 1, 2]  # a shoulder, an ear and two eyes
    some, whole = PoseModel(cfg, model_files[1]).metainfo, model.metainfo
    assert some['num_keypoints'] == 4
    assert list(some['keypoint_id2name'].values()) == ['left_shoulder', 'left_ear', 'left_eye', 'right_eye']
    assert sorted(some['skeleton_links']) == [(1, 0), (2, 1), (2, 3)] and len(some['skeleton_link_colors']) == 3
    assert some['flip_indices'] == [0, 1, 3, 2]
    for key in ('sigmas', 'keypoint_colors'):
        np.testing.assert_array_equal(some[key], whole[key][[5, 3, 1, 2]])


def test_a_dataset_without_sigmas_is_predicted(model_files):
    cfg = Config.fromfile(model_files[0])
    cfg.test_dataloader.dataset.metainfo = dict(from_file='configs/_base_/datasets/interhand3d.py')
    cfg.model.test_cfg['output_keypoint_indices'] = [3, 1]
    assert PoseModel(cfg, model_files[1]).metainfo['sigmas'] is None


def test_options_override_keys_of_a_config(model_files, model):
    cfg = Config.fromfile(model_files[0])
    changes = {'model.test_cfg.output_keypoint_indices': [3, 1]}
    for config in (model_files[0], cfg):
        predictor = PosePredictor.load(config, model_files[1], device='cpu', cfg_options=changes)
        assert predictor.model.num_keypoints == 2
    assert 'output_keypoint_indices' not in cfg.model.test_cfg
    with pytest.raises(ValueError, match=r'model.py with .*pipeline.99.type'):
        PoseModel(*model_files, cfg_options={'test_dataloader.dataset.pipeline.99.type': 'x'})


def test_configs_of_the_package_are_found_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert read_config('configs/coco/vitpose-base_coco-256x192.py')[0].model.head.out_channels == 17


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(device='gpu'), "device='gpu': .*expected 'auto', 'cpu', 'cuda'"),
        (dict(device=None), "device=None: .*expected 'auto', 'cpu', 'cuda'"),
        (dict(device='cuda:99'), "device='cuda:99': .*expected 'auto', 'cpu', 'cuda'"),
        (dict(precision='int8'), "precision='int8': expected 'fp32', 'bf16', 'fp16'"),
        (dict(precision='fp16', device='cpu'), "precision='fp16' needs a CUDA GPU"),
    ],
)
def test_unknown_devices_and_precisions_are_refused(model_files, options, message):
    with pytest.raises(ValueError, match=message):
        PoseModel(*model_files, **options)


def test_bf16_on_a_processor_without_it_computes_in_fp32(model_files, monkeypatch, logged):
    monkeypatch.setattr(device, 'has_bfloat16', lambda _: False)
    model = PoseModel(*model_files, device='cpu', precision='bf16')
    assert model.precision == 'fp32'
    assert {parameter.dtype for parameter in model.model.parameters()} == {torch.float32}
    assert logged().count('PosePredictor: this processor has no AVX-512 or bfloat16') == 1


def test_auto_is_the_precision_of_the_cards_tensor_cores(monkeypatch):
    for capability, expected in (((9, 0), 'bf16'), ((8, 0), 'bf16'), ((7, 5), 'fp16')):
        monkeypatch.setattr(torch.cuda, 'get_device_capability', lambda _, answer=capability: answer)
        assert device.as_precision('auto', torch.device('cuda')) == expected
        assert device.as_precision('auto', torch.device('cpu')) == 'fp32'


def test_bf16_gives_the_heatmaps_of_autocast(model_files, model, monkeypatch):
    monkeypatch.setattr(device, 'has_bfloat16', lambda _: True)
    ours = PoseModel(*model_files, device='cpu', precision='bf16')
    assert ours.model.backbone.layers[0].mlp.fc1.weight.dtype == torch.bfloat16
    with torch.inference_mode(), torch.autocast('cpu', torch.bfloat16):
        theirs = model.model.head(model.model.extract_feat(model.normalized(CROPS[:1])))
    assert torch.equal(ours.heatmaps(CROPS[:1]), theirs)
    assert ours.heatmaps(CROPS[:1]).dtype == torch.float32


def test_a_folder_of_transformers_is_a_checkpoint(tmp_path):
    config, checkpoint = write(single(decoder='simple'), tmp_path)
    assert main(['convert', checkpoint, str(tmp_path / 'hub'), '--to', 'transformers', '--num-heads', '2']) == 0
    ours, theirs = (PosePredictor.load(config, file, device='cpu') for file in (checkpoint, tmp_path / 'hub'))
    image, boxes = rendered(0)
    np.testing.assert_array_equal(ours(image, boxes).keypoints, theirs(image, boxes).keypoints)


@pytest.mark.slow
@pytest.mark.skipif(digit_version(torch.__version__) < digit_version('2.2'), reason='compiling needs torch 2.2')
def test_compiled_it_is_one_graph_for_all_sizes_of_a_batch(multi_model_files, monkeypatch):
    counter = CompileCounterWithBackend('aot_eager')  # without the minutes of a C++ compiler
    monkeypatch.setattr(torch, 'compile', partial(torch.compile, backend=counter))
    torch._dynamo.reset()
    eager, compiled = (PoseModel(*multi_model_files, device='cpu', dataset='aic', compile=c) for c in (False, True))
    for count in (4, 7, 2):
        expected = eager.heatmaps(CROPS[:count])
        assert (compiled.heatmaps(CROPS[:count]) - expected).abs().max() < 1e-5 * expected.abs().max()
    assert counter.frame_count == 1
    compiled.heatmaps(CROPS[:1])
    assert counter.frame_count == 2  # a single person has a graph of its own
    torch._dynamo.reset()
