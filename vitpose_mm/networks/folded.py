"""The paper's decoders for prediction, as matrix products: the same heatmaps, except for rounding.

On a CPU the simple one takes 0.1 to 0.4 times as long as the decoder itself, the classic one is not faster.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_weights


class FoldedClassicDecoder(nn.Module):
    """Each block, a deconvolution with batch norm, is one product; the last layer runs before the last shuffle."""

    def __init__(self, blocks: list[tuple[nn.ConvTranspose2d, nn.Module]], final_layer: nn.Conv2d):
        super().__init__()
        self.blocks = nn.ModuleList(_window_product(*block) for block in blocks)
        self.final_layer = _linear(final_layer.weight.flatten(1), final_layer.bias)

    def forward(self, feats: Tensor) -> Tensor:
        """Decode a feature map (B, C, Hp, Wp) into heatmaps (B, K, Hm, Wm)."""
        x = feats.permute(0, 2, 3, 1)
        for i, block in enumerate(self.blocks, 1):
            x = F.pad(x, (0, 0, 1, 1, 1, 1))
            windows = torch.cat((x[:, :-1, :-1], x[:, :-1, 1:], x[:, 1:, :-1], x[:, 1:, 1:]), -1)
            x = block(windows).relu_().unflatten(-1, (2, 2, -1))
            x = _shuffled(self.final_layer(x) if i == len(self.blocks) else x)
        return x.permute(0, 3, 1, 2)


class FoldedSimpleDecoder(nn.Module):
    """The nine products of the 3x3 convolution are computed before the upsampling, and added after it."""

    def __init__(self, upsample: nn.Upsample, final_layer: nn.Conv2d):
        super().__init__()
        weight = final_layer.weight.flip(2, 3).permute(0, 2, 3, 1).flatten(0, 2)  # (9 K, C)
        self.upsample, self.products = upsample, _linear(weight, None)
        bias: Any = final_layer.bias
        self.bias = nn.Parameter(bias.detach().view(-1, 1, 1), requires_grad=False)

    def forward(self, feats: Tensor) -> Tensor:
        """Decode a feature map (B, C, Hp, Wp) into heatmaps (B, K, Hm, Wm) in fp32."""
        products = self.products(feats.permute(0, 2, 3, 1).relu()).permute(0, 3, 1, 2)
        cells = self.upsample(products.float())
        return F.fold(cells.flatten(2), cells.shape[2:], 3, padding=1) + self.bias


def fold(decoder: Any, device: str) -> nn.Module | None:
    """Fold a `Decoder` or `DecoderHead` with its weights; None where that is not faster on this type of device."""
    layers, final_layer = list(decoder.deconv_layers), decoder.final_layer
    if isinstance(layers[1], nn.Upsample):
        return FoldedSimpleDecoder(layers[1], final_layer)
    blocks = list(zip(layers[::3], layers[1::3], strict=True))
    return FoldedClassicDecoder(blocks, final_layer) if device == 'cuda' else None


def _window_product(conv: nn.ConvTranspose2d, norm: Any) -> nn.Linear:
    """Make a linear layer, weights (4 x out, 4 x in), from the 2x2 cells around a corner to the output cells there.

    Output cell 2 i + a of an axis depends on the input cells i + a - 1 and i + a (r = 0 and 1), by kernel row
    3 - a - 2 r.
    """
    stats = norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias, True
    weight, bias = fuse_conv_bn_weights(conv.weight, conv.bias, *stats)
    taps = torch.tensor(((3, 1), (2, 0)), device=weight.device)  # [a][r]
    chosen = weight[:, :, taps[:, :, None, None], taps]  # (in, out, a, r, b, s)
    return _linear(chosen.permute(2, 4, 1, 3, 5, 0).flatten(3).flatten(0, 2), bias.repeat(4))


def _shuffled(x: Tensor) -> Tensor:
    """Shuffle cells around the corners (B, H + 1, W + 1, 2, 2, C) into a map (B, 2 H, 2 W, C)."""
    height, width = x.shape[1] - 1, x.shape[2] - 1
    cells = x.new_empty((x.shape[0], height, 2, width, 2, x.shape[-1]))
    for a in (0, 1):
        for b in (0, 1):
            cells[:, :, a, :, b] = x[:, a : a + height, b : b + width, a, b]
    return cells.flatten(1, 2).flatten(2, 3)


def _linear(weight: Tensor, bias: Tensor | None) -> nn.Linear:
    layer: Any = nn.Linear(weight.shape[1], weight.shape[0], bias is not None, device='meta')
    layer.weight = nn.Parameter(weight.detach().contiguous(), requires_grad=False)
    layer.bias = None if bias is None else nn.Parameter(bias.detach(), requires_grad=False)
    return layer
