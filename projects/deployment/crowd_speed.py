"""Time PosePredictor per person on images with 16 and with 200 people, alternating.

OMP_NUM_THREADS=2 python projects/deployment/crowd_speed.py configs/coco/vitpose-small_coco-256x192.py
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch

from vitpose import PosePredictor
from vitpose.bench.bench_setup import make_setup
from vitpose.bench.crowd_scenes import render_people

PEOPLE, ROUNDS = (16, 200), 5


def main(config: str) -> None:
    """Print the median per person, in ms."""
    scenes = {people: render_people(1, people) for people in PEOPLE}
    with tempfile.TemporaryDirectory() as folder:
        setup = make_setup(config, None, Path(folder), device='cpu')
        predictor = PosePredictor.load(setup.config, setup.checkpoint, device='cpu', batch_size=setup.batch_size)
        predictor(*scenes[PEOPLE[0]])
        times: dict[int, list[float]] = {people: [] for people in PEOPLE}
        for i in range(ROUNDS):
            for people in PEOPLE[:: -1 if i % 2 else 1]:
                start = time.perf_counter()
                (poses,) = predictor(*scenes[people])
                times[people].append(1000 * (time.perf_counter() - start) / people)
                assert len(poses.keypoints) == people
    print(f'ms per person: torch {torch.__version__}, {torch.get_num_threads()} threads, batch {setup.batch_size}')
    for people, values in times.items():
        print(f'{people} people: {statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})')


if __name__ == '__main__':
    main(sys.argv[1])
