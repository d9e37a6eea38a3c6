"""How to train on a number of annotated instances."""

from dataclasses import dataclass

from .network import Network


@dataclass(frozen=True)
class Recipe:
    """Settings of a training; docs/own_data.md says where they come from.

    Attributes:
        epochs: number of epochs.
        batch: instances per step.
        rate: learning rate.
        frozen: number of first blocks that do not train.
        scale: smallest and largest factor of the boxes' size in augmentation.
        rotation: largest angle of augmentation in degrees.
    """

    epochs: int
    batch: int
    rate: float
    frozen: int
    scale: tuple[float, float]
    rotation: float


def choose_recipe(instances: int, network: Network) -> Recipe:
    """Choose by the number of training instances and by what the network starts from."""
    epochs = next(epochs for least, epochs in ((10_000, 30), (1_000, 60), (150, 120), (0, 100)) if instances >= least)
    frozen = network.depth // 2 if network.load_from and instances < 150 else 0
    scale, rotation = ((0.85, 1.15), 40.0) if instances < 10_000 else ((0.7, 1.3), 80.0)
    rate = 1.5e-3 if network.scratch else 5e-4
    return Recipe(epochs, max(min(32, instances // 4), 2), rate, frozen, scale, rotation)
