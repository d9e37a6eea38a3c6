"""Loading time of an annotation file of COCO's size, and the memory of the loader's workers."""

import argparse
import contextlib
import io
import json
import os
import tempfile
import time
from pathlib import Path

import numpy as np


def write_annotations(path: Path, people: int, images: int) -> None:
    """Write random people with 17 keypoints, a polygon of 40 points and a box each."""
    random = np.random.default_rng(0)
    annotations = []
    for i in range(people):
        x, y, w, h = random.uniform((0, 0, 60, 60), (300, 200, 300, 250)).round(2).tolist()
        points = np.c_[random.uniform((x, y), (x + w, y + h), (17, 2)).round(), random.integers(1, 3, 17)]
        ids = dict(id=i + 1, image_id=i % images + 1, category_id=1, iscrowd=0)
        box = dict(area=round(w * h / 2, 2), bbox=[x, y, w, h])
        keypoints = dict(num_keypoints=17, keypoints=points.astype(int).ravel().tolist())
        polygon = random.uniform(0, 600, 80).round(2).tolist()
        annotations.append(ids | box | keypoints | dict(segmentation=[polygon]))
    shots = [dict(id=i + 1, file_name=f'{i + 1:012}.jpg', width=640, height=480) for i in range(images)]
    text = json.dumps(dict(images=shots, annotations=annotations, categories=[dict(id=1, name='person')]))
    path.write_text(text)


def load(kind: str, path: Path) -> tuple[object, float]:
    """The dataset and the processor seconds that building it took."""
    from mmpose.registry import DATASETS

    before = time.process_time()
    with contextlib.redirect_stdout(io.StringIO()):
        dataset = DATASETS.build(dict(type=kind, ann_file=str(path), data_prefix=dict(img=''), pipeline=[]))
    return dataset, time.process_time() - before


def memory(pid: int) -> dict[str, float]:
    """Resident and proportional memory of a process in MB."""
    lines = Path(f'/proc/{pid}/smaps_rollup').read_text().splitlines()[1:]
    values = {line.split(':')[0]: int(line.split()[1]) / 1024 for line in lines}
    return dict(rss=values['Rss'], pss=values['Pss'])


def share(dataset: object, workers: int) -> list[dict[str, float]]:
    """The memory of workers that have each read 2,000 samples."""
    children = []
    for i in range(workers):
        ready, done = os.pipe(), os.pipe()
        pid = os.fork()
        if not pid:
            for index in np.random.default_rng(i).integers(len(dataset), size=2000).tolist():
                dataset[index]
            os.write(ready[1], b'.')
            os.read(done[0], 1)
            os._exit(0)
        children.append((pid, ready, done))
    for _, ready, _ in children:
        os.read(ready[0], 1)
    found = [memory(pid) for pid, *_ in children]
    for pid, _, done in children:
        os.write(done[1], b'.')
        os.waitpid(pid, 0)
    return found


def main() -> None:
    """Generate, load alternating, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--people', type=int, default=150_000)
    parser.add_argument('--images', type=int, default=118_000)
    parser.add_argument('--rounds', type=int, default=3)
    args = parser.parse_args()
    from mmengine.registry import init_default_scope

    import vitpose_mm  # noqa: F401

    init_default_scope('mmpose')
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'annotations.json'
        write_annotations(path, args.people, args.images)
        print(f'{args.people} people, {args.images} images, {path.stat().st_size / 1e6:.0f} MB')
        seconds: dict[str, list[float]] = {}
        for i in range(args.rounds):
            for kind in ('CocoDataset', 'CheckedCocoDataset')[:: -1 if i % 2 else 1]:
                dataset, spent = load(kind, path)
                seconds.setdefault(kind, []).append(spent)
        for kind, spent in seconds.items():
            print(f'{kind}: {np.median(spent):.1f} s ({min(spent):.1f}-{max(spent):.1f})')
        print(f'annotations in memory: {dataset.data_bytes.nbytes / 2**20:.0f} MB')
        found = share(dataset, 8)
        for key in ('rss', 'pss'):
            print(f'8 workers, {key.upper()}: {np.mean([one[key] for one in found]):.0f} MB each')


if __name__ == '__main__':
    main()
