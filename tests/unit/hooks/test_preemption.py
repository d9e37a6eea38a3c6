"""SIGTERM or SIGUSR1 saves within the epoch; the resumed run ends with the weights of an uninterrupted one."""

import atexit
import json
import multiprocessing.util
import os
import signal
import threading
import time
from contextlib import nullcontext
from functools import partial

import numpy as np
import pytest
import torch
from mmengine.hooks import Hook
from mmengine.registry import init_default_scope
from mmpose.registry import DATASETS

from tests.unit.checkpoints.tiny_vits import is_same
from tests.unit.datasets.tiny_files import several
from tests.unit.estimators.distillation import CODEC, estimator, multi_dataset_estimator
from tests.unit.hooks.toy_training import build, in_children, log_of
from vitpose_mm.checkpoints.safe_load import load_checkpoint
from vitpose_mm.hooks import PreemptionHook
from vitpose_mm.hooks.preemption import EXIT_CODE, SIGNALS

ACCUMULATE = dict(optimizer=dict(type='AdamW', lr=0.1), accumulative_counts=3)
PREEMPTION = dict(type='PreemptionHook')


class Interrupt(Hook):
    """Sends a signal to this process after an iteration, or during the validation after it; notes the samples."""

    def __init__(self, iteration=None, number=signal.SIGTERM, validation=False, rank=None, notes=None, job=False):
        self.iteration, self.number, self.validation = iteration, number, validation
        self.rank, self.notes, self.job = rank, notes, job

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if self.notes:
            numbers = ' '.join(map(str, zip(data_batch['index'], data_batch['number'], strict=True)))
            with open(f'{self.notes}.{runner.rank}', 'a') as file:
                file.write(f'{runner.iter} {numbers}\n')
        self.send(runner, not self.validation and runner.iter + 1)

    def after_val_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.send(runner, self.validation and not batch_idx and runner.iter)

    def send(self, runner, iteration):
        if iteration == self.iteration and self.rank in (None, runner.rank):
            for number in SIGNALS if self.job else ():
                in_children(lambda: [os.kill(child.pid, number) for child in multiprocessing.active_children()])  # noqa: B023
            os.kill(os.getpid(), self.number)


class At(Hook):
    """Calls a function before a training iteration."""

    def __init__(self, iteration, function):
        self.iteration, self.function = iteration, function

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter + 1 == self.iteration:
            self.function()


def fail():
    raise RuntimeError('out of memory')


def train(folder, processes=1, interrupt=None, **options):
    """Train in new processes; return their exit statuses."""
    folder.mkdir(exist_ok=True)
    interrupt = Interrupt(**(interrupt or {}), notes=folder / 'notes')
    return in_children(lambda: build(folder, hooks=[PREEMPTION, interrupt], **options).train(), processes, folder)


def state(folder):
    """Everything that the last checkpoint holds of the training."""
    content = torch.load(folder / 'epoch_3.pth', weights_only=False)
    parts = [*content['optimizer']['state'].items(), *enumerate(content.get('batch_norm', ()))]
    return {**content['state_dict'], **{(i, key): value for i, part in parts for key, value in part.items()}}


def check_same(whole, resumed, processes=1):
    assert is_same(state(whole), state(resumed))
    for rank in range(processes):
        notes = (resumed / f'notes.{rank}').read_text()
        assert notes == (whole / f'notes.{rank}').read_text(), 'other samples, or in another order'


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    """The folder of an uninterrupted training without workers."""
    folder = tmp_path_factory.mktemp('whole')
    assert train(folder) == 0
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    ('iteration', 'interrupt', 'options'),
    [
        (6, {}, {}),
        (6, dict(number=signal.SIGUSR1), dict(workers=2)),
        (6, {}, dict(workers=2, loader=dict(persistent_workers=True))),
        (8, {}, dict(val=False)),  # the last iteration of an epoch
        (8, dict(validation=True), {}),
        (7, dict(iteration=6), dict(wrapper=ACCUMULATE)),  # waits for the update
        (6, dict(job=True), dict(workers=2, val=False)),  # a scheduler signals every process, also the workers
    ],
    ids=['', 'workers', 'persistent', 'epoch_end', 'validation', 'accumulation', 'job'],
)
def test_resumed_equals_uninterrupted(whole, tmp_path, iteration, interrupt, options):
    """The number of workers and validations do not matter."""
    if 'wrapper' in options:
        whole = tmp_path / 'whole'
        assert train(whole, **options) == 0
    folder = tmp_path / 'stopped'
    assert train(folder, interrupt=dict(dict(iteration=iteration), **interrupt), **options) == EXIT_CODE
    name = 'epoch_2' if interrupt.get('validation') else f'iter_{iteration}'
    assert load_checkpoint(folder / f'{name}.pth').meta['iter'] == iteration
    assert train(folder, resume=True, **options) == 0
    check_same(whole, folder)
    assert [path.name for path in folder.glob('*.pth')] == ['epoch_3.pth']


