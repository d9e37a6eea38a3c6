"""How to train on a number of annotated instances."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """Settings of a training; docs/own_data.md says where they come from.

    Attributes:
        epochs: number of epochs.
        batch: instances per step.
        rate: learning rate.
    """

    epochs: int
    batch: int
    rate: float


def recipe(instances: int, scratch: bool) -> Recipe:
    """Choose by the number of training instances and by whether the weights are random at the start."""
    epochs = next(epochs for least, epochs in ((10_000, 30), (1_000, 60), (150, 120), (0, 200)) if instances >= least)
    return Recipe(epochs, max(min(32, instances // 4), 2), 1.5e-3 if scratch else 5e-4)
