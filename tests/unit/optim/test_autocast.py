"""Mixed precision without a GPU, and resuming with it."""

import copy
import warnings
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
import torch
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from mmpose.registry import OPTIM_WRAPPERS
from torch import nn

from vitpose_mm.optim import AutocastOptimWrapper, autocast


def build_model(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 2))


def build_wrapper(model, wrapper_type=AutocastOptimWrapper, **kwargs):
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    return wrapper_type(optimizer=optimizer, **kwargs)


def train_step(model, wrapper, seed):
    generator = torch.Generator().manual_seed(seed)
    device = next(model.parameters()).device
    with wrapper.optim_context(model):
        output = model(torch.randn(4, 8, generator=generator).to(device))
    wrapper.update_params(output.float().square().mean())
    return output


def weights(model):
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


@pytest.fixture(autouse=True)
def bfloat16(monkeypatch, request):
    """Use bfloat16 in tiny models also where the processor emulates it."""
    if 'emulated' not in request.node.name:
        monkeypatch.setattr(autocast, 'has_bfloat16', lambda device: True)


def test_is_registered_and_an_amp_wrapper():
    assert OPTIM_WRAPPERS.get('AutocastOptimWrapper') is AutocastOptimWrapper
    assert isinstance(build_wrapper(build_model()), AmpOptimWrapper)


def test_trains_in_bfloat16_on_the_cpu():
    model = build_model()
    start = weights(model)
    wrapper = build_wrapper(model, clip_grad=dict(max_norm=0.5))
    output = train_step(model, wrapper, seed=0)
    assert output.dtype is torch.bfloat16
    assert not torch.equal(weights(model), start)
    assert weights(model).dtype is torch.float32
    assert model(torch.randn(1, 8)).dtype is torch.float32, 'autocast leaked out of its context'


def test_trains_in_float32_where_bfloat16_is_emulated(monkeypatch, logged):
    monkeypatch.setattr(torch.ops.mkldnn, '_is_mkldnn_bf16_supported', lambda: False)
    wrapper = build_wrapper(model := build_model())
    assert train_step(model, wrapper, seed=0).dtype is torch.float32
    assert 'training in float32' in logged()
    assert autocast.has_bfloat16('cuda')


def test_float32_is_without_autocast():
    model = build_model()
    reference = copy.deepcopy(model)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        wrapper = build_wrapper(model, dtype='float32')
        assert train_step(model, wrapper, 0).dtype is torch.float32
    train_step(reference, build_wrapper(reference, OptimWrapper), 0)
    assert torch.equal(weights(model), weights(reference))


@pytest.mark.parametrize('device', ['cpu', 'cuda'])
@pytest.mark.parametrize('dtype', ['bfloat16', 'float32'])
def test_float32_on_a_gpu_is_tf32(monkeypatch, device, dtype):
    """No other precision or device changes torch's setting; the fake optimizer has the device alone."""
    precisions = []
    monkeypatch.setattr(torch, 'set_float32_matmul_precision', precisions.append)
    fake = SimpleNamespace(param_groups=[dict(params=[SimpleNamespace(device=torch.device(device))])])
    AutocastOptimWrapper(optimizer=fake, dtype=dtype)
    assert precisions == (['high'] if (device, dtype) == ('cuda', 'float32') else [])


def test_equals_full_precision_up_to_rounding():
    model = build_model()
    reference = copy.deepcopy(model)
    wrapper, plain = build_wrapper(model), build_wrapper(reference, OptimWrapper)
    for step in range(5):
        train_step(model, wrapper, step)
        train_step(reference, plain, step)
    difference = (weights(model) - weights(reference)).abs().max()
    assert 0 < difference < 0.02


def test_clips_the_gradient():
    model = build_model()
    seen = []
    wrapper = build_wrapper(model, clip_grad=dict(max_norm=1e-3))
    step = wrapper.optimizer.step

    def spy(*args, **kwargs):
        seen.append(torch.cat([p.grad.flatten() for p in model.parameters()]).norm().item())
        return step(*args, **kwargs)

    wrapper.optimizer.step = spy
    train_step(model, wrapper, 0)
    assert seen == [pytest.approx(1e-3, rel=0.01)]


