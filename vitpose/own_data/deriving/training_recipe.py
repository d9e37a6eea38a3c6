"""How to train on a number of annotated instances."""

from dataclasses import dataclass

from .network import Network


@dataclass(frozen=True)
class Recipe:
    """Training settings; docs/own_data.md explains where they come from."""

    epochs: int
    batch: int  # instances per step
    rate: float  # learning rate
    frozen: int  # number of first blocks that do not train
    scale: tuple[float, float]  # smallest and largest factor of the box size in augmentation
    rotation: float  # largest angle in augmentation, in degrees


def choose_recipe(instances: int, network: Network) -> Recipe:
    """Choose by the number of training instances and the initial weights."""
    epochs = next(epochs for lowest, epochs in ((10_000, 30), (1_000, 60), (150, 120), (0, 100)) if instances >= lowest)
    frozen = network.depth // 2 if network.load_from and instances < 150 else 0
    scale, rotation = ((0.85, 1.15), 40.0) if instances < 10_000 else ((0.7, 1.3), 80.0)
    rate = 1.5e-3 if network.scratch else 5e-4
    return Recipe(epochs, max(min(32, instances // 4), 2), rate, frozen, scale, rotation)
