"""Compare training steps: experts that a batch needs or all, one or three decoders, and what each decoder runs on.

The two variants of a pair alternate in one run. A step is forward, loss, backward and AdamW on random images, with
equally many samples per dataset. Peak memory is measured in a separate process per variant.
"""

import argparse
import statistics
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.structures import InstanceData, PixelData
from mmpose.registry import MODELS
from mmpose.structures import PoseDataSample

sys.path.append(str(Path(__file__).resolve().parents[2]))  # for the imports from `projects`

import vitpose_mm  # noqa: F401
from projects.studies.timing import measure_steps
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
    decoder = dict(type='ClassicHead', in_channels=MODELS.build(backbone).embed_dim, decoder=codec)
    heads = {name: dict(decoder, out_channels=KEYPOINTS[name]) for name in names}
    kind = 'MultiDatasetPoseEstimator' if experts else 'TopdownPoseEstimator'
    head = dict(type='MultiDatasetHead', heads=heads) if len(names) > 1 else heads['coco']
    model = MODELS.build(dict(type=kind, backbone=backbone, head=head)).to(args.device).train()
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
    for pair in PAIRS.values():
        peaks, times = measure_steps(partial(training_step, args=args), pair, args.device, args.steps)
        first = statistics.median(times[pair[0]])
        for variant in pair:
            seconds, most = statistics.median(times[variant]), peaks[variant]
            print(
                f'{variant:26} {seconds:8.2f} s ({seconds / first:.3f}x)   peak {most / 2**30:6.2f} GiB '
                f'({most / peaks[pair[0]]:.3f}x)'
            )


if __name__ == '__main__':
    main()