@pytest.mark.slow
def test_two_processes(tmp_path):
    """One of them gets the signal; each has its own running statistics within the epoch."""
    options = dict(processes=2, loader=dict(batch_size=2), val=False)
    assert train(tmp_path / 'whole', **options) == [0, 0]
    folder = tmp_path / 'stopped'
    assert train(folder, interrupt=dict(iteration=5, rank=1), **options) == [EXIT_CODE, EXIT_CODE]
    states = torch.load(folder / 'iter_5.pth', weights_only=False)['batch_norm']
    assert not torch.equal(states[0]['norm.running_mean'], states[1]['norm.running_mean'])
    assert train(folder, resume=True, **options) == [0, 0]
    check_same(tmp_path / 'whole', folder, processes=2)


PIPELINE = [
    dict(type='LoadImage'),
    dict(type='GetBBoxCenterScale'),
    dict(type='RandomBBoxTransform'),
    dict(type='TopdownAffine', input_size=(48, 64)),
    dict(type='GenerateTarget', encoder=CODEC),
    dict(type='PackPoseInputs', meta_keys=('img_path', 'id', 'dataset_name', 'flip_indices')),
]


def collate_images(samples):
    """The batch; index and mean color, which depends on the crop, with the cached heatmaps if there are any."""
    inputs, labels = [sample['inputs'] for sample in samples], [sample['data_samples'] for sample in samples]
    cached = [getattr(label.gt_fields, 'teacher_heatmaps', torch.zeros(1)).mean().item() for label in labels]
    numbers = [image.float().mean().item() / 255 + number for image, number in zip(inputs, cached, strict=True)]
    return dict(inputs=inputs, data_samples=labels, index=[label.id for label in labels], number=numbers)


@pytest.mark.slow
@pytest.mark.parametrize('processes', [1, 2])
@pytest.mark.parametrize('kind', ['mix', 'cache'])
def test_a_fixed_mix_and_a_cached_teacher(tmp_path, kind, processes):
    """Real models: the same samples of each dataset, and the same of two augmentations with its own heatmaps."""
    init_default_scope('mmpose')
    one = dict(type='CheckedCocoDataset', pipeline=PIPELINE, **several(tmp_path / 'a', 8 * processes))
    if kind == 'mix':
        other = dict(one, type='CheckedOCHumanDataset', **several(tmp_path / 'b', 4 * processes))
        dataset = DATASETS.build(dict(type='CombinedPoseDataset', datasets=[one, other]))
        sampler = dict(type='FixedMixSampler', batch_size=3, source_ratio=[2, 1])
        model, heads = multi_dataset_estimator(24), dict.fromkeys(dataset.names, estimator(24)['head'])
        model['head']['heads'], model['backbone']['experts']['names'] = heads, dataset.names
    else:
        config = dict(type='TeacherCacheDataset', dataset=one, seeds=[0, 1])
        cache = tmp_path / 'cache'
        cache.mkdir()
        (cache / 'cache.json').write_text(json.dumps(dict(DATASETS.build(config).identity, seeds=[0, 1])))
        for seed in (0, 1):
            heatmaps = np.random.default_rng(seed).random((8 * processes, 17, 16, 12))
            np.save(cache / f'seed{seed}.npy', heatmaps.astype('f2'))
        dataset, sampler = DATASETS.build(dict(config, cache=str(cache))), dict(type='DefaultSampler', shuffle=True)
        model = dict(estimator(), type='DistillPoseEstimator')
    loader = dict(batch_size=3 if kind == 'mix' else 2, dataset=dataset, sampler=sampler, collate_fn=collate_images)
    options = dict(model=model, wrapper=dict(optimizer=dict(type='AdamW', lr=1e-3)), val=False, processes=processes)
    # as shipped; forking in each epoch can deadlock CPython 3.10
    options |= dict(workers=2, loader=dict(loader, persistent_workers=True))
    ended, stopped = (0, EXIT_CODE) if processes == 1 else ([0, 0], [EXIT_CODE] * 2)
    assert train(tmp_path / 'whole', **options) == ended
    assert train(tmp_path / 'stopped', interrupt=dict(iteration=6, rank=processes - 1), **options) == stopped
    assert (tmp_path / 'stopped' / 'iter_6.pth').is_file(), 'the run was not stopped within an epoch'
    assert train(tmp_path / 'stopped', resume=True, **options) == ended
    check_same(tmp_path / 'whole', tmp_path / 'stopped', processes)


