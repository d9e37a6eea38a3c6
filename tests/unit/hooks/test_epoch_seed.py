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
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper
from mmengine.runner import IterBasedTrainLoop, Runner
from mmpose.registry import HOOKS
from torch.utils.data import DataLoader, Dataset, RandomSampler

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
    """A dataset of samples (index, worker, three random numbers)."""

    def __len__(self):
        return LENGTH

    def __getitem__(self, index):
        info = torch.utils.data.get_worker_info()
        worker = -1 if info is None else info.id
        return index, worker, draw()


def as_list(batch):
    return batch


def build_runner(num_workers, epoch=0, rank=0, seed=0, sampler_seed=7, dataset=None, sampler_type=None, **kwargs):
    dataset = dataset or Draws()
    sampler = sampler_type(dataset) if sampler_type else DefaultSampler(dataset, shuffle=True, seed=sampler_seed)
    loader = DataLoader(dataset, BATCH, sampler=sampler, num_workers=num_workers, collate_fn=as_list, **kwargs)
    return SimpleNamespace(
        train_dataloader=loader,
        train_loop=SimpleNamespace(),
        optim_wrapper=None,
        model=None,
        epoch=epoch,
        iter=0,
        message_hub=MessageHub('test'),
        rank=rank,
        seed=seed,
    )


def test_accumulated_gradients_do_not_cross_epochs():
    """Six batches and accumulation over four: updates after batches 4 and 6 of every epoch, as after a resume."""
    model = torch.nn.Linear(1, 1)
    wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), lr=1.0), accumulative_counts=4)
    runner, hook = build_runner(0), EpochSeedHook(seed=3)
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


@pytest.mark.parametrize('num_workers', [0, 2])
def test_an_epoch_is_reproducible_without_the_epochs_before_it(num_workers):
    """As after resuming: the third epoch is the same with and without the first two."""
    hook, runner = EpochSeedHook(seed=3), build_runner(num_workers)
    epochs = [epoch_of(runner, hook, epoch) for epoch in range(3)]
    resumed = epoch_of(build_runner(num_workers, sampler_seed=99), epoch=2)
    assert resumed == epochs[2]
    numbers = {sample[2] for samples in epochs for sample in samples}
    assert len(numbers) == 3 * LENGTH, 'two epochs, workers or samples drew the same numbers'
    if num_workers:
        assert {sample[1] for sample in resumed} == {0, 1}


def test_ranks_and_seeds_differ():
    drawn = {}
    for seed, rank, epoch in itertools.product((0, 1), (0, 1), (0, 1)):
        hook = EpochSeedHook(seed=seed)
        samples = epoch_of(build_runner(0, rank=rank), hook, epoch)
        drawn[seed, rank, epoch] = samples[0][2]
    assert len(set(drawn.values())) == len(drawn)
    for generator in range(3):
        assert len({numbers[generator] for numbers in drawn.values()}) == len(drawn)


