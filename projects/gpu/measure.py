"""ViTPose on a GPU: network, end to end, decoding, crops and training step, as people per second and share of the peak.

Torch, numpy and OpenCV are enough, and matplotlib for the plot. Weights are random. Cases run in the order of their
importance until the time is over; those that did not run are listed.
"""

import argparse
import contextlib
import json
import platform
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from vitpose import PosePredictor
from vitpose.predict.models.crops import CropRule
from vitpose.predict.models.device import PRECISIONS
from vitpose.predict.models.graph_model import GraphModel
from vitpose_mm.networks.decoders import classic_decoder
from vitpose_mm.networks.heatmaps.codecs import UDPCodec
from vitpose_mm.networks.pose_network import PoseNetwork
from vitpose_mm.networks.vit import PlainViT

SIZE, CELLS, KEYPOINTS = (192, 256), (48, 64), 17  # (w, h)
TOY = dict(depth=1, embed_dim=32, num_heads=2)
PEAKS = {'A100': 312e12, 'H100': 989e12, 'H200': 989e12, 'L40S': 362e12}  # dense bf16 FLOP/s of the data sheets
PEOPLE, FRAME = 12, (480, 640)  # people per frame, (h, w)
SAMPLES, EPOCHS = 149_813, 210  # people in COCO's training set with keypoints; of the paper's schedule
NVIDIA_SMI = 'name,driver_version,clocks.sm,clocks.max.sm,power.draw,power.limit,temperature.gpu'


@dataclass(frozen=True)
class Case:
    """One measurement."""

    part: str  # 'network', 'end to end', 'decoding', 'crops', 'training'
    arch: str = 'base'
    precision: str = 'bf16'  # or 'fp32', 'tf32', 'fp16'
    compiled: bool = False
    batch: int = 64


class RandomModel(GraphModel):
    """A ViTPose with the classic decoder and random weights."""

    def __init__(self, arch: str, **options: Any):
        super().__init__(**options)
        self.metainfo, self.num_keypoints = dict(flip_indices=list(range(KEYPOINTS))), KEYPOINTS
        self.crop_rule, self.decoder = CropRule(SIZE, use_udp=True), UDPCodec(SIZE, CELLS)
        with self.device:  # where random weights of the huge model take a moment
            network = build_network(arch)
        self._place(network, network.head)


def build_network(arch: str) -> PoseNetwork:
    """A network with random weights; 'toy' is one narrow block."""
    torch.manual_seed(0)
    vit = PlainViT(TOY if arch == 'toy' else arch, SIZE[::-1])
    return PoseNetwork(vit, classic_decoder(vit.embed_dim, KEYPOINTS))


def plan(args: argparse.Namespace) -> list[Case]:
    """All cases, the most important ones first."""
    main, first = args.sizes[0], args.batches[0]
    fast = 'bf16' if 'bf16' in args.precisions else args.precisions[0]
    middle = 64 if 64 in args.batches else args.batches[-1]
    compiled = [True] if args.compile else []
    cases = [Case('network', main, fast, False, batch) for batch in (middle, first)]
    cases += [Case('end to end', main, fast, False, middle), Case('training', main, fast, False, middle)]
    cases += [Case(part, main, fast, False, middle) for part in ('decoding', 'crops')]
    cases += [Case('network', main, fast, done, batch) for done in compiled for batch in (middle, first)]
    cases += [Case('training', main, fast, done, middle) for done in compiled]
    cases += [Case(part, main, each, False, middle) for each in args.precisions for part in ('network', 'training')]
    cases += [Case('network', size, fast, False, middle) for size in args.sizes]
    cases += [Case('network', main, fast, False, batch) for batch in args.batches]
    cases += [Case('training', main, fast, False, batch) for batch in args.batches if batch > middle]
    cases += [Case('end to end', main, fast, done, middle) for done in compiled]  # compiles several sizes
    return list(dict.fromkeys(cases))


@contextlib.contextmanager
def tf32(enabled: bool) -> Iterator[None]:
    """Let matrix products and convolutions in fp32 use TF32, or not."""
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision('high' if enabled else 'highest')
    torch.backends.cudnn.allow_tf32 = enabled
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]


