"""Two gloo processes with half the batch each give the same weights as one process.

With `sync_bn='torch'` that is one process with the whole batch. Without it each process has its own batch norm, and it
is one process that accumulates the gradients of both halves.
"""

import pytest

from tests.integration.configs import tiny

pytestmark = pytest.mark.slow

STEPS = 3
PLAIN_PIPELINE = [step for step in tiny.train_pipeline if not step['type'].startswith('Random')]
# the batches of the first process, 0, 2, 4, 6 and so on, alternate with those of the second
HALVES = [batch + first + i for batch in range(0, 8 * STEPS, 8) for first in (0, 1) for i in range(0, 8, 2)]


@pytest.mark.parametrize('sync_bn', [True, False])
def test_two_processes_give_the_same_weights_as_one(sync_bn, write_config, tiny_coco, compare_one_and_two_processes):
    def config(batch_size, **changes):
        changes.update(train_dataloader__batch_size=batch_size, train_dataloader__sampler__shuffle=False)
        if batch_size == 8 and not sync_bn:
            changes.update(train_dataloader__batch_size=4, train_dataloader__dataset__indices=HALVES)
            changes.update(optim_wrapper__accumulative_counts=2)
        changes.update(model__head__type='ClassicHead', train_dataloader__dataset__pipeline=PLAIN_PIPELINE)
        return write_config(tiny_coco, 'people.json', **changes)

    checkpoints, _ = compare_one_and_two_processes(config, sync_bn)
    assert [checkpoint['meta']['iter'] for checkpoint in checkpoints] == [STEPS if sync_bn else 2 * STEPS, STEPS]
    norms = [checkpoint['state_dict']['head.deconv_layers.1.running_mean'] for checkpoint in checkpoints]
    assert all(norm.abs().max() > 0 for norm in norms)
