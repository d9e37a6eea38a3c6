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
from vitpose.predict.models.torch_model import PoseModel


def test_a_dataset_selects_head_codec_crop_and_keypoints(multi_model_files):
    model = PoseModel(*multi_model_files, device='cpu', dataset='aic')
    assert (model.num_keypoints, model.metainfo['dataset_name']) == (14, 'aic')
    assert model.model.head.decoder.input_size == CLASSIC['input_size']
    assert type(model.model.head.decoder).__name__.endswith('MSRAHeatmap')
    assert not model.crop_rule.use_udp and model.model.test_cfg['shift_heatmap']
    other = PoseModel(*multi_model_files, device='cpu', dataset='mpii')
    assert (other.num_keypoints, other.crop_rule.use_udp) == (16, True)


@pytest.mark.parametrize('dataset', [None, 'hand'])
def test_a_multi_dataset_model_needs_one_of_its_datasets(multi_model_files, dataset):
    with pytest.raises(ValueError, match=f'dataset={dataset!r}: this model predicts one of aic, coco, mpii'):
        PoseModel(*multi_model_files, dataset=dataset)


def test_the_only_dataset_is_the_default(multi_model_files, model_files):
    cfg = Config.fromfile(multi_model_files[0])
    cfg.model.head.heads = dict(coco=cfg.model.head.heads.coco)
    cfg.model.head.test_cfgs = {}
    weights = torch.load(multi_model_files[1], weights_only=True)['state_dict']
    own = {key: value for key, value in weights.items() if '.aic.' not in key and '.mpii.' not in key}
    path = multi_model_files[1].replace('model.pth', 'one.pth')
    torch.save(own, path)
    assert PoseModel(cfg, path).metainfo['dataset_name'] == 'coco'
    assert PoseModel(*model_files, dataset='coco').num_keypoints == 17
    with pytest.raises(ValueError, match="dataset='aic': this model has one dataset, 'coco'"):
        PoseModel(*model_files, dataset='aic')


def test_heads_of_other_datasets_may_be_absent(multi_model_files, tmp_path):
    weights = torch.load(multi_model_files[1], weights_only=True)['state_dict']
    torch.save({key: value for key, value in weights.items() if '.mpii.' not in key}, tmp_path / 'two.pth')
    full = PoseModel(*multi_model_files, dataset='coco').model.state_dict()
    for key, value in PoseModel(multi_model_files[0], tmp_path / 'two.pth', dataset='coco').model.state_dict().items():
        assert torch.equal(value, full[key])
    with pytest.raises(ValueError, match=r'two.pth does not fit .*model.py: .*heads.mpii'):
        PoseModel(multi_model_files[0], tmp_path / 'two.pth', dataset='mpii')


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda weights: weights.update(extra=torch.zeros(1)), r'1 keys \(extra\) unexpected, 0 keys missing'),
        (lambda weights: weights.pop('head.final_layer.bias'), r'1 missing \(final_layer.bias\)'),
        (lambda weights: weights.pop('backbone.last_norm.bias'), r'1 missing \(last_norm.bias\)'),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused(model_files, tmp_path, change, message):
    weights = torch.load(model_files[1], weights_only=True)['state_dict']
    change(weights)
    torch.save(weights, tmp_path / 'other.pth')
    with pytest.raises(ValueError, match=f'(?s)other.pth does not fit .*model.py: .*{message}'):
        PoseModel(model_files[0], tmp_path / 'other.pth')


def test_missing_files_are_named(model_files, tmp_path):
    with pytest.raises(FileNotFoundError, match='nowhere.py: no such config'):
        PoseModel('nowhere.py', model_files[1])
    with pytest.raises(FileNotFoundError, match='nowhere.pth: no such checkpoint'):
        PoseModel(model_files[0], tmp_path / 'nowhere.pth')


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (dict(head=dict(type='RegressionHead', in_channels=48, num_joints=17)), 'expected a TopdownPoseEstimator with'),
        (dict(head=dict(type='SimpleHead', in_channels=48, out_channels=17)), 'heatmap head and its decoder'),
        (
            dict(head=dict(type='SimpleHead', in_channels=48, out_channels=5, decoder=UDP)),
            "head predicts 5 keypoints, its test set 'coco' has 17",
        ),
        (
            dict(data_preprocessor=dict(type='PoseDataPreprocessor', pad_size_divisor=100)),
            'expected .* without padding',
        ),
        (dict(data_preprocessor=None), 'data_preprocessor'),
    ],
)
def test_models_that_cannot_be_repeated_are_refused(tmp_path, change, message):
    cfg = single()
    for name, value in change.items():
        cfg.model[name] = value
    with pytest.raises(ValueError, match=message):
        PoseModel(*write(cfg, tmp_path))


def test_a_config_without_test_data_or_model_is_refused(model_files):
    cfg = Config.fromfile(model_files[0])
    cfg.pop('test_dataloader'), cfg.pop('val_dataloader')
    with pytest.raises(ValueError, match='expected a test_dataloader'):
        PoseModel(cfg, model_files[1])
    with pytest.raises(ValueError, match='expected a config with model='):
        PoseModel(Config(dict(a=1)), model_files[1])


