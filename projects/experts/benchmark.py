"""Compare training steps: experts that a batch needs or all, one or three decoders, and what each decoder runs on.

The two variants of a pair alternate in one run. A step is forward, loss, backward and AdamW on random images, with
equally many samples per dataset. Peak memory is measured in a separate process per variant.
"""

import argparse
import multiprocessing
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.structures import InstanceData, PixelData
from mmpose.registry import MODELS
from mmpose.structures import PoseDataSample
from rich.progress import Progress

import vitpose_mm  # noqa: F401
from vitpose_mm.cost import peak_bytes
from vitpose_mm.heads import ClassicHead
from vitpose_mm.layers import ExpertMlp

NAMES = ['coco', 'aic', 'mpii', 'ap10k', 'apt36k', 'coco_wholebody']
KEYPOINTS = dict(zip(NAMES, (17, 14, 16, 17, 17, 133), strict=True))
PAIRS = {
    'experts': ('needed experts', 'all experts and a mask'),
    'decoders': ('one decoder', 'three decoders'),
    'batch norm': ('six decoders, own samples', 'six decoders, whole batch'),
}


class AllExperts(ExpertMlp):
    """Experts as in the authors' code: every expert runs on every token, then the outputs are masked."""

    def forward(self, x: torch.Tensor, expert: torch.Tensor) -> torch.Tensor:
        """(B, Hp, Wp, C), (B,) -> (B, Hp, Wp, C)."""
        hidden = self.act(self.fc1(x))
        expert_output = sum(
            F.linear(hidden, weight, bias) * (expert == e).view(-1, 1, 1, 1)
            for e, (weight, bias) in enumerate(zip(self.experts.weight, self.experts.bias, strict=True))
        )
        return torch.cat([self.fc2(hidden), expert_output], dim=-1)


class OwnSamples(ClassicHead):
    """A decoder that runs on the samples of its dataset alone: a `MultiDatasetHead` calls `loss` of other classes."""

    def loss(self, *args: Any, **kwargs: Any) -> dict[str, torch.Tensor]:
        """The losses of its own samples."""
        return super().loss(*args, **kwargs)


def training_step(variant: str, args: argparse.Namespace) -> Callable[[], None]:
    """Return a function that runs one training step of a variant."""
    torch.manual_seed(0)
    experts = variant in PAIRS['experts'] + PAIRS['batch norm']
    names = NAMES if experts else NAMES[:3] if variant == 'three decoders' else NAMES[:1]
    codec = dict(type='BatchUDPHeatmap', input_size=(192, 256), heatmap_size=(48, 64), sigma=2)
    backbone = dict(type='ViT', arch=args.arch, experts=dict(names=NAMES, expert_dim=192) if experts else None)
    dim = MODELS.build(backbone).embed_dim
    heads = {
        name: dict(type='ClassicHead', in_channels=dim, out_channels=KEYPOINTS[name], decoder=codec) for name in names
    }
    model = (
        MODELS.build(
            dict(
                type='MultiDatasetPoseEstimator' if experts else 'TopdownPoseEstimator',
                backbone=backbone,
                head=dict(type='MultiDatasetHead', heads=heads) if len(names) > 1 else heads['coco'],
            )
        )
        .to(args.device)
        .train()
    )
    for block in model.backbone.layers if variant == PAIRS['experts'][1] else ():
        block.mlp.__class__ = AllExperts
    for head in model.head.heads.values() if variant == PAIRS['batch norm'][0] else ():
        head.__class__ = OwnSamples
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6)
    image = torch.randn(args.batch, 3, 256, 192, device=args.device)
    samples = []
    for i in range(args.batch):
        name = names[i % len(names)]
        sample = PoseDataSample(metainfo=dict(dataset_name=name))
        sample.gt_instance_labels = InstanceData(keypoint_weights=torch.ones(1, KEYPOINTS[name], device=args.device))
        sample.gt_fields = PixelData(heatmaps=torch.rand(KEYPOINTS[name], 64, 48, device=args.device))
        samples.append(sample)

    def step() -> None:
        with torch.autocast(torch.device(args.device).type, torch.bfloat16, enabled=args.dtype == 'bfloat16'):
            losses = model.loss(image, samples)
        losses['loss_kpt'].backward()
        optimizer.step()
        optimizer.zero_grad()
        if args.device != 'cpu':
            torch.cuda.synchronize()

    return step


def peak(variant: str, args: argparse.Namespace) -> int:
    """Return the peak memory of two steps in bytes; to be called in a new process."""
    return peak_bytes(lambda: training_step(variant, args), args.device)


def main() -> None:
    """Measure the variants and print the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--arch', default='base', choices=('small', 'base', 'large'), help='model size (default base)')
    parser.add_argument('--batch', type=int, default=24, help='batch size (default 24)')
    parser.add_argument('--steps', type=int, default=5, help='measured steps per variant (default 5)')
    parser.add_argument(
        '--dtype', default='float32', choices=('float32', 'bfloat16'), help='float32 (default) or bfloat16 autocast'
    )
    parser.add_argument('--device', default='cpu', help='cpu (default) or cuda')
    args = parser.parse_args()
    print(
        f'{args.arch}, batch {args.batch}, {args.dtype}, {args.device}, torch {torch.__version__}, '
        f'{torch.get_num_threads()} threads'
    )
    with Progress(transient=True) as progress:
        task = progress.add_task('measuring', total=len(PAIRS) * 2 * (args.steps + 2))
        for pair in PAIRS.values():
            peaks = []
            for variant in pair:
                with multiprocessing.get_context('spawn').Pool(1) as pool:
                    peaks.append(pool.apply(peak, (variant, args)))
                progress.advance(task)
            steps = [training_step(variant, args) for variant in pair]
            times: list[list[float]] = [[], []]
            for i in range(args.steps + 1):
                for step, measured in zip(steps, times, strict=True):
                    start = time.perf_counter()
                    step()
                    if i:
                        measured.append(time.perf_counter() - start)
                    progress.advance(task)
            medians = [statistics.median(measured) for measured in times]
            for variant, seconds, most in zip(pair, medians, peaks, strict=True):
                print(
                    f'{variant:26} {seconds:8.2f} s ({seconds / medians[0]:.3f}x)   peak {most / 2**30:6.2f} GiB '
                    f'({most / peaks[0]:.3f}x)'
                )


if __name__ == '__main__':
    main()
