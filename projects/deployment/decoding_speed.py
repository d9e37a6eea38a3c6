"""Time MMPose's decoding and the batch codecs' on the same heatmaps, alternating: the table of docs/decoding.md.

OMP_NUM_THREADS=2 python projects/deployment/decoding_speed.py
"""

import statistics
import time
from collections.abc import Callable

import cv2
import numpy as np
import torch
from mmpose.codecs import MSRAHeatmap, UDPHeatmap

from vitpose_mm.codecs import BatchMSRAHeatmap, BatchUDPHeatmap

BATCH, ROUNDS = 64, 9
SIZES = dict(input_size=(192, 256), heatmap_size=(48, 64))
PAIRS = {
    'UDP': (UDPHeatmap(**SIZES), BatchUDPHeatmap(**SIZES)),
    'UDP, border': (UDPHeatmap(**SIZES), BatchUDPHeatmap(**SIZES, border='normalized')),
    'MSRA, unbiased': (MSRAHeatmap(**SIZES, sigma=2, unbiased=True), BatchMSRAHeatmap(**SIZES, sigma=2, unbiased=True)),
    'MSRA': (MSRAHeatmap(**SIZES, sigma=2), BatchMSRAHeatmap(**SIZES, sigma=2)),
}


def heatmaps(keypoints: int, random: np.random.Generator) -> np.ndarray:
    """Heatmaps (B, K, Hm, Wm) like those of a network: peaks of different heights inside the crop, and noise."""
    codec = PAIRS['UDP'][0]
    points = random.uniform(0, (191, 255), (BATCH, 1, keypoints, 2)).astype(np.float32)
    maps = np.stack([codec.encode(each)['heatmaps'] for each in points])
    maps *= random.uniform(0.2, 1, (*maps.shape[:2], 1, 1)).astype(np.float32)
    return maps + 0.01 * random.standard_normal(maps.shape, np.float32)


def seconds(function: Callable[[], object]) -> float:
    """Time of one call, after another one that wakes up the threads, as the network does before decoding."""
    function()
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def main() -> None:
    """Print the table."""
    threads = torch.get_num_threads()
    cv2.setNumThreads(threads)
    print(f'ms per person: torch {torch.__version__}, {threads} threads, batch {BATCH}, median of {ROUNDS}')
    print('| codec | heatmaps | K | MMPose | batch codec | ratio | quartiles |\n|---|---|---|---|---|---|---|')
    random = np.random.default_rng(0)
    for keypoints in (17, 133):
        data = {'network-like': heatmaps(keypoints, random)}
        data['normal noise'] = random.standard_normal(data['network-like'].shape, np.float32)
        for (name, (theirs, ours)), (kind, maps) in ((pair, each) for each in data.items() for pair in PAIRS.items()):
            tensors = torch.from_numpy(maps)
            calls = (lambda: [theirs.decode(each) for each in maps], lambda: ours.batch_decode(tensors))  # noqa: B023
            times = np.array([[seconds(call) for call in calls] for _ in range(ROUNDS)])
            one, other = (1000 / BATCH * statistics.median(column) for column in times.T)
            low, high = np.quantile(times[:, 0] / times[:, 1], (0.25, 0.75))
            result = f'{one:.2f} | {other:.3f} | {one / other:.1f}x | {low:.1f} to {high:.1f}'
            print(f'| {name} | {kind} | {keypoints} | {result} |', flush=True)


if __name__ == '__main__':
    main()