class Recorder(BaseModel):
    """A model that records the samples that it receives."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.seen = []

    def forward(self, samples, mode='tensor'):
        self.seen += [(index, numbers) for index, _, numbers in samples]
        return dict(loss=self.weight)


def train(folder, epochs=2, resume=False, hook=None, **randomness):
    """Train with a real runner; return the samples that the model receives in each epoch."""
    model = Recorder()
    loader = dict(
        batch_size=BATCH,
        num_workers=0,
        dataset=Draws(),
        sampler=dict(type='DefaultSampler', shuffle=True),
        collate_fn=lambda batch: dict(samples=batch),
    )
    Runner(
        model,
        str(folder),
        train_dataloader=loader,
        train_cfg=dict(by_epoch=True, max_epochs=epochs),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
        custom_hooks=[dict(hook or {}, type='EpochSeedHook')],
        default_scope='mmpose',
        experiment_name=f'{folder}{resume}',
        resume=resume,
        randomness=randomness,
    ).train()
    return [model.seen[i : i + LENGTH] for i in range(0, len(model.seen), LENGTH)]


def test_the_runners_seed_is_the_default(tmp_path):
    one, same, other, own, own_same = (
        train(tmp_path / str(i), 1, seed=seed, hook=hook)[0]
        for i, (seed, hook) in enumerate([(1, None), (1, None), (2, None), (1, dict(seed=2)), (5, dict(seed=2))])
    )
    assert same == one
    assert [sample[0] for sample in other] != [sample[0] for sample in one], 'the order is the same'
    assert not {sample[1] for sample in other} & {sample[1] for sample in one}, 'the augmentations are the same'
    assert own == own_same == other, "an explicit seed must override the runner's"


@pytest.mark.parametrize('seed', [None, 5])
def test_a_resumed_run_uses_the_seed_of_the_checkpoint(tmp_path, seed):
    """Also if MMEngine drew that seed, or if the config now has another one."""
    whole = train(tmp_path, seed=None)
    (tmp_path / 'epoch_2.pth').unlink()
    (tmp_path / 'last_checkpoint').write_text(str(tmp_path / 'epoch_1.pth'))
    assert train(tmp_path, resume=True, seed=seed) == whole[1:]


@pytest.fixture(scope='module')
def whole_run(tmp_path_factory):
    """Three epochs of four iterations without workers: the samples, the weights and a checkpoint of each iteration."""
    folder = tmp_path_factory.mktemp('whole')
    runner = build(folder, checkpoint=EACH_ITERATION, val=False)
    runner.train()
    return runner.model.seen, runner.model.state_dict(), folder


@pytest.mark.parametrize(
    ('workers', 'persistent'), [(0, False), (1, False), (2, False), (3, False), (1, True), (2, True), (3, True)]
)
def test_a_run_resumed_after_any_iteration_of_an_epoch_draws_the_same(tmp_path, whole_run, workers, persistent):
    """Also where the epoch has fewer batches left than workers."""
    seen, weights, folder = whole_run
    different = []
    for iteration in range(4, 9):
        runner = build(
            tmp_path / str(iteration),
            workers=workers,
            loader=dict(persistent_workers=persistent),
            checkpoint=NEVER,
            val=False,
            load_from=str(folder / f'iter_{iteration}.pth'),
            resume=True,
        )
        runner.train()
        runner.train_dataloader._iterator = None  # ends persistent workers; garbage collection waits 5 s for each
        same = [torch.equal(value, weights[key]) for key, value in runner.model.state_dict().items()]
        if runner.model.seen != seen[3 * iteration :] or not all(same):
            different.append(iteration)
    assert not different


def test_every_rank_uses_the_seed_of_rank_0(monkeypatch):
    """MMEngine's `diff_rank_seed` gives each rank its own seed, but all ranks must split the same order."""
    monkeypatch.setattr('vitpose_mm.hooks.epoch_seed.broadcast_object_list', lambda data: data.__setitem__(0, 6))
    runner = build_runner(0, rank=1, seed=7)
    samples = epoch_of(runner, EpochSeedHook())
    assert runner.train_dataloader.sampler.seed == 6
    monkeypatch.undo()
    assert samples == epoch_of(build_runner(0, rank=1, seed=6), EpochSeedHook())


def test_loading_and_training_differ():
    seed_all(3, 1, 0, 0, loading=False)
    main = draw()
    seed_all(3, 1, 0, 0, loading=True)
    assert all(a != b for a, b in zip(main, draw(), strict=True))


@pytest.mark.gpu
def test_seeds_the_gpu():
    seed_all(3, 1, 0, 0, loading=False)
    first = torch.rand(2, device='cuda')
    seed_all(3, 1, 0, 0, loading=False)
    assert torch.equal(torch.rand(2, device='cuda'), first)


def test_keeps_the_worker_init_fn_of_the_loader(tmp_path):
    def own(worker_id):
        worker_init_fn(worker_id, num_workers=1, rank=0, seed=0)
        (tmp_path / f'worker{worker_id}').touch()

    runner = build_runner(1, worker_init_fn=own)
    samples = epoch_of(runner)
    assert (tmp_path / 'worker0').exists()
    assert samples == epoch_of(build_runner(1)), "the hook must seed after the loader's own function"


