"""Write a synthetic dataset: images and annotation files, atomically."""

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

CHUNK = 16  # images that a worker renders per task


def write_dataset(
    out: str | Path,
    recipe: Recipe,
    workers: int = 2,
    overwrite: bool = False,
    on_progress: Callable[[int], None] = lambda images: None,
) -> dict[str, int]:
    """Render a dataset and write `out`/{train,val}/*.jpg and `out`/annotations/, in the format of the recipe's kind.

    The files are written to a temporary folder that is renamed to `out` at the end, so `out` is never incomplete.

    Args:
        out: Folder to write.
        recipe: Settings. The written bytes depend only on them, not on `workers`.
        workers: Number of processes; 0 renders in this one.
        overwrite: Whether to replace an existing `out`.
        on_progress: Called with the number of images finished since the last call.

    Returns:
        Split name to the number of annotated people.

    Raises:
        FileExistsError: If `out` is not empty and `overwrite` is False.
        NotADirectoryError: If `out` is a file.
        ValueError: If `workers` is negative.
    """
    target = Path(out)
    check_folder(target, overwrite)
    if workers < 0:
        raise ValueError(f'workers is {workers}: expected an integer >= 0')
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f'.{target.name}.part-', dir=target.parent))
    try:
        people = _write_files(temporary, recipe, workers, on_progress)
        temporary.chmod(0o755)
        _replace(target, temporary)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return people


def check_folder(out: Path, overwrite: bool) -> None:
    """Refuse a file, and a folder with anything in it unless it is to be replaced; see `write_dataset`."""
    if out.exists() and not out.is_dir():
        raise NotADirectoryError(f'{out} is a file: pass a folder')
    if out.exists() and any(out.iterdir()) and not overwrite:
        raise FileExistsError(f'{out} is not empty: pass another folder, or --overwrite to replace it')


def write_with_progress(out: Path, recipe: Recipe, workers: int, overwrite: bool) -> dict[str, int]:
    """Write a dataset with a progress bar; see `write_dataset`."""
    check_folder(out, overwrite)
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn('{task.description}'), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns) as progress:
        task = progress.add_task('rendering', total=recipe.train + recipe.val)
        return write_dataset(out, recipe, workers, overwrite, lambda images: progress.advance(task, images))


def _replace(target: Path, new: Path) -> None:
    """Rename folder `new` to `target`, which may exist."""
    if target.exists():
        old = Path(tempfile.mkdtemp(prefix=f'.{target.name}.old-', dir=target.parent))
        os.replace(target, old)
        os.replace(new, target)
        shutil.rmtree(old)
    else:
        os.replace(new, target)


def _write_files(out: Path, recipe: Recipe, workers: int, on_progress: Callable[[int], None]) -> dict[str, int]:
    """Write all files into an empty folder and return the number of annotated people per split."""
    for name in (*SPLITS, 'annotations'):
        (out / name).mkdir()
    chunks = [
        (split, start, min(start + CHUNK, recipe.count(split)))
        for split in SPLITS
        for start in range(0, recipe.count(split), CHUNK)
    ]
    found: dict[str, list[list[dict]]] = {split: [] for split in SPLITS}
    for (split, _, _), people in zip(chunks, _write_images(out, recipe, chunks, workers), strict=True):
        found[split].extend(people)
        on_progress(len(people))
    for split in SPLITS:
        for name, content in annotation_files(recipe, split, found[split]).items():
            (out / 'annotations' / name).write_bytes(content)
    return {split: sum(map(len, found[split])) for split in SPLITS}


def _write_images(
    out: Path, recipe: Recipe, chunks: list[tuple[str, int, int]], workers: int
) -> Iterator[list[list[dict]]]:
    """Write the images of each chunk and yield their annotations, in order."""
    if workers == 0:
        for chunk in chunks:
            yield _write_chunk(out, recipe, *chunk)
        return
    # Forked workers do not import the package again.
    method = 'fork' if 'fork' in multiprocessing.get_all_start_methods() else 'spawn'
    with ProcessPoolExecutor(workers, multiprocessing.get_context(method), cv2.setNumThreads, (0,)) as pool:
        futures: list[Future] = [pool.submit(_write_chunk, out, recipe, *chunk) for chunk in chunks]
        try:
            for future in futures:
                yield future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _write_chunk(out: Path, recipe: Recipe, split: str, start: int, stop: int) -> list[list[dict]]:
    people = []
    for index in range(start, stop):
        rendered = render_one(recipe, split, index)
        path = out / split / file_name(index)
        if not cv2.imwrite(str(path), rendered.image, (cv2.IMWRITE_JPEG_QUALITY, recipe.quality)):
            raise OSError(f'cannot write {path}: is the disk full?')
        people.append(rendered.people)
    return people


def write_picture(path: str | Path, image: np.ndarray) -> None:
    """Write an image file atomically.

    Args:
        path: File to write, with the suffix .png, .jpg or .jpeg.
        image: (H, W, 3) uint8 BGR.

    Raises:
        ValueError: If the suffix is another one.
        OSError: If the file cannot be written.
    """
    target = Path(path)
    if target.suffix.lower() not in ('.png', '.jpg', '.jpeg'):
        raise ValueError(f'{target}: expected a name that ends in .png or .jpg')
    encoded = cv2.imencode(target.suffix, image, (cv2.IMWRITE_JPEG_QUALITY, 88))[1].tobytes()
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f'.{target.name}.part')
    temporary.write_bytes(encoded)
    os.replace(temporary, target)
