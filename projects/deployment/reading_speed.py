"""Time reading image files and cropping their people in threads, as PosePredictor does, and in processes, alternating.

python projects/deployment/reading_speed.py
"""

import multiprocessing
import os
import statistics
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np

from vitpose.bench.crowd_scenes import render_people
from vitpose.predict.inputs.images import read_image
from vitpose.predict.models.crops import CropRule

IMAGES, PEOPLE, ROUNDS = 64, 12, 9
RULE = CropRule((192, 256), use_udp=True)


def crop_people(task: tuple[Path, np.ndarray]) -> np.ndarray:
    """Read an image and crop the people in it: (N, h, w, 3) uint8."""
    file, boxes = task
    crops = np.empty((len(boxes), *RULE.input_size[::-1], 3), np.uint8)
    RULE.crop(read_image(file), *RULE.regions(boxes), crops)
    return crops


def main() -> None:
    """Print the median per image, in ms."""
    cv2.setNumThreads(1)
    workers = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as folder:
        tasks = []
        for i, (image, boxes) in enumerate(zip(*render_people(4, PEOPLE), strict=True)):
            cv2.imwrite(f'{folder}/{i}.jpg', image)
            tasks.append((Path(folder, f'{i}.jpg'), boxes))
        tasks *= IMAGES // len(tasks)
        processes = ProcessPoolExecutor(workers, multiprocessing.get_context('spawn'))
        with ThreadPoolExecutor(workers) as threads, processes:
            times: dict[str, list[float]] = {'threads': [], 'processes': []}
            for _ in range(1 + ROUNDS):
                for name, pool in (('threads', threads), ('processes', processes)):
                    start = time.perf_counter()
                    assert sum(map(len, pool.map(crop_people, tasks))) == IMAGES * PEOPLE
                    times[name].append(1000 * (time.perf_counter() - start) / IMAGES)
    print(f'ms per image of 640x480 pixels with {PEOPLE} people, {workers} workers, median of {ROUNDS}')
    for name, (_, *measured) in times.items():
        print(f'{name}: {statistics.median(measured):.2f} ({min(measured):.2f} to {max(measured):.2f})')


if __name__ == '__main__':
    main()
