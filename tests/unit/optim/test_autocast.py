"""Mixed precision without a GPU, and resuming with it."""

import copy
import warnings
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
import torch
from mmengine.optim import AmpOptimWrapper, OptimWrapper
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


@pytest.mark.parametrize('dtype', ['bfloat16', torch.bfloat16, 'float32'])
def test_trains_on_the_cpu(dtype):
    """In bfloat16 the same as in full precision, up to rounding."""
    model, reference = build_model(), build_model()
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        wrapper, plain = build_wrapper(model, dtype=dtype), build_wrapper(reference, OptimWrapper)
        for step in range(5):
            assert train_step(model, wrapper, step).dtype is (torch.float32 if dtype == 'float32' else torch.bfloat16)
            train_step(reference, plain, step)
    assert isinstance(wrapper, AmpOptimWrapper) and weights(model).dtype is torch.float32
    difference = (weights(model) - weights(reference)).abs().max()
    assert difference == 0 if dtype == 'float32' else 0 < difference < 0.02
    assert model(torch.randn(1, 8)).dtype is torch.float32, 'autocast leaked out of its context'


def test_trains_in_float32_where_bfloat16_is_emulated(monkeypatch, logged):
    monkeypatch.setattr(torch.ops.mkldnn, '_is_mkldnn_bf16_supported', lambda: False)
    model = build_model()
    assert train_step(model, build_wrapper(model), seed=0).dtype is torch.float32
    assert 'training in float32' in logged()
    assert autocast.has_bfloat16('cuda')


@pytest.mark.parametrize('device', ['cpu', 'cuda'])
@pytest.mark.parametrize('dtype', ['bfloat16', 'float32'])
def test_float32_on_a_gpu_is_tf32(monkeypatch, device, dtype):
    """No other precision or device changes torch's setting; the fake optimizer has the device alone."""
    precisions, parameter = [], SimpleNamespace(device=torch.device(device))
    monkeypatch.setattr(torch, 'set_float32_matmul_precision', precisions.append)
    AutocastOptimWrapper(optimizer=SimpleNamespace(param_groups=[dict(params=[parameter])]), dtype=dtype)
    assert precisions == (['high'] if (device, dtype) == ('cuda', 'float32') else [])


class Distributed(nn.Sequential):
    """Counts how often DistributedDataParallel would be told not to synchronize gradients."""

    not_synchronized = 0

    @contextmanager
    def no_sync(self):
        self.not_synchronized += 1
        yield


def test_gradients_are_accumulated_and_synchronized_at_the_last_step():
    model = Distributed(*build_model())
    wrapper, start = build_wrapper(model, accumulative_counts=3), weights(model)
    for step in range(3):
        assert torch.equal(weights(model), start)
        train_step(model, wrapper, step)
    assert not torch.equal(weights(model), start)
    assert model.not_synchronized == 2


@pytest.mark.parametrize(
    ('saved_by', 'resumed_by'),
    [(AutocastOptimWrapper,) * 2, (OptimWrapper, AutocastOptimWrapper), (AutocastOptimWrapper, OptimWrapper)],
)
def test_resumes(saved_by, resumed_by):
    model, resumed_model = build_model(), build_model(seed=1)
    wrapper, resumed = build_wrapper(model, saved_by), build_wrapper(resumed_model, resumed_by)
    train_step(model, wrapper, 0)
    resumed_model.load_state_dict(model.state_dict())
    resumed.load_state_dict(copy.deepcopy(wrapper.state_dict()))
    continued = build_wrapper(model, resumed_by)
    continued.optimizer = wrapper.optimizer
    train_step(model, continued, 1)
    train_step(resumed_model, resumed, 1)
    assert torch.equal(weights(model), weights(resumed_model))


@pytest.mark.parametrize(
    ('name', 'values', 'error', 'message'),
    [
        ('dtype', ['float16', torch.float16], ValueError, "float16.*GPU.*'cpu'.*bfloat16"),
        ('dtype', ['fp32', 'bf16', torch.float64, None], ValueError, "expected 'bfloat16', 'float16' or 'float32'"),
        ('loss_scale', ['static', None, True], TypeError, 'loss_scale='),
    ],
)
def test_bad_options_are_refused(name, values, error, message):
    for value in values:
        with pytest.raises(error, match=message):
            build_wrapper(build_model(), **{name: value})


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
