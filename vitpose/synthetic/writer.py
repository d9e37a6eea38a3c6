"""Writes a built-in data set: many images and their annotation files, all of it or nothing."""

import multiprocessing
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path

import cv2
import numpy as np

from .formats import annotation_files
from .recipe import SPLITS, Recipe, file_name, render_one

CHUNK = 16  # images a worker renders between two reports


def write_dataset(
    out: str | Path,
    recipe: Recipe,
    workers: int = 2,
    overwrite: bool = False,
    report: Callable[[int], None] | None = None,
) -> dict[str, int]:
    """Renders and writes `out`/{train,val}/*.jpg and `out`/annotations/{train,val}.json, laid out as the kind's own.

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


def write_with_progress(out: Path, recipe: Recipe, workers: int, overwrite: bool) -> dict[str, int]:
    """Write a dataset under a progress bar; see `write_dataset`."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn('{task.description}'), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns) as progress:
        task = progress.add_task('rendering', total=recipe.train + recipe.val)
        return write_dataset(out, recipe, workers, overwrite, lambda done: progress.advance(task, done))


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
        for split in SPLITS
        for start in range(0, recipe.count(split), CHUNK)
    ]
    found: dict[str, list[list[dict]]] = {split: [] for split in SPLITS}
    for (split, _, _), records in zip(chunks, _run(part, recipe, chunks, workers), strict=True):
        found[split].extend(records)
        if report is not None:
            report(len(records))
    for split in SPLITS:
        people[split] = sum(len(group) for group in found[split])
        for name, content in annotation_files(recipe, split, found[split]).items():
            (part / 'annotations' / name).write_bytes(content)
    return people


def _run(part: Path, recipe: Recipe, chunks: list[tuple[str, int, int]], workers: int) -> Iterator[list[list[dict]]]:
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
    encoded = cv2.imencode(target.suffix, image, (cv2.IMWRITE_JPEG_QUALITY, 88))[1].tobytes()
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f'.{target.name}.part')
    part.write_bytes(encoded)
    os.replace(part, target)
