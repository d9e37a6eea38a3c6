"""Post-training quantisation with NNCF: OpenVINO's int8."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

FEWEST = 200  # crops to calibrate with


def quantise(
    model: Any,
    crops: np.ndarray,
    accuracy_drop: float | None = None,
    accuracy: Callable[[np.ndarray], float] | None = None,
) -> Any:
    """Quantise weights and activations to int8, with NNCF's settings for transformers, smooth quantisation among them.

    NNCF shows its progress.

    Args:
        model: `openvino.Model` from crops or images to heatmaps.
        crops: inputs of the model to calibrate with, at least `FEWEST`.
        accuracy_drop: how much `accuracy` may fall; layers that cost more stay in fp32. None to quantise all.
        accuracy: of the heatmaps of `crops`; with `accuracy_drop`.

    Returns:
        `openvino.Model`.

    Raises:
        ValueError: too few crops, or NNCF is not installed.
    """
    check_count(len(crops))
    try:
        import nncf
    except ImportError as problem:
        raise ValueError(f"--precision int8 needs nncf ({problem}): pip install 'vitpose_mm[export]'") from problem
    data = nncf.Dataset([crops[i : i + 1] for i in range(len(crops))])
    options: dict[str, Any] = dict(model_type=nncf.ModelType.TRANSFORMER, subset_size=len(crops))
    if accuracy_drop is None:
        return nncf.quantize(model, data, **options)
    assert accuracy is not None

    def validate(compiled: Any, inputs: Iterable[np.ndarray]) -> tuple[float, None]:
        return accuracy(np.concatenate([compiled(each)[0] for each in inputs])), None

    return nncf.quantize_with_accuracy_control(
        model, data, data, validate, max_drop=accuracy_drop, drop_type=nncf.DropType.ABSOLUTE, **options
    )


def check_count(count: int) -> None:
    """Raise a ValueError unless there are enough crops to calibrate with."""
    if count < FEWEST:
        raise ValueError(
            f'--precision int8 calibrates with people of the images that it will see, at least {FEWEST}, and found '
            f'{count}: pass more with --images, and --boxes for several people per image'
        )
