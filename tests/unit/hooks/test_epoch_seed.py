"""Seeds of a batch: reproducible, and different per epoch, rank and batch, in every generator."""

import itertools
import pickle
import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.dataset import DefaultSampler, worker_init_fn
from mmengine.hooks import DistSamplerSeedHook
from mmengine.logging import MessageHub
from mmengine.optim import OptimWrapper
from mmengine.runner import IterBasedTrainLoop
from mmpose.registry import HOOKS
from torch.utils.data import BatchSampler, DataLoader, Dataset, RandomSampler

from tests.unit.checkpoints.tiny_vits import is_same
from tests.unit.hooks.toy_training import build
from vitpose_mm.hooks import EpochSeedHook
from vitpose_mm.hooks.epoch_seed import seed_all

LENGTH, BATCH = 12, 2
EACH_ITERATION = dict(type='CheckpointHook', by_epoch=False, interval=1, max_keep_ckpts=-1)
NEVER = dict(type='CheckpointHook', interval=99, save_last=False)


def draw():
    """One number from each random generator."""
    return random.random(), np.random.random(), torch.rand(()).item()


class Draws(Dataset):
    """A dataset of samples (index, three random numbers)."""

    def __len__(self):
        return LENGTH

    def __getitem__(self, index):
        return index, draw()


def build_runner(num_workers=0, epoch=0, rank=0, seed=0, dataset=None, sampler_type=None, **kwargs):
    dataset = dataset or Draws()
    sampler = sampler_type(dataset) if sampler_type else DefaultSampler(dataset, shuffle=True, seed=7)
    loader = DataLoader(dataset, BATCH, sampler=sampler, num_workers=num_workers, collate_fn=list, **kwargs)
    loop, hub = SimpleNamespace(), MessageHub('test')
    parts = dict(train_dataloader=loader, train_loop=loop, optim_wrapper=None, model=None, message_hub=hub)
    return SimpleNamespace(**parts, epoch=epoch, iter=0, rank=rank, seed=seed)


def epoch_of(runner, hook=None, epoch=0):
    """All samples of one epoch, as a fresh process would draw them."""
    hook = hook or EpochSeedHook(seed=3)
    draw()  # random numbers drawn earlier must not matter
    hook.before_train(runner)
    runner.epoch = epoch
    hook.before_train_epoch(runner)
    if hasattr(runner.train_dataloader.sampler, 'set_epoch'):
        runner.train_dataloader.sampler.set_epoch(epoch)
    return list(itertools.chain.from_iterable(runner.train_dataloader))


def test_accumulated_gradients_do_not_cross_epochs():
    """Six batches and accumulation over four: updates after batches 4 and 6 of every epoch, as after a resume."""
    model = torch.nn.Linear(1, 1)
    wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), lr=1.0), accumulative_counts=4)
    runner, hook = build_runner(), EpochSeedHook(seed=3)
    runner.model, runner.optim_wrapper = model, wrapper
    hook.before_train(runner)
    updates, gradients = [], []
    wrapper.step = lambda: (updates.append(len(losses)), gradients.append(model.bias.grad.item()))
    for _ in range(2):
        hook.before_train_epoch(runner)
        losses = []
        while len(losses) < 6:
            losses.append(model(torch.ones(1, 1)).sum())
            wrapper.update_params(losses[-1])
    assert updates == [4, 6, 4, 6] and gradients == [1.0] * 4  # each is the mean over its batches


def test_samples_epochs_ranks_and_seeds_differ():
    drawn = []
    for seed, rank, epoch in itertools.product((0, 1), (0, 1), range(3)):
        drawn += [numbers for _, numbers in epoch_of(build_runner(rank=rank), EpochSeedHook(seed=seed), epoch)]
    for generator in zip(*drawn, strict=True):
        assert len(set(generator)) == len(generator) == 12 * LENGTH


def samples_of(folder, epochs=1, **options):
    runner = build(folder, epochs, val=False, checkpoint=dict(max_keep_ckpts=-1), **options)
    runner.train()
    return runner.model.seen


def test_the_runners_seed_is_the_default(tmp_path):
    one, same, other, fixed, fixed_same = (
        samples_of(tmp_path / str(i), randomness=dict(seed=seed), seed=fixed)
        for i, (seed, fixed) in enumerate([(1, None), (1, None), (2, None), (1, 2), (5, 2)])
    )
    assert same == one
    assert [index for index, _ in other] != [index for index, _ in one], 'the order is the same'
    assert not {number for _, number in other} & {number for _, number in one}, 'the augmentations are the same'
    assert fixed == fixed_same == other, "an explicit seed must override the runner's"


@pytest.mark.parametrize('seed', [None, 5])
def test_a_resumed_run_uses_the_seed_of_the_checkpoint(tmp_path, seed):
    """Also if MMEngine drew that seed, or if the config now has another one."""
    whole = samples_of(tmp_path, 2, randomness=dict(seed=None))
    (tmp_path / 'epoch_2.pth').unlink()
    assert samples_of(tmp_path, 2, randomness=dict(seed=seed), resume=True) == whole[LENGTH:]


@pytest.fixture(scope='module')
def whole_run(tmp_path_factory):
    """Three epochs of four iterations without workers: the samples, the weights and a checkpoint of each iteration."""
    folder = tmp_path_factory.mktemp('whole')
    runner = build(folder, checkpoint=EACH_ITERATION, val=False)
    runner.train()
    return runner.model.seen, runner.model.state_dict(), folder


