"""Parameters and multiply-accumulates (MACs) of a model as built."""

import re
from dataclasses import dataclass

import torch
from mmengine import ConfigDict
from mmengine.utils import digit_version
from mmpose.registry import MODELS
from torch.utils.flop_counter import FlopCounterMode

# a module's name, and the part its MACs belong to; what is inside a listed module counts there
PARTS = {
    'patch': r'backbone\.patch_embed',
    'qkv': r'backbone\.layers\.\d+\.attn\.qkv',
    'projection': r'backbone\.layers\.\d+\.attn\.proj',
    'attention': r'backbone\.layers\.\d+\.attn',  # less the two linear layers above
    'FFN': r'backbone\.layers\.\d+\.mlp',
    'decoder': r'(neck|head)(\.heads)?\.\w+',
}


@dataclass(frozen=True)
class Count:
    """Cost of one image: parameters, MACs by part, and of both what trains.

    `trainable_macs` are those of the backbone's parts that have a trainable parameter, as the
    paper's table 6 counts.
    """

    parameters: int
    trainable_parameters: int
    macs: dict[str, int]
    trainable_macs: int

    @property
    def backbone_macs(self) -> int:
        """MACs of everything but the decoder."""
        return sum(self.macs.values()) - self.macs['decoder']


def input_size(model: ConfigDict) -> tuple[int, int]:
    """(h, w) in pixels of a model's input, from its decoder's codec: of several, the default one's.

    Raises:
        ValueError: the head has no codec.
    """
    head = model.head
    if 'heads' in head:
        head = head.heads[head.get('default_dataset') or next(iter(head.heads))]
    decoder = head.get('decoder')
    if not decoder or 'input_size' not in decoder:
        raise ValueError(
            'model.head.decoder has no input_size=(w, h): the cost depends on the input, so give the '
            "head its codec, such as dict(type='UDPHeatmap', input_size=(192, 256), ...)"
        )
    width, height = decoder['input_size']
    return height, width


def count(model: ConfigDict) -> Count:
    """Count a model's parameters and the MACs of one image.

    Matrix products and convolutions are counted as they run, on torch's meta device: no weights are
    made, so any size takes a second. Half of torch's FLOPs, which are two a multiply-accumulate. A
    model of several datasets answers for its default one.

    Args:
        model: config of a top-down estimator with `backbone` and `head`.

    Raises:
        RuntimeError: torch is older than 2.4, whose counter does not follow modules by itself.
    """
    if digit_version(torch.__version__) < digit_version('2.4'):
        raise RuntimeError(f'counting MACs by module needs torch 2.4 or newer, this is {torch.__version__}')
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
