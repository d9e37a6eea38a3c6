from pathlib import Path

import pytest

from vitpose.own_data.deriving.network import Network, choose_recipe

POSE, VIT = Network('vitpose.py', 6, load_from=Path('model.pth')), Network('vitpose.py', 6)
SCRATCH = Network('vitpose.py', 6, scratch=True)
# instances: epochs, batch size, number of frozen blocks, rotation
RECIPES = {3: (100, 2, 3, 40), 50: (100, 12, 3, 40), 149: (100, 32, 3, 40)}
RECIPES |= {150: (120, 32, 0, 40), 3_000: (60, 32, 0, 40), 30_000: (30, 32, 0, 80)}


@pytest.mark.parametrize('instances', RECIPES)
def test_recipe(instances):
    pose, vit, scratch = (choose_recipe(instances, network) for network in (POSE, VIT, SCRATCH))
    assert (pose.epochs, pose.batch, pose.frozen, pose.rotation) == RECIPES[instances]
    turned = [choose_recipe(instances, POSE, length).rotation for length in (1, 0.7, 0.2)]
    assert turned == [pose.rotation, 90, 180]
    assert scratch.rate > pose.rate == vit.rate and vit.frozen == scratch.frozen == 0