def rate(run: Callable[[], Any], count: int, seconds: float, device: torch.device) -> float:
    """How many of `count` in each run are done per second, once it is warm."""

    def wait() -> None:
        if device.type == 'cuda':
            torch.cuda.synchronize(device)

    for _ in range(4 if seconds else 1):
        run()
    wait()
    done, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds or not done:
        for _ in range(5 if seconds else 1):  # without waiting in between
            run()
            done += count
        wait()
    return done / (time.perf_counter() - start)


def measure(case: Case, seconds: float, device: torch.device) -> float:
    """People per second of a case."""
    random = np.random.default_rng(0)
    if case.part == 'training':
        return rate(training_step(case, device), case.batch, seconds, device)
    if case.part == 'decoding':
        heatmaps = torch.rand(case.batch, KEYPOINTS, *CELLS[::-1], device=device)
        return rate(lambda: UDPCodec(SIZE, CELLS).batch_decode(heatmaps), case.batch, seconds, device)
    precision = 'fp32' if case.precision == 'tf32' else case.precision
    model = RandomModel(case.arch, device=str(device), precision=precision, compile=case.compiled)
    if case.part == 'network':
        crops = torch.zeros(case.batch, *SIZE[::-1], 3, dtype=torch.uint8, device=device)
        inputs = crops if device.type == 'cuda' else crops.numpy()
        return rate(lambda: model.heatmaps(inputs), case.batch, seconds, device)
    frames = [random.integers(0, 256, (*FRAME, 3), np.uint8) for _ in range(16 if seconds else 2)]
    corners = random.uniform(0, (FRAME[1] - 100, FRAME[0] - 200), (PEOPLE, 2))
    boxes = np.concatenate((corners, corners + (100, 200)), 1).astype(np.float32)
    if case.part == 'crops':
        regions, rule = model.crop_rule.regions(boxes), model.crop_rule
        out = rule.empty(PEOPLE)
        return rate(lambda: rule.crop(rule.source(frames[0]), *regions, out), PEOPLE, seconds, device)
    predictor, several = PosePredictor(model, None, case.batch), [boxes] * len(frames)
    return rate(lambda: predictor(frames, several), PEOPLE * len(frames), seconds, device)


def training_step(case: Case, device: torch.device) -> Callable[[], None]:
    """A step with fused AdamW on images and heatmaps that stay on the device."""
    with device:
        network = build_network(case.arch).train()
    if case.compiled:
        network.compile()
    optimizer = torch.optim.AdamW(network.parameters(), fused=device.type == 'cuda')
    images = torch.rand(case.batch, 3, *SIZE[::-1], device=device)
    targets = torch.rand(case.batch, KEYPOINTS, *CELLS[::-1], device=device)
    dtype = PRECISIONS.get(case.precision)

    def step() -> None:
        with torch.autocast(device.type, dtype) if dtype else contextlib.nullcontext():
            loss = nn.functional.mse_loss(network(images), targets)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    return step


def count_macs(arch: str) -> int:
    """Multiply-accumulates of the network per person."""
    with torch.device('meta'):
        network, image = build_network(arch).eval(), torch.empty(1, 3, *SIZE[::-1])
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        network(image)
    return counter.get_total_flops() // 2


def describe(device: torch.device) -> dict[str, Any]:
    """Versions, and what nvidia-smi says of the card."""
    versions = dict(python=platform.python_version(), torch=torch.__version__, opencv=cv2.__version__)
    if device.type != 'cuda':
        return versions | dict(name='cpu')
    command = ['nvidia-smi', f'--query-gpu={NVIDIA_SMI}', '--format=csv,noheader', f'--id={device.index or 0}']
    answer = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip().split(', ')
    versions |= dict(cuda=torch.version.cuda, cudnn=torch.backends.cudnn.version())
    return versions | dict(zip(NVIDIA_SMI.split(','), answer, strict=False))


