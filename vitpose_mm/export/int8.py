"""Post-training quantization with NNCF: OpenVINO's int8."""

import ctypes
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

MIN_CALIBRATION_CROPS = 200  # crops to calibrate with
CROPS_PER_BATCH = 16
RANKING_CROPS = 64  # the worst crops, by which layers are ranked


class _SignalStack(ctypes.Structure):
    """Linux's stack_t."""

    _fields_ = [('address', ctypes.c_void_p), ('flags', ctypes.c_int), ('size', ctypes.c_size_t)]


@contextmanager
def preserve_signal_stack() -> Iterator[None]:
    """Restore the thread's stack for signal handlers.

    NNCF creates several OpenVINO cores; the last one sets a stack that another core has freed, so the next signal would
    end the process (NNCF 3.4, OpenVINO 2026.4).
    """
    libc, before = ctypes.CDLL(None), _SignalStack()
    libc.sigaltstack(None, ctypes.byref(before))
    try:
        yield
    finally:
        libc.sigaltstack(ctypes.byref(before), None)


@preserve_signal_stack()
def quantize(
    model: Any,
    crops: np.ndarray,
    accuracy_drop: float | None = None,
    accuracy: Callable[[np.ndarray, Sequence[int]], np.ndarray] | None = None,
) -> Any:
    """Quantize weights and activations to int8, with NNCF's settings for transformers, smooth quantization among them.

    Returns another `openvino.Model`. NNCF shows its progress.

    Args:
        model: `openvino.Model` from crops or images to heatmaps.
        crops: inputs of the model to calibrate with, at least `MIN_CALIBRATION_CROPS`.
        accuracy_drop: how much the mean `accuracy` may fall; if it falls more, the layers that cost most stay in fp32,
            and smooth quantization is left out. None to quantize all.
        accuracy: maps heatmaps of n crops and the crops' indices to the accuracy of each (n,); for `accuracy_drop`.

    Raises:
        ValueError: too few crops, no layer left in int8, or NNCF is not installed.
    """
    check_crop_count(len(crops))
    try:
        import nncf
        import openvino
    except ImportError as problem:
        raise ValueError(f"--precision int8 needs nncf ({problem}): pip install 'vitpose_mm[export]'") from problem
    data = nncf.Dataset(range(len(crops)), lambda which: crops[which : which + 1])
    options: dict[str, Any] = dict(model_type=nncf.ModelType.TRANSFORMER, subset_size=len(crops))
    whole = nncf.quantize(model, data, **options)
    if accuracy_drop is None:
        return whole
    assert accuracy is not None

    def validate(compiled: Any, which: Iterable[int]) -> tuple[float, list[float]]:
        which = list(which)
        parts = [which[i : i + CROPS_PER_BATCH] for i in range(0, len(which), CROPS_PER_BATCH)]
        values = accuracy(np.concatenate([compiled(crops[part])[0] for part in parts]), which)
        return float(values.mean()), values.tolist()

    before, after = (validate(openvino.compile_model(m, 'CPU'), data.get_data())[0] for m in (model, whole))
    if before - after <= accuracy_drop:
        return whole
    # without smooth quantization: nncf 3.4 leaves its scales when a layer gets its weights in fp32 back
    never = nncf.AdvancedSmoothQuantParameters(convolution=-1, matmul=-1)
    some = nncf.quantize_with_accuracy_control(
        model,
        data,
        data,
        validate,
        max_drop=accuracy_drop,
        drop_type=nncf.DropType.ABSOLUTE,
        advanced_quantization_parameters=nncf.AdvancedQuantizationParameters(smooth_quant_alphas=never),
        advanced_accuracy_restorer_parameters=nncf.AdvancedAccuracyRestorerParameters(
            ranking_subset_size=RANKING_CROPS
        ),
        **options,
    )
    if not any(op.get_type_name() == 'FakeQuantize' for op in some.get_ops()):
        raise ValueError(
            f'--accuracy-drop {accuracy_drop}: no layer can be in int8; accept more, or use another precision'
        )
    return some


def check_crop_count(count: int) -> None:
    """Raise a ValueError unless there are enough crops to calibrate with."""
    if count < MIN_CALIBRATION_CROPS:
        raise ValueError(
            '--precision int8 calibrates with people in images like those to predict, at least '
            f'{MIN_CALIBRATION_CROPS}, and found {count}: pass more with --images, and --boxes for several people per '
            'image'
        )