def test_normalisation_is_that_of_the_data_preprocessor(model_files):
    model = PoseModel(*model_files, device='cpu')
    crops = np.random.default_rng(0).integers(0, 255, (3, 128, 96, 3), np.uint8)
    pixels = torch.from_numpy(crops).permute(0, 3, 1, 2)
    theirs = model.model.data_preprocessor(dict(inputs=list(pixels), data_samples=[]))['inputs']
    assert torch.equal(model.normalized(crops), theirs)


def test_output_keypoint_indices_select_keypoints(tmp_path, model_files):
    path = tmp_path / 'some.py'
    cfg = Config.fromfile(model_files[0])
    cfg.model.test_cfg['output_keypoint_indices'] = [3, 1]
    cfg.dump(path)
    some, every = PoseModel(path, model_files[1]), PoseModel(*model_files)
    heatmaps = every.heatmaps(np.random.default_rng(0).integers(0, 255, (2, 128, 96, 3), np.uint8))
    assert some.num_keypoints == 2
    for own, all_of_them in zip(some.decode(heatmaps), every.decode(heatmaps), strict=True):
        np.testing.assert_array_equal(own, all_of_them[:, [3, 1]])


def test_unknown_devices_and_precisions_are_refused(model_files):
    for name in ('gpu', 'cuda:99'):
        with pytest.raises(ValueError, match=f"device='{name}': .*expected 'auto', 'cpu' or 'cuda'"):
            PoseModel(*model_files, device=name)
    with pytest.raises(ValueError, match="precision='int8': expected 'fp32', 'bf16', 'fp16'"):
        PoseModel(*model_files, precision='int8')
    with pytest.raises(ValueError, match="precision='fp16' needs a CUDA GPU"):
        PoseModel(*model_files, device='cpu', precision='fp16')


def test_bf16_on_a_processor_without_it_computes_in_fp32(model_files, monkeypatch, logged):
    monkeypatch.setattr(device, 'has_bfloat16', lambda _: False)
    model = PoseModel(*model_files, device='cpu', precision='bf16')
    assert model.precision == 'fp32'
    assert {parameter.dtype for parameter in model.model.parameters()} == {torch.float32}
    assert logged().count('PosePredictor: this processor has no AVX-512 or bfloat16') == 1


def test_bf16_gives_the_heatmaps_of_autocast(model_files, monkeypatch):
    monkeypatch.setattr(device, 'has_bfloat16', lambda _: True)
    crops = np.random.default_rng(0).integers(0, 255, (1, 128, 96, 3), np.uint8)
    ours, plain = PoseModel(*model_files, device='cpu', precision='bf16'), PoseModel(*model_files, device='cpu')
    assert ours.model.backbone.layers[0].mlp.fc1.weight.dtype == torch.bfloat16
    with torch.inference_mode(), torch.autocast('cpu', torch.bfloat16):
        theirs = plain.model.head(plain.model.extract_feat(plain.normalized(crops)))
    assert torch.equal(ours.heatmaps(crops), theirs)
    assert ours.heatmaps(crops).dtype == torch.float32


def test_a_folder_of_transformers_is_a_checkpoint(tmp_path):
    config, checkpoint = write(single(decoder='simple'), tmp_path)
    assert main(['convert', checkpoint, str(tmp_path / 'hub'), '--to', 'transformers', '--num-heads', '2']) == 0
    ours, theirs = (PosePredictor.load(config, file, device='cpu') for file in (checkpoint, tmp_path / 'hub'))
    image, boxes = rendered(0)
    np.testing.assert_array_equal(ours(image, boxes).keypoints, theirs(image, boxes).keypoints)


@pytest.mark.slow
@pytest.mark.skipif(
    digit_version(torch.__version__) < digit_version('2.2'), reason='compilation needs torch 2.2 or newer'
)
def test_compiled_it_is_one_graph_for_all_sizes_of_a_batch(multi_model_files, monkeypatch):
    counter = CompileCounterWithBackend('aot_eager')  # without the minutes of a C++ compiler
    monkeypatch.setattr(torch, 'compile', partial(torch.compile, backend=counter))
    torch._dynamo.reset()
    eager, compiled = (PoseModel(*multi_model_files, device='cpu', dataset='aic', compile=c) for c in (False, True))
    width, height = eager.crop_rule.input_size
    crops = np.random.default_rng(0).integers(0, 256, (7, height, width, 3), np.uint8)
    for count in (4, 7, 2):
        expected = eager.heatmaps(crops[:count])
        assert (compiled.heatmaps(crops[:count]) - expected).abs().max() < 1e-5 * expected.abs().max()
    assert counter.frame_count == 1
    compiled.heatmaps(crops[:1])
    assert counter.frame_count == 2  # a single person has a graph of its own
    torch._dynamo.reset()
