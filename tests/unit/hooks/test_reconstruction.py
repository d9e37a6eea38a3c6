"""The picture of reconstructions, and the hook that writes it."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope
from mmengine.visualization import Visualizer
from mmpose.registry import HOOKS
from mmpose.structures import PoseDataSample

from tests.unit.checkpoints.tiny_vits import is_same
from tests.unit.hooks.toy_training import build, in_children
from tests.unit.pretrain import small_autoencoder
from vitpose_mm.hooks import ReconstructionHook
from vitpose_mm.pretrain.masking import patchify, reconstruction_rows

MEAN, STD = torch.full((3, 1, 1), 120.0), torch.full((3, 1, 1), 50.0)


def test_a_perfect_prediction_shows_the_image():
    pixels = torch.randint(0, 255, (2, 3, 32, 32), generator=torch.Generator().manual_seed(0))
    inputs = (pixels - MEAN) / STD
    patches = patchify(inputs)
    variance, mean = torch.var_mean(patches, 2, keepdim=True)
    masked = torch.tensor([[1.0, 0, 1, 1], [0, 1, 1, 1]])
    rows = reconstruction_rows(inputs, (patches - mean) / variance.sqrt(), masked, MEAN, STD, (2, 2))
    assert rows.shape == (64, 96, 3) and rows.dtype == np.uint8
    for index, image in enumerate(pixels.permute(0, 2, 3, 1).byte().numpy()):
        original, seen, restored = np.hsplit(rows[32 * index : 32 * index + 32], 3)
        assert np.array_equal(original, image) and np.abs(restored.astype(int) - image).max() <= 1
        for n, hidden in enumerate(masked[index]):
            patch = np.s_[n // 2 * 16 :, n % 2 * 16 :]
            expected = np.full_like(image, 128) if hidden else image
            assert np.array_equal(seen[patch][:16, :16], expected[patch][:16, :16])


@pytest.fixture
def model():
    preprocessor = dict(type='PoseDataPreprocessor', mean=[120.0] * 3, std=[50.0] * 3, bgr_to_rgb=True)
    with DefaultScope.overwrite_default_scope('mmpose'):
        return small_autoencoder.build(img_size=(32, 32), data_preprocessor=preprocessor).train()


class Crops(list):
    """Samples that depend on the random state, as crops do."""

    def __getitem__(self, index):
        image = torch.full((3, 32, 32), int(np.random.randint(255)), dtype=torch.uint8)
        image[0] = 10 * index  # blue
        return dict(inputs=image, data_samples=PoseDataSample())


def test_the_hook_writes_every_few_epochs_and_changes_nothing(model, tmp_path):
    loader = SimpleNamespace(dataset=Crops(range(20)))
    visualizer = Visualizer(vis_backends=[dict(type='LocalVisBackend')], save_dir=str(tmp_path))
    runner = SimpleNamespace(model=model, max_epochs=6, train_dataloader=loader, visualizer=visualizer)
    hook = HOOKS.build(dict(type='ReconstructionHook', interval=4, images=3))
    np.random.seed(5)
    expected = np.random.RandomState(5).rand()
    for epoch in range(6):
        runner.epoch = epoch
        hook.after_train_epoch(runner)
    assert np.random.rand() == expected and runner.model.training
    written = sorted((tmp_path / 'vis_data/vis_image').iterdir())
    assert [path.name for path in written] == ['reconstruction_4.png', 'reconstruction_6.png']
    first, second = (cv2.imread(str(path)) for path in written)
    assert first.shape == (96, 96, 3) and np.array_equal(first, second)
    assert [int(first[32 * row, 0, 0]) for row in range(3)] == [0, 90, 190]  # first, middle and last, in true colors


@pytest.mark.parametrize('option', [dict(interval=0), dict(images=-1), dict(interval=1.5)])
def test_bad_numbers_are_refused(option):
    with pytest.raises(ValueError, match='expected integers >= 1'):
        ReconstructionHook(**option)


def test_two_processes_train_as_without_pictures(model, tmp_path):
    """Only the first process draws, while the other waits in the next step."""
    weights = []
    for interval in (1, 9):
        folder = tmp_path / str(interval)
        folder.mkdir()

        def train(folder=folder, interval=interval):
            hooks = [ReconstructionHook(interval=interval, images=2)]
            loader = dict(dataset=Crops(range(12)), collate_fn=pseudo_collate)
            build(folder, 2, model=model, hooks=hooks, val=False, loader=loader).train()
            torch.save(model.state_dict(), folder / f'{torch.distributed.get_rank()}.pt')

        assert in_children(train, 2, folder) == [0, 0]
        weights += [torch.load(folder / f'{rank}.pt') for rank in (0, 1)]
        pictures = sorted(path.name for path in folder.glob('*/vis_data/vis_image/*.png'))
        assert pictures == [f'reconstruction_{epoch}.png' for epoch in ((1, 2) if interval == 1 else (2,))]
    assert all(is_same(weights[0], others) for others in weights[1:])
    assert not torch.equal(weights[0]['decoder.mask_token'], model.state_dict()['decoder.mask_token'])
