"""Layers that cost accuracy in int8 stay in fp32, and compute what they did before."""

import ctypes

import numpy as np
import pytest
import torch

from vitpose.predict.models.openvino_backend import _core
from vitpose_mm.export import int8
from vitpose_mm.export.int8 import _SignalStack, quantize

pytest.importorskip('nncf', reason='int8 needs nncf (requirements/tested.txt)')
openvino = pytest.importorskip('openvino')
CROPS = 32


def attention():
    """A layer and products of its queries and keys as an `openvino.Model`.

    The largest channel of the queries meets keys of 0, so only a product in int8, whose step it sets, suffers from it.
    """
    from openvino import opset13 as op

    rng = np.random.default_rng(0)

    def linear(x, channel=1):
        weight = rng.normal(size=(16, 16)).astype(np.float32)
        weight[:, 0] *= channel
        return op.matmul(x, op.constant(weight), False, False)

    crops = op.parameter([-1, 8, 16], np.float32)
    hidden = op.gelu(linear(crops), 'erf')
    return openvino.Model([op.matmul(linear(hidden, 1000), linear(hidden, 0), False, True)], [crops])


def outputs(model, inputs):
    return _core(openvino).compile_model(model, 'CPU')(inputs)[0]


def signal_stack():
    """Address and size of the stack for signal handlers."""
    stack = _SignalStack()
    ctypes.CDLL(None).sigaltstack(None, ctypes.byref(stack))
    return stack.address, stack.size


def count_quantizers(model):
    """Of activations and weights."""
    return sum(op.get_type_name() == 'FakeQuantize' for op in model.get_ops())


@pytest.mark.slow
def test_layers_that_cost_too_much_stay_in_fp32(monkeypatch):
    monkeypatch.setattr(int8, 'MIN_CALIBRATION_CROPS', CROPS)  # fewer are as good for this model, and faster
    model = attention()
    inputs = np.random.default_rng(1).normal(size=(CROPS, 8, 16)).astype(np.float32)
    expected = outputs(model, inputs)

    def accuracy(values, which):
        return 1 - np.abs(values - expected[which]).mean((1, 2)) / np.abs(expected).mean()

    def mean(model):
        return accuracy(outputs(model, inputs), range(CROPS)).mean()

    whole = quantize(model, inputs)
    assert mean(whole) < 0.1
    stack = signal_stack()
    # a product of activations, and without VNNI a layer with weights, too, one by one
    some = quantize(model, inputs, 0.1, accuracy)
    assert signal_stack() == stack
    least = 2 if torch.cpu._is_vnni_supported() else 3
    assert 0 < count_quantizers(some) <= count_quantizers(whole) - least and mean(some) > 0.9
    enough = quantize(model, inputs, 2, accuracy)  # such a drop changes nothing
    assert np.array_equal(outputs(enough, inputs), outputs(whole, inputs))
    with pytest.raises(ValueError, match='--accuracy-drop 0.0001: no layer .* in int8'):
        quantize(model, inputs, 1e-4, accuracy)