def test_saving_every_n_iterations(whole, tmp_path):
    """Killed in the middle of an epoch, the run continues from the last of these checkpoints."""
    folder, often = tmp_path / 'killed', dict(checkpoint=dict(by_epoch=False, interval=3))
    assert train(folder, interrupt=dict(iteration=7, number=signal.SIGKILL), **often) == -signal.SIGKILL
    assert [path.name for path in folder.glob('*.pth')] == ['iter_6.pth']
    (folder / 'notes.0').write_text(''.join((folder / 'notes.0').read_text().splitlines(True)[:6]))
    assert train(folder, resume=True) == 0
    check_same(whole, folder)


def test_another_number_of_processes_starts_the_epoch_anew(tmp_path):
    """Preempted with one process, then with two, then with one: 4, 2 and 4 batches per epoch."""
    assert train(tmp_path, interrupt=dict(iteration=6)) == EXIT_CODE
    options = dict(resume=True, val=False)
    assert train(tmp_path, interrupt=dict(iteration=7, rank=1), processes=2, **options) == [EXIT_CODE, EXIT_CODE]
    assert train(tmp_path, **options) == 0
    text = log_of(tmp_path)
    assert 'batch 2 of 4 of epoch 2, which now has 2 batches: the epoch starts anew' in text
    assert 'batch 1 of 2 of epoch 2, which now has 4 batches: the epoch starts anew' in text
    assert torch.load(tmp_path / 'epoch_3.pth', weights_only=False)['meta']['iter'] == 6 + 1 + 4 + 4


def test_a_full_disk_is_no_success(tmp_path, capfd):
    """The exit code is that of an error, so that a job that restarts on 75 does not loop endlessly."""
    hooks = [PREEMPTION, Interrupt(6), At(1, (tmp_path / 'iter_6.pth.part').mkdir)]
    assert in_children(lambda: build(tmp_path, hooks=hooks).train()) == 1
    assert '\nOSError: ' in capfd.readouterr().err


def test_needs_the_checkpoint_hook(tmp_path):
    with pytest.raises(ValueError, match='needs default_hooks.checkpoint=dict'):
        build(tmp_path, hooks=[PreemptionHook()], checkpoint=dict(type='CheckpointHook')).train()


def upload(path):
    """Run a user's daemonic child, which writes its file when it is asked to end."""

    def flush(number, frame):
        time.sleep(0.5)
        path.write_text('flushed')
        os._exit(0)

    signal.signal(signal.SIGTERM, flush)
    path.with_name('started').touch()
    while True:
        signal.pause()


