"""Frozen parts cost a training step no gradient, no optimiser state and no activation they do not need."""

import pytest
import torch
from mmpose.registry import MODELS

import vitpose_mm  # noqa: F401

DEPTH = 3
# what a part keeps for the gradients of its own weights alone: inputs of its linear layers
OWN = {'attention': ['norm1'], 'ffn': ['norm2', 'mlp.act']}


def step(freeze, attention='full'):
    """One forward pass: the model, the tensors that it keeps for the backward, and each module's output."""
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
    outputs, kept = {}, []
    for name, module in model.named_modules():
        module.register_forward_hook(lambda _, __, out, name=name: outputs.update({name: out}))
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor) or tensor, lambda tensor: tensor):
        loss = model(torch.randn(2, 3, 64, 48))[0].square().sum()
    return model, loss, kept, outputs


def keeps(kept, tensor):
    return any(one.data_ptr() == tensor.data_ptr() and one.numel() == tensor.numel() for one in kept)


@pytest.mark.parametrize('freeze', [None, 'attention', 'ffn'])
def test_inputs_of_frozen_linear_layers_are_not_kept(freeze):
    _, _, kept, outputs = step(freeze)
    for block in range(DEPTH):
        for part, names in OWN.items():
            for name in names:
                assert keeps(kept, outputs[f'layers.{block}.{name}']) == (part != freeze), (block, name)


def test_frozen_first_blocks_keep_nothing():
    _, _, kept, outputs = step(2)
    for name in ('patch_embed', 'layers.0.norm1', 'layers.0.attn.qkv', 'layers.1.norm1', 'layers.1.mlp.fc1'):
        assert not outputs[name].requires_grad
        assert not keeps(kept, outputs[name])
    assert keeps(kept, outputs['layers.2.norm1']) and keeps(kept, outputs['layers.2.mlp.act'])


def test_less_is_kept_the_more_is_frozen():
    sizes = {freeze: sum(tensor.numel() for tensor in step(freeze)[2]) for freeze in (None, 'attention', 'ffn', 2)}
    assert sizes[None] > max(sizes['attention'], sizes['ffn']) and sizes[2] < sizes[None] / 2


def test_frozen_windows_keep_no_more_than_training_ones():
    sizes = {
        freeze: sum(tensor.numel() for tensor in step(freeze, dict(window_size=(2, 2), shift=True, pool=True))[2])
        for freeze in (None, 'attention')
    }
    assert sizes['attention'] < sizes[None]


@pytest.mark.parametrize('freeze', ['attention', 'ffn', 2])
def test_no_gradient_and_no_optimiser_state(freeze):
    model, loss, _, _ = step(freeze)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-3)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    loss.backward()
    optimizer.step()
    for name, parameter in model.named_parameters():
        trains = parameter.requires_grad
        assert (parameter.grad is not None) == (parameter in optimizer.state) == trains, name
        assert torch.equal(parameter, before[name]) != trains, name