@pytest.mark.slow
@pytest.mark.parametrize(('workers', 'persistent'), [(0, False), (1, False), (3, False), (1, True), (3, True)])
def test_a_run_resumed_after_any_iteration_of_an_epoch_draws_the_same(tmp_path, whole_run, workers, persistent):
    """Also where the epoch has fewer batches left than workers."""
    seen, weights, folder = whole_run
    options = dict(workers=workers, loader=dict(persistent_workers=persistent), checkpoint=NEVER, val=False)
    for iteration in range(4, 8):
        file = str(folder / f'iter_{iteration}.pth')
        runner = build(tmp_path / str(iteration), resume=True, load_from=file, **options)
        runner.train()
        runner.train_dataloader._iterator = None  # ends persistent workers; garbage collection waits 5 s for each
        assert runner.model.seen == seen[3 * iteration :], iteration
        assert is_same(runner.model.state_dict(), weights), iteration


def test_every_rank_uses_the_seed_of_rank_0(monkeypatch):
    """MMEngine's `diff_rank_seed` gives each rank its own seed, but all ranks must split the same order."""
    monkeypatch.setattr('vitpose_mm.hooks.epoch_seed.broadcast_object_list', lambda data: data.__setitem__(0, 6))
    runner = build_runner(rank=1, seed=7)
    samples = epoch_of(runner, EpochSeedHook())
    assert runner.train_dataloader.sampler.seed == 6
    monkeypatch.undo()
    assert samples == epoch_of(build_runner(rank=1, seed=6), EpochSeedHook())


def test_loading_and_training_differ():
    seed_all(3, 1, 0, 0, loading=False)
    main = draw()
    seed_all(3, 1, 0, 0, loading=True)
    assert all(a != b for a, b in zip(main, draw(), strict=True))


def test_keeps_the_worker_init_fn_of_the_loader(tmp_path):
    def init(worker_id):
        worker_init_fn(worker_id, num_workers=1, rank=0, seed=0)
        (tmp_path / f'worker{worker_id}').touch()

    samples = epoch_of(build_runner(1, worker_init_fn=init))
    assert (tmp_path / 'worker0').exists()
    assert samples == epoch_of(build_runner()), "the hook must seed after the loader's own function"


def test_spawned_workers_receive_the_seeds():
    runner, hook = build_runner(), EpochSeedHook(seed=3)
    hook.before_train(runner)
    hook.before_train_epoch(runner)
    loader = runner.train_dataloader
    loader.sampler.set_epoch(0)
    dataset, batches = pickle.loads(pickle.dumps((loader.dataset, list(loader.batch_sampler))))
    samples = [sample for indices in batches for sample in dataset.__getitems__(indices)]
    assert samples == epoch_of(build_runner())


class WholeBatches(Draws):
    """Loads a batch at once, in reverse order."""

    def __getitems__(self, indices):
        assert all(type(index) is int for index in indices)
        return [self[index] for index in reversed(indices)]


def test_a_dataset_that_loads_whole_batches_keeps_doing_so():
    expected, samples = epoch_of(build_runner()), epoch_of(build_runner(dataset=WholeBatches()))
    swapped = [expected[k + 1 - 2 * (k % 2)] for k in range(LENGTH)]
    assert [index for index, _ in samples] == [index for index, _ in swapped]
    assert [numbers for _, numbers in samples] == [numbers for _, numbers in expected]


@pytest.mark.slow
@pytest.mark.parametrize('workers', [0, 2])
def test_a_sampler_that_draws_from_torchs_generator_continues_within_an_epoch(workers):
    """It starts a new order when an epoch starts; with persistent workers the loader draws in the first epoch alone."""
    options = dict(sampler_type=RandomSampler, persistent_workers=workers > 0)
    hook, runner = EpochSeedHook(seed=3), build_runner(workers, **options)
    whole = [epoch_of(runner, hook, epoch) for epoch in range(2)]
    for done in range(1, LENGTH // BATCH):
        runner = build_runner(workers, **options)
        runner.message_hub.update_info('epoch_position', dict(epoch=1, first=6, batches=6))
        runner.epoch, runner.iter = 1, 6 + done
        assert epoch_of(runner, epoch=1) == whole[1][done * BATCH :]


def test_a_batch_sampler_of_the_users_is_seeded_in_each_epoch():
    runner, dataset = build_runner(), Draws()
    sampler = DefaultSampler(dataset, shuffle=True, seed=7)
    loader = DataLoader(dataset, batch_sampler=BatchSampler(sampler, 2, False), collate_fn=list)
    runner.train_dataloader = runner.train_loop.dataloader = loader
    EpochSeedHook(seed=3).before_train(runner)
    runner.epoch = 4
    DistSamplerSeedHook().before_train_epoch(runner)
    assert sampler.seed == 3 and sampler.epoch == 4
    assert all(isinstance(index, int) for index in loader.batch_sampler.sampler)


def test_batches_without_a_sampler_and_loops_without_epochs_are_refused():
    runner = build_runner()
    runner.train_loop = IterBasedTrainLoop.__new__(IterBasedTrainLoop)
    with pytest.raises(ValueError, match='by_epoch=True'):
        EpochSeedHook().before_train(runner)
    runner = build_runner()
    runner.train_dataloader = DataLoader(Draws(), batch_sampler=[[0, 1], [2, 3]] * 3)
    with pytest.raises(ValueError, match='batches from a sampler, which list lacks'):
        EpochSeedHook(seed=3).before_train(runner)


@pytest.mark.parametrize('seed', [-1, 0.5, '3', True])
def test_a_bad_seed_is_refused(seed):
    with pytest.raises(ValueError, match='seed='):
        HOOKS.build(dict(type='EpochSeedHook', seed=seed))
