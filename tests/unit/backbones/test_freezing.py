"""Frozen parts save only activations that other parts need."""

import pytest
import torch

from tests.unit.backbones.small_vit import build

DEPTH = 3
# activations saved only for the weight gradients of a part: the inputs of its linear layers
LINEAR_INPUTS = {'attention': ['norm1'], 'ffn': ['norm2', 'mlp.act']}


def forward(freeze, attention='full'):
    """Run a forward pass; return the tensors saved for backward and each module's output."""
    model = build(depth=DEPTH, attention=attention, freeze=freeze).train()
    outputs, saved = {}, []
    for name, module in model.named_modules():
        module.register_forward_hook(lambda _, __, out, name=name: outputs.update({name: out}))
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: saved.append(tensor) or tensor, lambda tensor: tensor):
        model(torch.randn(2, 3, 64, 48))[0].square().sum()
    return saved, outputs


def is_saved(saved, tensor):
    return any(other.data_ptr() == tensor.data_ptr() and other.numel() == tensor.numel() for other in saved)


@pytest.mark.parametrize('freeze', [None, 'attention', 'ffn'])
def test_inputs_of_frozen_linear_layers_are_not_saved(freeze):
    saved, outputs = forward(freeze)
    for block in range(DEPTH):
        for part, names in LINEAR_INPUTS.items():
            for name in names:
                assert is_saved(saved, outputs[f'layers.{block}.{name}']) == (part != freeze), (block, name)


def saved_size(*options):
    return sum(tensor.numel() for tensor in forward(*options)[0])


def test_freezing_reduces_the_size_of_saved_tensors():
    full = saved_size(None)
    assert saved_size('attention') < full and saved_size('ffn') < full and saved_size(2) < 0.4 * full
    windows = dict(window_size=(2, 2), shift=True, pool=True)
    assert saved_size('attention', windows) < saved_size(None, windows)
