"""Time and memory of pre-training: visible patches against all, and ours against transformers' ViTMAEForPreTraining.

    python projects/pretrain/benchmark.py --size small --batch 16

All variants alternate in one run. Peak memory is measured in a separate process per variant. The two models have the
same weights, images and masks. bfloat16 is left out on a processor that only emulates it.
"""

import argparse
import statistics
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from mmpose.registry import MODELS

sys.path.append(str(Path(__file__).resolve().parents[2]))  # for the imports from `projects`

import vitpose_mm  # noqa: F401
from projects.studies.timing import measure_steps
from vitpose.runs.table import machine
from vitpose_mm.networks.vit_sizes import parse_size
from vitpose_mm.optim.autocast import has_bfloat16
from vitpose_mm.pretrain import to_transformers
from vitpose_mm.pretrain.masking import split_patches

DECODERS = {'small': dict(dim=256, depth=4, heads=8)}
ENCODERS = {'encoder, 25% of the patches': 0.75, 'encoder, all patches': 0.0}
STEPS = ('ours, float32', 'transformers, float32', 'ours, bfloat16')


def ours(size: str) -> torch.nn.Module:
    """Our masked autoencoder at 224x224."""
    torch.manual_seed(0)
    decoder = DECODERS.get(size, dict(dim=512, depth=8, heads=16))
    vit = dict(type='ViT', arch=size, img_size=(224, 224))
    return MODELS.build(dict(type='MaskedAutoencoder', backbone=vit, decoder=decoder))


def theirs(model: torch.nn.Module, size: str) -> torch.nn.Module:
    """Transformers' model with the same weights."""
    from transformers import ViTMAEConfig, ViTMAEForPreTraining

    arch, decoder = parse_size(size), DECODERS.get(size, dict(dim=512, depth=8, heads=16))
    config = ViTMAEConfig(
        hidden_size=arch.embed_dim,
        num_hidden_layers=arch.depth,
        num_attention_heads=arch.num_heads,
        intermediate_size=4 * arch.embed_dim,
        decoder_hidden_size=decoder['dim'],
        decoder_num_hidden_layers=decoder['depth'],
        decoder_num_attention_heads=decoder['heads'],
        decoder_intermediate_size=4 * decoder['dim'],
        norm_pix_loss=True,
        layer_norm_eps=1e-6,
    )
    other = ViTMAEForPreTraining(config)
    other.load_state_dict(to_transformers(model.state_dict()))
    return other


def encoding(ratio: float, size: str, batch: int) -> Callable[[], None]:
    """Return a function that encodes a batch, forward and backward, with a share of the patches masked."""
    model = ours(size)
    patches, noise = torch.randn(batch, 196, 768), torch.rand(batch, 196)
    visible = split_patches(noise, ratio).visible if ratio else noise.argsort(1)

    def step() -> None:
        model.encode(patches, visible).square().mean().backward()
        model.zero_grad()

    return step


def training(variant: str, size: str, batch: int) -> Callable[[], None]:
    """Return a function that runs one training step of a variant: forward, loss, backward, AdamW."""
    model = ours(size)
    images, noise = torch.randn(batch, 3, 224, 224), torch.rand(batch, 196)
    if variant.startswith('transformers'):
        model = theirs(model, size)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-6)

    def step() -> None:
        with torch.autocast('cpu', torch.bfloat16, enabled='bfloat16' in variant):
            if variant.startswith('transformers'):
                loss = model(images, noise=noise).loss
            else:
                loss = model(images, mode='loss', noise=noise)['loss']
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def make(variant: str, size: str, batch: int) -> Callable[[], None]:
    """Return the step of a variant."""
    return encoding(ENCODERS[variant], size, batch) if variant in ENCODERS else training(variant, size, batch)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--size', default='small', choices=('deit-tiny', 'small', 'base', 'large'), help='%(default)s')
    parser.add_argument('--batch', type=int, default=16, help='images per step (default 16)')
    parser.add_argument('--steps', type=int, default=7, help='timed steps per variant (default 7)')
    args = parser.parse_args()
    variants = [*ENCODERS, *(step for step in STEPS if 'bfloat16' not in step or has_bfloat16('cpu'))]
    peaks, times = measure_steps(partial(make, size=args.size, batch=args.batch), variants, 'cpu', args.steps)
    print(f'ViT {args.size}, 224x224, batch {args.batch}, median of {args.steps} steps in turn; {machine()}\n')
    print('| | ms per image | images per second | peak memory (MiB) |\n|---|---|---|---|')
    for variant in variants:
        median = statistics.median(times[variant]) / args.batch
        print(f'| {variant} | {1000 * median:.1f} | {1 / median:.1f} | {peaks[variant] / 2**20:.0f} |')
    for one, other, what in (
        (*ENCODERS, 'encoder time, 25% of the patches against all'),
        ('transformers, float32', 'ours, float32', 'images per second, ours against transformers'),
        ('ours, float32', 'ours, bfloat16', 'images per second, bfloat16 against float32'),
    ):
        if other in times:
            ratios = [a / b for a, b in zip(times[one], times[other], strict=True)]
            print(f'{what}: {statistics.median(ratios):.2f}')


if __name__ == '__main__':
    main()
