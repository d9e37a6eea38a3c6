"""A step whose loss or gradient is not finite changes nothing, is counted, and its samples are named."""

import re

import numpy as np
import pytest
import torch
from mmengine import Config
from mmengine.hooks import Hook
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from tests.unit.hooks.toy_training import Numbers, Toy, build, in_children, log_of
from vitpose_mm.hooks import NonFiniteHook
from vitpose_mm.hooks.bare_model import bare_model
from vitpose_mm.optim import AutocastOptimWrapper, FiniteOptimWrapper

NEW = hasattr(torch.amp, 'GradScaler')  # on a CPU, old versions of torch have neither a scaler nor a fused AdamW
ADAM = dict(type='AdamW', lr=0.1)


class Scaled(AutocastOptimWrapper):
    """With float16's scaler, which on a CPU needs no autocast."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.enabled = False
        self.loss_scaler = torch.amp.GradScaler('cpu', init_scale=4.0)


FP32 = dict(type=FiniteOptimWrapper, optimizer=ADAM)
WRAPPERS = {
    'fp32': FP32,
    'clipped': dict(FP32, clip_grad=dict(max_norm=1.0)),
    'by value': dict(FP32, clip_grad=dict(type='value', clip_value=1.0)),
    'bf16': dict(type=AutocastOptimWrapper, optimizer=ADAM),
}
if NEW:
    WRAPPERS['fused'] = dict(FP32, optimizer=dict(ADAM, fused=True))
    WRAPPERS['scaler'] = dict(type=Scaled, optimizer=ADAM, clip_grad=dict(max_norm=1.0))


class Compare(Hook):
    """Checks which steps change weights, moments and running statistics."""

    def before_train(self, runner):
        self.changed, self.last = [], self.values(runner)

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        now = self.values(runner)
        assert all(value.isfinite().all() for value in now)
        same = [torch.equal(a, b) for a, b in zip(self.last, now, strict=False)]  # moments come with the first step
        assert all(same) or not any(same[:3]), 'some values changed, some did not'
        assert not {'found_inf', 'grad_scale'} & set(vars(runner.optim_wrapper.optimizer))
        self.changed.append(not all(same))
        self.last = now

    def values(self, runner):
        moments = [value for state in runner.optim_wrapper.optimizer.state.values() for value in state.values()]
        return [value.clone() for value in (*bare_model(runner).state_dict().values(), *moments)]


@pytest.mark.parametrize('fault', ['nan', 'inf', 'gradient'])
@pytest.mark.parametrize('wrapper', WRAPPERS)
def test_the_step_changes_nothing(tmp_path, wrapper, fault):
    compare, model = Compare(), Toy(bad=[5], fault=fault)
    options = dict(wrapper=dict(WRAPPERS[wrapper]), model=model, val=False)
    runner = build(tmp_path, hooks=[NonFiniteHook(), compare], **options)
    runner.train()
    batches = [{index for index, _ in model.seen[i : i + 3]} for i in range(0, 36, 3)]
    assert compare.changed == [5 not in batch for batch in batches]
    reason = 'a gradient' if fault == 'gradient' else 'the loss'
    lines = re.findall(rf'iteration (\d+): {reason} is not finite.*Samples: (.*)', log_of(tmp_path))
    assert [int(number) - 1 for number, _ in lines] == [i for i, batch in enumerate(batches) if 5 in batch]
    assert all('5.jpg annotation 105' in names and len(names.split(', ')) == 3 for _, names in lines)
    saved = torch.load(tmp_path / 'epoch_3.pth', weights_only=False)['message_hub']['runtime_info']
    assert saved['steps_left_out'] == 3 and '(3 updates skipped, 1 in a row)' in log_of(tmp_path)
    if wrapper == 'scaler':
        assert runner.optim_wrapper.loss_scaler.get_scale() == 4 * 0.5**3


@pytest.mark.parametrize(('hooks', 'steps'), [([], 10), ([NonFiniteHook()], 12)])
@pytest.mark.parametrize('wrapper', ['fp32', 'bf16'])
def test_the_run_stops_after_some_in_a_row(tmp_path, wrapper, hooks, steps):
    """Also without a hook of ours; the hook names the samples, and reads at the end of an epoch of 4 steps."""
    options = dict(wrapper=dict(WRAPPERS[wrapper]), model=Toy(bad=range(12), after=12), val=False, ours=False)
    runner = build(tmp_path, epochs=9, hooks=hooks, **options)
    message = f'not finite in {steps} updates in a row. Last checkpoint: {tmp_path}/epoch_3.pth.* {4 + steps}. Lower'
    with pytest.raises(FloatingPointError, match=message):
        runner.train()
    assert runner.iter == 3 + steps and runner.message_hub.get_info('steps_left_out') == steps
    weights = torch.load(tmp_path / 'epoch_3.pth', weights_only=False)['state_dict']
    assert all(value.isfinite().all() for value in weights.values())
    assert len(re.findall('Samples: .*annotation', log_of(tmp_path))) == (12 if hooks else 0)


def test_a_run_that_has_recovered_before_the_reading_stops_too():
    wrapper = build_wrapper(max_skipped=2)
    wrapper.deferred = True
    for factor in (1.0, float('nan'), float('inf'), 1.0):
        wrapper.update_params((wrapper.optimizer.param_groups[0]['params'][0] * factor).sum())
    with pytest.raises(FloatingPointError, match='not finite in 2 updates in a row'):
        wrapper.read()
    wrapper.read()  # nothing is read twice


def test_a_resumed_run_counts_on(tmp_path):
    options = dict(wrapper=dict(FP32), model=Toy(bad=[5]), val=False)
    build(tmp_path, epochs=2, **options).train()
    runner = build(tmp_path, epochs=3, resume=True, **options)
    runner.train()
    assert runner.message_hub.get_info('steps_left_out') == 3


def test_one_bad_batch_makes_an_accumulated_update_void(tmp_path):
    wrapper = dict(FP32, accumulative_counts=4, max_skipped=4)
    model = Toy(bad=[5])
    build(tmp_path, hooks=[NonFiniteHook()], wrapper=wrapper, val=False, model=model).train()
    lines = re.findall(r'iteration (\d+): the loss is not finite. Samples: (.*)', log_of(tmp_path))
    assert [(int(number) - 1) // 4 for number, _ in lines] == [0, 1, 2]
    assert all('5.jpg annotation 105' in names and len(names.split(', ')) == 3 for _, names in lines)
    assert torch.equal(model.weight, torch.ones(3)) and torch.equal(model.norm.running_mean, torch.zeros(3))


def test_two_processes_leave_out_the_same_steps(tmp_path):
    """The loss of only one of them is not finite."""

    def train():
        model, compare = Toy(bad=[5]), Compare()
        options = dict(wrapper=dict(FP32), val=False, loader=dict(batch_size=2))
        build(tmp_path, hooks=[NonFiniteHook(), compare], model=model, **options).train()
        torch.save((model.weight, compare.changed), tmp_path / f'{torch.distributed.get_rank()}.pt')

    assert in_children(train, 2, tmp_path) == [0, 0]
    (weight, changed), (other, others_changed) = (torch.load(tmp_path / f'{rank}.pt') for rank in (0, 1))
    assert torch.equal(weight, other) and weight.isfinite().all() and not torch.equal(weight, torch.ones(3))
    assert changed == others_changed and changed.count(False) == 3


class Waits(TorchDispatchMode):
    """Counts the operations that wait for a device."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))


