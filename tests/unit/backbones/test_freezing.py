"""Frozen parts have no gradients and no optimiser state, and save only activations that other parts need."""

import pytest
import torch
from mmpose.registry import MODELS

import vitpose_mm  # noqa: F401

DEPTH = 3
# activations saved only for the weight gradients of a part: the inputs of its linear layers
LINEAR_INPUTS = {'attention': ['norm1'], 'ffn': ['norm2', 'mlp.act']}


def forward(freeze, attention='full'):
    """Run a forward pass; return the model, the loss, the tensors saved for backward and each module's output."""
    torch.manual_seed(0)
    model = MODELS.build(
        dict(
            type='ViT',
            arch=dict(depth=DEPTH, embed_dim=48, num_heads=4),
            img_size=(64, 48),
            attention=attention,
            freeze=freeze,
        )
    ).train()
    outputs, saved = {}, []
    for name, module in model.named_modules():
        module.register_forward_hook(lambda _, __, out, name=name: outputs.update({name: out}))
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: saved.append(tensor) or tensor, lambda tensor: tensor):
        loss = model(torch.randn(2, 3, 64, 48))[0].square().sum()
    return model, loss, saved, outputs


def is_saved(saved, tensor):
    return any(other.data_ptr() == tensor.data_ptr() and other.numel() == tensor.numel() for other in saved)


@pytest.mark.parametrize('freeze', [None, 'attention', 'ffn'])
def test_inputs_of_frozen_linear_layers_are_not_saved(freeze):
    _, _, saved, outputs = forward(freeze)
    for block in range(DEPTH):
        for part, names in LINEAR_INPUTS.items():
            for name in names:
                assert is_saved(saved, outputs[f'layers.{block}.{name}']) == (part != freeze), (block, name)


def test_frozen_first_blocks_save_nothing():
    _, _, saved, outputs = forward(2)
    for name in ('patch_embed', 'layers.0.norm1', 'layers.0.attn.qkv', 'layers.1.norm1', 'layers.1.mlp.fc1'):
        assert not outputs[name].requires_grad
        assert not is_saved(saved, outputs[name])
    assert is_saved(saved, outputs['layers.2.norm1']) and is_saved(saved, outputs['layers.2.mlp.act'])


def test_freezing_reduces_the_size_of_saved_tensors():
    sizes = {freeze: sum(tensor.numel() for tensor in forward(freeze)[2]) for freeze in (None, 'attention', 'ffn', 2)}
    assert sizes[None] > max(sizes['attention'], sizes['ffn']) and sizes[2] < sizes[None] / 2


def test_frozen_window_attention_saves_less_than_trained():
    sizes = {
        freeze: sum(tensor.numel() for tensor in forward(freeze, dict(window_size=(2, 2), shift=True, pool=True))[2])
        for freeze in (None, 'attention')
    }
    assert sizes['attention'] < sizes[None]


@pytest.mark.parametrize('freeze', ['attention', 'ffn', 2])
def test_frozen_parameters_have_no_gradient_and_no_optimiser_state(freeze):
    model, loss, _, _ = forward(freeze)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-3)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    loss.backward()
    optimizer.step()
    for name, parameter in model.named_parameters():
        trainable = parameter.requires_grad
        assert (parameter.grad is not None) == (parameter in optimizer.state) == trainable, name
        assert torch.equal(parameter, before[name]) != trainable, name
