"""AdamW, fused where torch can."""

import torch

from vitpose_mm.optim import FusedAdamW


def trained(kind, **changes):
    torch.manual_seed(0)
    layers = torch.nn.Linear(5, 3), torch.nn.Linear(3, 2)
    groups = [dict(params=layer.parameters(), lr=0.1 / (i + 1)) for i, layer in enumerate(layers)]
    optimizer = kind(groups, weight_decay=0.1, **changes)
    for _ in range(5):
        optimizer.zero_grad()
        layers[1](layers[0](torch.randn(4, 5))).square().sum().backward()
        optimizer.step()
    return optimizer, torch.cat([p.detach().flatten() for layer in layers for p in layer.parameters()])


def test_same_weights_as_adamw():
    optimizer, weights = trained(FusedAdamW, betas=(0.9, 0.99))
    plain, expected = trained(torch.optim.AdamW, betas=(0.9, 0.99))
    torch.testing.assert_close(weights, expected, rtol=1e-5, atol=1e-6)
    assert [group['lr'] for group in optimizer.param_groups] == [0.1, 0.05]
    plain.load_state_dict(optimizer.state_dict())


def test_parameters_that_cannot_be_fused(monkeypatch):
    init = torch.optim.AdamW.__init__

    def refuses(self, params, fused=None, **kwargs):
        init(self, params, fused=fused, **kwargs)
        if fused:
            raise RuntimeError('`fused=True` requires all the params to be on a supported device')

    monkeypatch.setattr(torch.optim.AdamW, '__init__', refuses)
    optimizer, weights = trained(FusedAdamW)
    assert not any(group['fused'] for group in optimizer.param_groups)
    monkeypatch.undo()
    torch.testing.assert_close(weights, trained(torch.optim.AdamW)[1])
