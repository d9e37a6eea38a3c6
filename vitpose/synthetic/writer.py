"""Write a synthetic dataset: images and annotation files, atomically."""

import multiprocessing
import os
import shutil
import tempfile
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2

from ..errors import ExistingFileError, InputError
from .annotation_files import People, annotation_files
from .render_settings import SPLITS, RenderSettings, file_name, render_one

IMAGES_PER_TASK = 16
JPEG_QUALITY = 92


def write_dataset(
    out: str | Path, settings: RenderSettings, workers: int = 2, overwrite: bool = False, show_progress: bool = False
) -> dict[str, int]:
    """Render a dataset, write `out`/{train,val}/*.jpg and `out`/annotations/, and count the people per split.

    The files are written to a temporary folder that is renamed to `out` at the end, so `out` is never incomplete. Their
    bytes depend on the settings only. `workers` is the number of processes; 0 renders in this one. OSError if `out` is
    a file, or not empty without `overwrite`.
    """
    target = Path(out)
    if target.exists() and not target.is_dir():
        raise ExistingFileError(f'{target} is a file: pass a folder')
    if target.exists() and any(target.iterdir()) and not overwrite:
        raise ExistingFileError(f'{target} is not empty: pass another folder, or --overwrite to replace it')
    if workers < 0:
        raise InputError(f'workers is {workers}: expected an integer >= 0')
    target.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f'.{target.name}.part-', dir=target.parent) as name:
        people = _write_files(Path(name, 'new'), settings, workers, show_progress)
        if old := target.exists() and tempfile.mkdtemp(prefix=f'.{target.name}.old-', dir=target.parent):
            os.replace(target, old)
        os.replace(Path(name, 'new'), target)
    if old:
        shutil.rmtree(old)
    return people


def _write_files(out: Path, settings: RenderSettings, workers: int, show_progress: bool) -> dict[str, int]:
    """Write all files into a new folder and return the number of annotated people per split."""
    from rich.progress import track

    for name in (*SPLITS, 'annotations'):
        (out / name).mkdir(parents=True)
    images = [(split, index) for split in SPLITS for index in range(getattr(settings, split))]
    write = partial(_write_image, out, settings)
    # forked workers do not import the package again
    method = 'fork' if 'fork' in multiprocessing.get_all_start_methods() else 'spawn'
    options: Any = (multiprocessing.get_context(method), cv2.setNumThreads, (0,))
    pool: Any = ProcessPoolExecutor(workers, *options) if workers else nullcontext()
    people: dict[str, People] = {split: [] for split in SPLITS}
    with pool:
        rows = pool.map(write, images, chunksize=IMAGES_PER_TASK) if workers else map(write, images)
        shown = track(rows, 'rendering', len(images), disable=not show_progress)
        for (split, _), written in zip(images, shown, strict=True):
            people[split].append(written)
    for split in SPLITS:
        for name, content in annotation_files(settings, split, people[split]).items():
            (out / 'annotations' / name).write_bytes(content)
    return {split: sum(map(len, people[split])) for split in SPLITS}


def _write_image(out: Path, settings: RenderSettings, image: tuple[str, int]) -> list[dict]:
    split, index = image
    rendered = render_one(settings, split, index)
    path = out / split / file_name(index)
    if not cv2.imwrite(str(path), rendered.image, (cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY)):
        raise OSError(f'cannot write {path}: is the disk full?')
    return rendered.people