class Copies(TorchFunctionMode):
    """Counts the calls that copy to the host, which the dispatcher does not see on a CPU."""

    count = 0

    def __torch_function__(self, func, types, args=(), kwargs=None):
        self.count += func in (torch.Tensor.tolist, torch.Tensor.numpy, torch.Tensor.cpu)
        return func(*args, **(kwargs or {}))


class PerStep(Hook):
    """Counts the waits in each training step and its hooks, without loading."""

    def __init__(self, *modes):
        self.modes, self.steps = modes, []

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.before = self.total()

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.steps.append(self.total() - self.before)

    def total(self):
        return sum(mode.count for mode in self.modes)


def build_wrapper(fused=False, **options):
    weight = torch.nn.Parameter(torch.ones(3))
    return FiniteOptimWrapper(torch.optim.AdamW([weight], fused=fused), **options)


@pytest.mark.skipif(not NEW, reason='no fused AdamW on a CPU')
@pytest.mark.parametrize(('fused', 'waits'), [(True, 0), (False, 1)])
def test_a_fused_step_does_not_wait_for_the_device(fused, waits):
    wrapper = build_wrapper(fused, clip_grad=dict(max_norm=1.0))
    weight = wrapper.optimizer.param_groups[0]['params'][0]
    wrapper.update_params((weight * 2).sum())
    wrapper.deferred = True
    with Waits() as counted, Copies() as copied:
        wrapper.update_params((weight * 2).sum())
    assert (min(counted.count, 1), copied.count) == (waits, 0)


@pytest.mark.slow
@pytest.mark.skipif(not NEW, reason='no fused AdamW on a CPU')
@pytest.mark.parametrize('kind', [FiniteOptimWrapper, AutocastOptimWrapper])
def test_a_training_waits_for_the_device_only_where_it_is_logged(root, tmp_path, kind):
    """52 steps with the hooks of our configs, of which every 10th is logged; checkpoints have the same values."""
    default = Config.fromfile(root / 'configs/_base_/runtime/default.py').default_hooks
    ours = {name: default[name] for name in ('runtime_info', 'param_scheduler', 'preemption', 'non_finite')}
    wrapper, loader = dict(type=kind, optimizer=dict(ADAM, fused=True)), dict(batch_size=3, dataset=Numbers(156))
    saving = dict(type='CompleteCheckpointHook', by_epoch=False, interval=25, max_keep_ckpts=-1)
    waits = []
    for name, hooks in (('ours', ours), ('theirs', {})):
        hooks = dict(hooks, logger=dict(type='LoggerHook', interval=10))
        options = dict(wrapper=dict(wrapper), loader=dict(loader), checkpoint=saving, default_hooks=hooks)
        runner = build(tmp_path / name, 1, val=False, **options)
        with Waits() as counted, Copies() as copied:
            runner.register_hook(steps := PerStep(counted, copied), priority=100)
            runner.train()
        waits.append(steps.steps)
    read = [*range(9, 50, 10), 24, 49, 51]
    assert len(waits[0]) == 52 and all((n > 0) == (i in read) for i, n in enumerate(waits[0])), waits[0]
    assert min(waits[1]) >= 2
    for iteration in (25, 50):
        files = [tmp_path / name / f'iter_{iteration}.pth' for name in ('ours', 'theirs')]
        ours, theirs = (torch.load(file, weights_only=False)['message_hub']['log_scalars'] for file in files)
        for key in ('train/loss', 'train/grad_norm'):
            assert len(ours[key].data[0]) == iteration and np.array_equal(ours[key].data, theirs[key].data)


@pytest.mark.parametrize('most', [0, True, 1.5])
def test_bad_options(most):
    weight = torch.nn.Parameter(torch.ones(3))
    for wrapper in (FiniteOptimWrapper, AutocastOptimWrapper):
        with pytest.raises(ValueError, match='max_skipped=.*expected an integer >= 1'):
            wrapper(optimizer=torch.optim.AdamW([weight]), max_skipped=most)
