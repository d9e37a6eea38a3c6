"""How to train on a number of annotated instances."""

from dataclasses import dataclass

from .network import Network

ROTATIONS = ((0.8, 0.0), (0.5, 90.0), (0.0, 180.0))  # least rotation in degrees, from which resultant length


@dataclass(frozen=True)
class Recipe:
    """Training settings; docs/own_data.md explains where they come from."""

    epochs: int
    batch: int  # instances per step
    rate: float  # learning rate
    frozen: int  # number of first blocks that do not train
    scale: tuple[float, float]  # smallest and largest factor of the box size in augmentation
    rotation: float  # largest angle in augmentation, in degrees


def choose_recipe(instances: int, network: Network, resultant: float | None = None) -> Recipe:
    """Choose by the number of training instances, the initial weights, and the resultant length of their directions."""
    epochs = next(epochs for lowest, epochs in ((10_000, 30), (1_000, 60), (150, 120), (0, 100)) if instances >= lowest)
    frozen = network.depth // 2 if network.load_from and instances < 150 else 0
    scale, rotation = ((0.85, 1.15), 40.0) if instances < 10_000 else ((0.7, 1.3), 80.0)
    if resultant is not None:
        rotation = max(rotation, next(angle for least, angle in ROTATIONS if resultant >= least))
    rate = 1.5e-3 if network.scratch else 5e-4
    return Recipe(epochs, max(min(32, instances // 4), 2), rate, frozen, scale, rotation)
