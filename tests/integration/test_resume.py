"""``kill -9`` during an epoch, then ``--resume``: the final weights are those of an uninterrupted run, bit for bit."""

import pytest
import torch

pytestmark = pytest.mark.slow


def test_killed_run_resumes_to_the_same_weights(write_config, tiny_coco, run, run_until, mim, tmp_path):
    """Shuffling, augmentation, drop path, batch norm, two workers and warm-up are all active."""
    config = write_config(tiny_coco, 'people.json', train_cfg__max_epochs=3)
    train = (mim, 'train', 'mmpose', config, '--gpus', 0, '--work-dir')
    run(*train, tmp_path / 'whole')

    killed = tmp_path / 'killed'
    run_until(*train, killed, pattern=r'Epoch\(train\) +\[2\]\[ 5/12\]')
    assert (killed / 'epoch_1.pth').is_file()
    assert not (killed / 'epoch_2.pth').exists(), 'the run was killed after the epoch, not during it'

    resumed = run(*train, killed, '--resume')
    assert 'resumed epoch: 1' in resumed
    checkpoints = [
        torch.load(folder / 'epoch_3.pth', map_location='cpu', weights_only=False)
        for folder in (tmp_path / 'whole', killed)
    ]
    weights, resumed_weights = (checkpoint['state_dict'] for checkpoint in checkpoints)
    assert weights.keys() == resumed_weights.keys()
    difference = {
        name: (weight.double() - resumed_weights[name].double()).abs().max().item() for name, weight in weights.items()
    }
    assert max(difference.values()) == 0, difference
    moments, resumed_moments = (checkpoint['optimizer']['state'] for checkpoint in checkpoints)
    for index, state in moments.items():
        for name, value in state.items():
            assert torch.equal(value, resumed_moments[index][name]), (index, name)