def tabulate(rows: list[dict[str, Any]], about: dict[str, Any], missing: list[Case], price: float | None) -> str:
    """The results as Markdown; hours and cost of COCO follow from the best measured training step."""
    heading = '| part | size | precision | compiled | batch | people/s | share of peak |'
    lines = [', '.join(f'{key} {value}' for key, value in about.items()), '', heading, '|---|---|---|---|---|---|---|']
    for row in rows:
        share = '' if row['share'] is None else f'{row["share"]:.1%}'
        words = (row['part'], row['arch'], row['precision'], 'yes' if row['compiled'] else 'no', row['batch'])
        lines.append(f'| {" | ".join(map(str, words))} | {row["rate"]:,.0f} | {share} |')
    lines += ['', *(f'not run, the time was over: {case}' for case in missing)]
    if steps := [row for row in rows if row['part'] == 'training' and row['arch'] != 'toy']:
        best = max(steps, key=lambda row: row['rate'])
        hours = SAMPLES * EPOCHS / best['rate'] / 3600
        cost = '' if price is None else f', {hours * price:,.0f} at {price:g} per hour'
        text = f'COCO, {EPOCHS} epochs at the step of {best["arch"]}, {best["precision"]}, batch {best["batch"]}'
        lines.append(f'{text}: {hours:.1f} hours{cost}; loading and validation are not included')
    return '\n'.join(lines)


def plot(rows: list[dict[str, Any]], file: Path) -> None:
    """Draw the share of the peak of each case; without matplotlib say so."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return print(f'{file}: not drawn, matplotlib is not installed')
    shown = [row for row in rows if row['share'] is not None][::-1]
    axes = (figure := Figure((7, 1 + 0.25 * len(shown)), layout='constrained')).subplots()
    names = [f'{row["part"]}, {row["arch"]}, {row["precision"]}, {row["batch"]}' for row in shown]
    names = [name + (', compiled' if row['compiled'] else '') for name, row in zip(names, shown, strict=True)]
    axes.barh(range(len(shown)), [100 * row['share'] for row in shown])
    axes.set_yticks(range(len(shown)), names, fontsize=7)
    axes.set_xlabel('share of the dense bf16 peak in %')
    figure.savefig(file, dpi=150)


def main(words: list[str] | None = None) -> None:
    """Measure, print the table, and write results.json, table.md and peak.png."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add('--device', default='cuda')
    add('--sizes', nargs='+', default=['base', 'small', 'large', 'huge'], help='the first one is measured in full')
    add('--precisions', nargs='+', default=['bf16', 'tf32', 'fp32', 'fp16'], choices=['bf16', 'tf32', 'fp32', 'fp16'])
    add('--batches', nargs='+', type=int, default=[1, 8, 32, 64, 128, 256])
    add('--seconds', type=float, default=2.0, help='of each case, after its warm-up')
    add('--minutes', type=float, default=5.0, help='after which no other case begins')
    add('--peak', type=float, metavar='FLOPS', help='dense bf16 FLOP/s of the card (default: of its data sheet)')
    add('--price', type=float, help='of an hour of the card, for the cost of COCO')
    add('--compile', action=argparse.BooleanOptionalAction, default=True)
    add('--out', type=Path, default=Path('work_dirs/gpu'))
    args = parser.parse_args(words)
    start, device, rows, cases = time.perf_counter(), torch.device(args.device), [], plan(args)
    about = describe(device)
    peak = args.peak or next((value for name, value in PEAKS.items() if name in str(about.get('name'))), None)
    macs = {size: count_macs(size) for size in args.sizes}
    args.out.mkdir(parents=True, exist_ok=True)
    while cases and time.perf_counter() - start < 60 * args.minutes:
        case = cases.pop(0)
        try:
            with tf32(case.precision == 'tf32'):
                people = measure(case, args.seconds, device)
        except torch.cuda.OutOfMemoryError as problem:
            print(f'{case}: {str(problem).splitlines()[0]}')
            continue
        uses = {'network': 2, 'end to end': 2, 'training': 6}.get(case.part)  # FLOPs per MAC, with the backward pass
        share = uses * macs[case.arch] * people / peak if uses and peak else None
        rows.append(vars(case) | dict(rate=people, share=share))
        print(f'{time.perf_counter() - start:5.0f} s  {case}: {people:,.0f} people/s', flush=True)
        about_now = about | dict(after=describe(device))  # clock and power under load
        args.out.joinpath('results.json').write_text(json.dumps(dict(about=about_now, macs=macs, rows=rows), indent=1))
    table = tabulate(rows, about, cases, args.price)
    args.out.joinpath('table.md').write_text(table + '\n')
    print(table)
    plot(rows, args.out / 'peak.png')


if __name__ == '__main__':
    main()