@pytest.mark.parametrize('fails', [False, True])
@pytest.mark.parametrize('loader', [dict(persistent_workers=True), {}], ids=['persistent', 'new'])
def test_at_exit_the_workers_and_other_children_end(tmp_path, fails, loader, capfd):
    """Python sends SIGTERM to the daemonic children that are left and waits for them; nobody gets SIGKILL."""

    def run():
        atexit._clear()  # pytest's
        atexit.register(multiprocessing.util._exit_function)
        signal.alarm(30)
        multiprocessing.Process(target=upload, args=[tmp_path / 'upload'], daemon=True).start()
        while not (tmp_path / 'started').exists():
            time.sleep(0.01)
        hooks = [PREEMPTION, At(2 if fails else None, fail)]
        runner = build(tmp_path, epochs=1, hooks=hooks, workers=2, val=False, loader=loader)
        with pytest.raises(RuntimeError, match='out of memory') if fails else nullcontext():
            runner.train()
        assert len(multiprocessing.active_children()) == (3 if loader else 1)
        atexit._run_exitfuncs()

    assert in_children(run) == 0
    assert (tmp_path / 'upload').read_text() == 'flushed'
    error = capfd.readouterr().err
    assert 'Traceback' not in error and 'killed by signal' not in error


def test_the_signal_handlers_are_restored(tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    build(tmp_path, epochs=1, hooks=[PreemptionHook()], val=False).train()
    assert signal.getsignal(signal.SIGTERM) is before


def kill(*numbers):
    for number in numbers:
        os.kill(os.getpid(), number)


def hang():
    for seconds in (0.3, 0.6):
        threading.Timer(seconds, kill, [signal.SIGTERM]).start()
    time.sleep(30)


TERM, USR1 = SIGNALS


@pytest.mark.parametrize(
    ('function', 'number'),
    [
        (partial(kill, TERM, TERM), TERM),
        (partial(kill, TERM, USR1), USR1),
        (partial(kill, USR1, TERM), TERM),
        (hang, TERM),
    ],
)
def test_a_second_signal_ends_the_process(tmp_path, function, number):
    hooks = [PREEMPTION, At(6, function)]
    assert in_children(lambda: build(tmp_path, hooks=hooks, val=False).train()) == -number


@pytest.mark.parametrize('number', SIGNALS)
def test_after_an_error_in_training_a_signal_acts_as_usual(tmp_path, number):
    def run():
        with pytest.raises(RuntimeError, match='out of memory'):
            build(tmp_path, hooks=[PREEMPTION, At(6, fail)], val=False).train()
        kill(number)
        time.sleep(5)  # as in a library that waits

    assert in_children(run) == -number


def test_a_child_of_the_training_does_not_handle_the_signals(tmp_path):
    """Such as a process that a user's hook forks: the first signal ends it."""
    statuses = []

    def fork():
        statuses.append(in_children(lambda: (kill(signal.SIGTERM), time.sleep(5))))

    build(tmp_path, epochs=1, hooks=[PREEMPTION, At(2, fork)], val=False).train()
    assert statuses == [-signal.SIGTERM]


def test_a_signal_that_arrives_while_processes_agree_is_not_lost(monkeypatch):
    """Python runs its handler when the reduction returns, which did not know of it: it counts after the next step."""
    hook, arrived = PreemptionHook(), []

    def reduce(flag, operation, group):
        if not arrived:
            arrived.append(signal.SIGTERM)
            hook._signal = signal.SIGTERM

    hook._group = 'gloo'
    monkeypatch.setattr('vitpose_mm.hooks.preemption.distributed.all_reduce', reduce)
    hook._exit_if_preempted(None, 1)
    with pytest.raises(AttributeError, match='hooks'):  # it leaves, for which it needs a runner
        hook._exit_if_preempted(None, 2)


def test_averaged_weights_in_a_validation_are_not_saved_as_the_models(tmp_path):
    """EMAHook exchanges the weights during a validation: the run leaves after the next step instead."""
    hooks = [dict(type='EMAHook', momentum=0.5), PREEMPTION, Interrupt(4, validation=True)]
    assert in_children(lambda: build(tmp_path, hooks=hooks).train()) == EXIT_CODE
    assert (tmp_path / 'iter_5.pth').is_file()