def test_accumulates_gradients():
    model = build_model()
    wrapper = build_wrapper(model, accumulative_counts=2)
    start = weights(model)
    train_step(model, wrapper, 0)
    assert torch.equal(weights(model), start)
    train_step(model, wrapper, 1)
    assert not torch.equal(weights(model), start)


def test_gradients_are_synchronised_only_at_the_last_accumulation_step():
    class Distributed(nn.Sequential):
        """Counts how often DistributedDataParallel would be told not to synchronise gradients."""

        not_synchronised = 0

        @contextmanager
        def no_sync(self):
            self.not_synchronised += 1
            yield

    model = Distributed(*build_model())
    wrapper = build_wrapper(model, accumulative_counts=3)
    for step in range(3):
        train_step(model, wrapper, step)
    assert model.not_synchronised == 2


@pytest.mark.parametrize('saved_by', [AutocastOptimWrapper, OptimWrapper])
def test_resumes(saved_by):
    model = build_model()
    wrapper = build_wrapper(model, saved_by)
    train_step(model, wrapper, 0)
    resumed_model = build_model(seed=1)
    resumed = build_wrapper(resumed_model)
    resumed_model.load_state_dict(model.state_dict())
    resumed.load_state_dict(copy.deepcopy(wrapper.state_dict()))
    continued = build_wrapper(model)
    continued.optimizer = wrapper.optimizer
    train_step(model, continued, 1)
    train_step(resumed_model, resumed, 1)
    assert torch.equal(weights(model), weights(resumed_model))


def test_full_precision_resumes_from_mixed_precision():
    model = build_model()
    wrapper = build_wrapper(model)
    train_step(model, wrapper, 0)
    plain = build_wrapper(model, OptimWrapper)
    plain.load_state_dict(copy.deepcopy(wrapper.state_dict()))
    assert len(plain.optimizer.state) == len(list(model.parameters()))


def test_accepts_torch_dtypes():
    assert build_wrapper(build_model(), dtype=torch.bfloat16).cast_dtype is torch.bfloat16


@pytest.mark.parametrize('dtype', ['float16', torch.float16])
def test_float16_on_the_cpu_is_refused(dtype):
    with pytest.raises(ValueError, match="float16.*GPU.*'cpu'.*bfloat16"):
        build_wrapper(build_model(), dtype=dtype)


@pytest.mark.parametrize('dtype', ['fp32', 'bf16', torch.float64, None])
def test_other_dtypes_are_refused(dtype):
    with pytest.raises(ValueError, match="expected 'bfloat16', 'float16' or 'float32'"):
        build_wrapper(build_model(), dtype=dtype)


@pytest.mark.parametrize('loss_scale', ['static', None, True])
def test_other_loss_scales_are_refused(loss_scale):
    with pytest.raises(TypeError, match='loss_scale='):
        build_wrapper(build_model(), loss_scale=loss_scale)


@pytest.mark.parametrize('loss_scale', ['dynamic', 512, dict(init_scale=1024.0)])
def test_bfloat16_is_not_scaled(loss_scale):
    with warnings.catch_warnings():
        warnings.simplefilter('error')  # an enabled scaler warns where there is no GPU
        wrapper = build_wrapper(build_model(), loss_scale=loss_scale)
    assert not wrapper.loss_scaler.is_enabled()
    assert wrapper.state_dict()['loss_scaler'] == {}


@pytest.mark.gpu
def test_float16_on_a_gpu_is_scaled_and_resumes_from_bfloat16():
    model = build_model().cuda()
    wrapper = build_wrapper(model, dtype='float16', loss_scale=dict(init_scale=1024.0))
    assert train_step(model, wrapper, 0).dtype is torch.float16
    assert wrapper.loss_scaler.get_scale() == 1024
    wrapper.load_state_dict(build_wrapper(model).state_dict())
    assert wrapper.loss_scaler.get_scale() == 1024
