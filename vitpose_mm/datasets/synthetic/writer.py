"""Writes a built-in data set: many images and COCO's own annotation files, all of it or nothing."""

import json
import multiprocessing
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from .keypoints import KeypointSet, keypoint_set
from .renderer import Rendered, difficulty, render

SPLITS = ('train', 'val')
CHUNK = 16  # images a worker renders between two reports


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a data set's bytes.

    Attributes:
        train: Number of training images.
        val: Number of held-out images.
        seed: Any whole number from 0: image i of a split depends on (seed, split, i) and nothing else.
        difficulty: 'easy' or 'hard'.
        kind: Keypoint set, as in `keypoints.KINDS`.
        width: Columns of an image.
        height: Rows of an image.
        quality: JPEG quality, 1 to 100.
    """

    train: int
    val: int
    seed: int = 0
    difficulty: str = 'easy'
    kind: str = 'coco'
    width: int = 320
    height: int = 240
    quality: int = 92

    def __post_init__(self) -> None:
        """Refuse numbers that no data set can be made of."""
        for name, low, high in (
            ('train', 0, 10**6), ('val', 0, 10**6), ('seed', 0, 2**63 - 1), ('quality', 1, 100),
            ('width', 64, 4096), ('height', 64, 4096),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f'{name} is {value}: give a whole number from {low} to {high}')
        if self.train + self.val == 0:
            raise ValueError('train and val are both 0: ask for at least one image')
        keypoint_set(self.kind)
        difficulty(self.difficulty)

    def count(self, split: str) -> int:
        """How many images a split has."""
        return {'train': self.train, 'val': self.val}[split]


def render_one(recipe: Recipe, split: str, index: int) -> Rendered:
    """Image `index` of a split, whatever was rendered before it.

    Raises:
        ValueError: If the split is not 'train' or 'val'.
    """
    if split not in SPLITS:
        raise ValueError(f'split is {split!r}: it is one of {", ".join(SPLITS)}')
    rng = np.random.default_rng([recipe.seed, SPLITS.index(split), index])
    return render(rng, keypoint_set(recipe.kind), difficulty(recipe.difficulty), recipe.height, recipe.width)


def write_dataset(
    out: str | Path,
    recipe: Recipe,
    workers: int = 2,
    overwrite: bool = False,
    report: Callable[[int], None] | None = None,
) -> dict[str, int]:
    """Renders and writes `out`/{train,val}/*.jpg and `out`/annotations/{train,val}.json.

    Everything goes into a folder beside `out` that takes its name at the end, so `out` is complete whenever it exists.

    Args:
        out: Folder to make.
        recipe: What to render. The bytes depend on it alone, not on `workers`.
        workers: Processes; 0 renders in this one.
        overwrite: Whether to replace an `out` that is there already.
        report: Called with the number of images finished since the last call.

    Returns:
        Split name to the number of people annotated in it.

    Raises:
        FileExistsError: If `out` exists with something in it and `overwrite` is False.
        NotADirectoryError: If `out` is a file.
        ValueError: If `workers` is negative.
    """
    target = Path(out)
    if workers < 0:
        raise ValueError(f'workers is {workers}: give 0 for none, or a number of processes')
    if target.exists() and not target.is_dir():
        raise NotADirectoryError(f'{target} is a file: name a folder to write to')
    if target.exists() and any(target.iterdir()) and not overwrite:
        raise FileExistsError(f'{target} is not empty: name another folder, or pass --overwrite to replace it')
    target.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f'.{target.name}.part-', dir=target.parent))
    try:
        people = _fill(part, recipe, workers, report)
        part.chmod(0o755)
        _take_place(part, target)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return people


def _take_place(part: Path, target: Path) -> None:
    if target.exists():
        old = Path(tempfile.mkdtemp(prefix=f'.{target.name}.old-', dir=target.parent))
        os.replace(target, old)
        os.replace(part, target)
        shutil.rmtree(old)
    else:
        os.replace(part, target)


def _fill(part: Path, recipe: Recipe, workers: int, report: Callable[[int], None] | None) -> dict[str, int]:
    (part / 'annotations').mkdir()
    people = {}
    for split in SPLITS:
        (part / split).mkdir()
    chunks = [
        (split, start, min(start + CHUNK, recipe.count(split)))
        for split in SPLITS for start in range(0, recipe.count(split), CHUNK)
    ]
    found: dict[str, list[list[dict]]] = {split: [] for split in SPLITS}
    for (split, _, _), records in zip(chunks, _run(part, recipe, chunks, workers), strict=True):
        found[split].extend(records)
        if report is not None:
            report(len(records))
    for split in SPLITS:
        content = coco_file(recipe, split, found[split])
        people[split] = len(content['annotations'])
        text = json.dumps(content, separators=(',', ':'))
        (part / 'annotations' / f'{split}.json').write_text(text, encoding='utf-8')
    return people


def _run(
    part: Path, recipe: Recipe, chunks: list[tuple[str, int, int]], workers: int
) -> Iterator[list[list[dict]]]:
    """Annotations of each chunk, in order."""
    if workers == 0:
        for chunk in chunks:
            yield _write_chunk(part, recipe, *chunk)
        return
    # Forked workers need not import the package (and with it torch) again.
    method = 'fork' if 'fork' in multiprocessing.get_all_start_methods() else 'spawn'
    with ProcessPoolExecutor(workers, multiprocessing.get_context(method), _be_single) as pool:
        futures: list[Future] = [pool.submit(_write_chunk, part, recipe, *chunk) for chunk in chunks]
        try:
            for future in futures:
                yield future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _be_single() -> None:
    cv2.setNumThreads(0)


def file_name(index: int) -> str:
    """Name of image `index` of a split."""
    return f'{index:06d}.jpg'


def _write_chunk(part: Path, recipe: Recipe, split: str, start: int, stop: int) -> list[list[dict]]:
    records = []
    for index in range(start, stop):
        rendered = render_one(recipe, split, index)
        path = part / split / file_name(index)
        if not cv2.imwrite(str(path), rendered.image, (cv2.IMWRITE_JPEG_QUALITY, recipe.quality)):
            raise OSError(f'cannot write {path}: is the disk full?')
        records.append(rendered.people)
    return records


def write_picture(path: str | Path, image: np.ndarray) -> None:
    """Writes one picture under its name, or not at all.

    Args:
        path: A name that ends in .png or .jpg.
        image: (H, W, 3) uint8 BGR.

    Raises:
        ValueError: If the ending is of no picture.
        OSError: If the folder cannot be written to.
    """
    target = Path(path)
    if target.suffix.lower() not in ('.png', '.jpg', '.jpeg'):
        raise ValueError(f'{target}: give a name that ends in .png or .jpg')
    encoded = cv2.imencode(target.suffix, image)[1].tobytes()
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f'.{target.name}.part')
    part.write_bytes(encoded)
    os.replace(part, target)


def coco_file(recipe: Recipe, split: str, people: list[list[dict]]) -> dict:
    """The annotation file of a split as COCO lays it out.

    Args:
        recipe: What was rendered.
        split: Which part of it.
        people: For each image in order, the annotations of `Rendered.people`.
    """
    table = keypoint_set(recipe.kind)
    images, annotations = [], []
    for index, group in enumerate(people):
        image_id = index + 1
        images.append({
            'id': image_id, 'file_name': file_name(index), 'width': recipe.width, 'height': recipe.height,
        })
        for number, person in enumerate(group):
            annotations.append(_coco_annotation(image_id * 100 + number, image_id, person))
    return {
        'info': {
            'description': f'vitpose synth: rendered people, {split}', 'seed': recipe.seed,
            'difficulty': recipe.difficulty, 'kind': recipe.kind,
        },
        'licenses': [],
        'images': images,
        'annotations': annotations,
        'categories': [_category(table)],
    }


def _coco_annotation(ident: int, image_id: int, person: dict) -> dict:
    keypoints: list[float] = []
    for x, y, v in person['keypoints']:
        keypoints += [round(float(x), 2), round(float(y), 2), int(v)]
    return {
        'id': ident,
        'image_id': image_id,
        'category_id': 1,
        'iscrowd': 0,
        'bbox': [int(value) for value in person['bbox']],
        'area': person['area'],
        'segmentation': person['polygons'],
        'keypoints': keypoints,
        'num_keypoints': int((person['keypoints'][:, 2] > 0).sum()),
    }


def _category(table: KeypointSet) -> dict:
    return {
        'id': 1,
        'name': table.category,
        'supercategory': table.category,
        'keypoints': table.names,
        'skeleton': [[a + 1, b + 1] for a, b in table.limbs()],
    }