def test_persistent_workers_draw_the_same():
    """Two epochs of workers that keep running, without another start of the workers."""
    runner, hook = build_runner(2, persistent_workers=True), EpochSeedHook(seed=3)
    hook.before_train(runner)
    drawn = []
    for epoch in range(2):
        runner.epoch = epoch
        hook.before_train_epoch(runner)
        runner.train_dataloader.sampler.set_epoch(epoch)
        drawn.append(list(itertools.chain.from_iterable(runner.train_dataloader)))
    assert drawn == [epoch_of(build_runner(2), epoch=epoch) for epoch in range(2)]


def test_spawned_workers_receive_the_seeds():
    """Dataset and indices reach them pickled."""
    runner, hook = build_runner(0), EpochSeedHook(seed=3)
    hook.before_train(runner)
    hook.before_train_epoch(runner)
    runner.train_dataloader.sampler.set_epoch(0)
    loader = runner.train_dataloader
    dataset, batches = pickle.loads(pickle.dumps((loader.dataset, list(loader.batch_sampler))))
    samples = [sample for indices in batches for sample in dataset.__getitems__(indices)]
    assert samples == epoch_of(build_runner(0))


class WholeBatches(Draws):
    """Loads a batch at once, in reverse order."""

    def __getitems__(self, indices):
        assert all(type(index) is int for index in indices)
        return [self[index] for index in reversed(indices)]


def test_a_dataset_that_loads_whole_batches_keeps_doing_so():
    expected, samples = epoch_of(build_runner(0)), epoch_of(build_runner(0, dataset=WholeBatches()))
    pairs = [(expected[k + 1], expected[k]) for k in range(0, LENGTH, BATCH)]
    assert [sample[0] for sample in samples] == [sample[0] for pair in pairs for sample in pair]
    assert [sample[2] for sample in samples] == [sample[2] for sample in expected]


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
        rest = epoch_of(runner, epoch=1)
        assert [sample[::2] for sample in rest] == [sample[::2] for sample in whole[1][done * BATCH :]]


class Pairs:
    """Batches of two neighbors, of a sampler that only the batch sampler knows."""

    batch_size = 2

    def __init__(self, sampler):
        self.sampler = sampler

    def __len__(self):
        return LENGTH // 2

    def __iter__(self):
        indices = list(self.sampler)
        return iter([indices[i : i + 2] for i in range(0, LENGTH, 2)])


def test_a_batch_sampler_of_the_users_is_seeded_in_each_epoch():
    runner, dataset = build_runner(0), Draws()
    sampler = DefaultSampler(dataset, shuffle=True, seed=7)
    loader = DataLoader(dataset, batch_sampler=Pairs(sampler), collate_fn=as_list)
    runner.train_dataloader = runner.train_loop.dataloader = loader
    EpochSeedHook(seed=3).before_train(runner)
    runner.epoch = 4
    DistSamplerSeedHook().before_train_epoch(runner)
    assert sampler.seed == 3 and sampler.epoch == 4
    assert all(isinstance(index, int) for index in loader.batch_sampler.sampler)


def test_batches_without_a_sampler_are_refused():
    runner = build_runner(0)
    runner.train_dataloader = DataLoader(Draws(), batch_sampler=[[0, 1], [2, 3]] * 3)
    with pytest.raises(ValueError, match='batches from a sampler, which list lacks'):
        EpochSeedHook(seed=3).before_train(runner)


def test_an_iteration_based_loop_is_refused():
    runner = build_runner(0)
    runner.train_loop = IterBasedTrainLoop.__new__(IterBasedTrainLoop)
    with pytest.raises(ValueError, match='by_epoch=True'):
        EpochSeedHook().before_train(runner)


@pytest.mark.parametrize('seed', [-1, 0.5, '3', True])
def test_a_bad_seed_is_refused(seed):
    with pytest.raises(ValueError, match='seed='):
        HOOKS.build(dict(type='EpochSeedHook', seed=seed))
