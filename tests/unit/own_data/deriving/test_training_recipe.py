"""The recipe by the number of instances."""

from pathlib import Path

import pytest

from vitpose.own_data.deriving.network import Network
from vitpose.own_data.deriving.training_recipe import choose_recipe

POSE = Network('vitpose.py', 6, load_from=Path('model.pth'))
VIT = Network('vitpose.py', 6)
SCRATCH = Network('vitpose.py', 6, scratch=True)


@pytest.mark.parametrize(
    ('instances', 'network', 'frozen'), [(149, POSE, 3), (150, POSE, 0), (50, VIT, 0), (50, SCRATCH, 0)]
)
def test_few_instances_freeze_half_of_a_pose_models_blocks(instances, network, frozen):
    assert choose_recipe(instances, network).frozen == frozen


def test_epochs_augmentation_and_batch_depend_on_the_number():
    found = [choose_recipe(count, POSE) for count in (50, 300, 3_000, 30_000)]
    assert [each.epochs for each in found] == [100, 120, 60, 30]
    assert [each.rotation for each in found] == [40, 40, 40, 80]
    assert [each.batch for each in found] == [12, 32, 32, 32]
    assert choose_recipe(3, POSE).batch == 2


def test_random_weights_have_a_higher_rate():
    assert choose_recipe(300, SCRATCH).rate > choose_recipe(300, POSE).rate == choose_recipe(300, VIT).rate
