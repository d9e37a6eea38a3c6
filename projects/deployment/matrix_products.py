"""A network's measured time next to the time of its matrix products alone, at this processor's measured speed."""

import argparse
import json
import sys
import time
from pathlib import Path

import torch

from vitpose.predict.models.torch_model import read_config
from vitpose_mm.cost.count import count
from vitpose_mm.optim.autocast import has_bfloat16

ROWS, WIDTH = 768, 768  # the tokens of 4 people, the width of ViT-B
SECONDS = 5.0


def main() -> int:
    """Measure products, and print a table of a file of `vitpose bench`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('bench', type=Path, metavar='BENCH.json', help='what `vitpose bench` wrote on this machine')
    args = parser.parse_args()
    measured = json.loads(args.bench.read_text())
    macs = sum(count(read_config(measured['config'])[0].model).macs.values())
    speeds = {name: macs_per_second(name) for name in ('fp32', 'bf16', 'int8') if supported(name)}
    print(', '.join(f'{name}: {speed / 1e9:.1f} GMACs/s' for name, speed in speeds.items()))
    print(f'{macs / 1e9:.2f} GMACs per person, {torch.get_num_threads()} threads\n')
    print('| contestant | network, ms per person | matrix products alone, ms | share |\n|---|---|---|---|')
    for name, found in measured['contestants'].items():
        network = 1000 / found['stages']['network']['people_per_second']['median']
        precision = next((each for each in speeds if name.endswith(each)), 'fp32')
        products = 1000 * macs / speeds[precision]
        print(f'| `{name}` | {network:.1f} | {products:.1f} ({precision}) | {products / network:.0%} |')
    return 0


def supported(precision: str) -> bool:
    """Whether the processor has instructions for products of this precision."""
    return precision == 'fp32' or (has_bfloat16('cpu') if precision == 'bf16' else torch.cpu._is_vnni_supported())


def macs_per_second(precision: str) -> float:
    """Highest speed of the product of ViT-B's first linear layer of an MLP, for 4 people."""
    kind = {'fp32': torch.float32, 'bf16': torch.bfloat16, 'int8': torch.int8}[precision]
    left, right = (torch.ones(shape).to(kind) for shape in ((ROWS, WIDTH), (WIDTH, 4 * WIDTH)))
    product = torch._int_mm if precision == 'int8' else torch.mm
    product(left, right)
    seconds: list[float] = []
    while sum(seconds) < SECONDS or len(seconds) < 3:
        start = time.perf_counter()
        product(left, right)
        seconds.append(time.perf_counter() - start)
    return ROWS * WIDTH * 4 * WIDTH / min(seconds)


if __name__ == '__main__':
    sys.exit(main())
