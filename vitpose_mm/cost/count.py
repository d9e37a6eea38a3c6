"""Number of parameters and multiply-accumulates (MACs) of a model."""

import re
from dataclasses import dataclass

import torch
from mmengine import ConfigDict
from mmpose.registry import MODELS
from torch.utils.flop_counter import FlopCounterMode

from ..torch_support import check_torch

# part of the model: pattern of the modules that belong to it, including their submodules
PARTS = {
    'patch': r'backbone\.patch_embed',
    'qkv': r'backbone\.layers\.\d+\.attn\.qkv',
    'projection': r'backbone\.layers\.\d+\.attn\.proj',
    'attention': r'backbone\.layers\.\d+\.attn',  # minus the two linear layers above
    'FFN': r'backbone\.layers\.\d+\.mlp',
    'decoder': r'(neck|head)(\.heads)?\.\w+',
}


@dataclass(frozen=True)
class Count:
    """Number of parameters, and MACs per image by part of the model.

    `trainable_macs` covers the backbone's parts that have a trainable parameter, as table 6 of the ViTPose paper does.
    """

    parameters: int
    trainable_parameters: int
    macs: dict[str, int]
    trainable_macs: int

    @property
    def backbone_macs(self) -> int:
        """MACs of everything except the decoder."""
        return sum(self.macs.values()) - self.macs['decoder']


def input_size(model: ConfigDict) -> tuple[int, int]:
    """Return the (h, w) of a model's input in pixels, from the codec of its head or its default dataset's head.

    ValueError if the head has no codec with an input size.
    """
    head = model.head
    if 'heads' in head:
        head = head.heads[head.get('default_dataset') or next(iter(head.heads))]
    decoder = head.get('decoder')
    if not decoder or 'input_size' not in decoder:
        raise ValueError(
            'model.head.decoder has no input_size=(w, h), on which the cost depends: add a codec to '
            "the head, such as dict(type='UDPHeatmap', input_size=(192, 256), ...)"
        )
    width, height = decoder['input_size']
    return height, width


def count(model: ConfigDict) -> Count:
    """Count a model's parameters and its MACs per image.

    The MACs are those of the matrix products and convolutions that run: half of torch's FLOPs, which count two per
    multiply-accumulate. The model runs on torch's meta device, so no weights are allocated. A multi-dataset model is
    counted with the head of its default dataset.

    `model` is the config of a top-down estimator with `backbone` and `head`. ValueError if torch is older than 2.4,
    whose counter does not count per module.
    """
    check_torch('2.4', 'counting MACs per module')
    with torch.device('meta'):
        built = MODELS.build(model).eval()
        image = torch.empty(1, 3, *input_size(model))
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        built(image, None, mode='tensor')
    flops = {name.partition('.')[2]: sum(by_op.values()) for name, by_op in counter.get_flop_counts().items()}
    macs, trainable = dict.fromkeys([*PARTS, 'other'], 0), 0
    for name, module in built.named_modules():
        part = next((part for part, pattern in PARTS.items() if re.fullmatch(pattern, name)), None)
        if part is None:
            continue
        own = flops.get(name, 0) // 2
        if part == 'attention':
            own -= sum(flops.get(f'{name}.{linear}', 0) // 2 for linear in ('qkv', 'proj'))
        macs[part] += own
        if part != 'decoder' and any(p.requires_grad for p in module.parameters()):
            trainable += own
    macs['other'] = sum(counter.get_flop_counts()['Global'].values()) // 2 - sum(macs.values())
    sizes = [(p.numel(), p.requires_grad) for p in built.parameters()]
    return Count(sum(n for n, _ in sizes), sum(n for n, trains in sizes if trains), macs, trainable)
