"""Training without the images that cannot be read: each is replaced, counted and listed once."""

import fcntl
import logging
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from typing import Any

import cv2
from mmengine.logging import print_log

from .image_file import check_image_file

MOST = 0.01  # bad images per sample of a dataset; one is always accepted
CHOICES = ('raise', 'skip')


def check_choice(on_bad_image: str, test_mode: bool) -> str:
    """Return `on_bad_image` if it is a choice that fits the mode.

    Raises:
        ValueError: it does not; a replaced sample would change a test's result.
    """
    if on_bad_image not in CHOICES:
        raise ValueError(f"on_bad_image={on_bad_image!r}, expected 'raise' or 'skip'")
    if on_bad_image == 'skip' and test_mode:
        raise ValueError("on_bad_image='skip' replaces samples, which would change a test's result: use 'raise'")
    return on_bad_image


def replacing_bad_images(prepare: Callable[[Any, int], Any]) -> Callable[[Any, int], Any]:
    """Decorate `prepare_data` of a dataset with the attribute `on_bad_image`.

    With 'skip', a sample whose image cannot be read is replaced by the next sample of the dataset whose image can.
    This depends on the files alone, so a resumed run trains on the same samples.
    """

    @wraps(prepare)
    def prepare_data(self: Any, idx: int) -> Any:
        def one(index: int) -> Any:
            try:
                return prepare(self, index)
            except Exception as error:
                path = self.get_data_info(index)['img_path']
                fault = image_fault(path)
                if fault:
                    error.bad_image = (path, fault)  # type: ignore[attr-defined]
                raise

        return first_good(self, idx, one)

    return prepare_data


def first_good(dataset: Any, index: int, prepare: Callable[[int], Any]) -> Any:
    """Return sample `index`, or with on_bad_image='skip' the next one whose image can be read.

    Raises:
        ValueError: more than 1% as many images as the dataset has samples cannot be read, or none can.
    """
    for number in range(len(dataset)):
        try:
            return prepare((index + number) % len(dataset))
        except Exception as error:
            bad = getattr(error, 'bad_image', None)
            if bad is None or dataset.on_bad_image != 'skip':
                raise
            note(dataset, *bad)
    raise ValueError(f'{type(dataset).__name__}: no image can be read')


def note(dataset: Any, path: str, fault: str) -> None:
    """List an image that cannot be read, once, and stop if there are too many.

    The list, a line of dataset, path and reason per image, is that of all processes if the dataset has the attribute
    `bad_image_list`, which `BadImageHook` sets.

    Raises:
        ValueError: there are too many.
    """
    seen = dataset.__dict__.setdefault('_bad_images', set())
    if path in seen:
        return
    seen.add(path)
    count, name = len(seen), getattr(dataset, 'ann_file', '') or type(dataset).__name__
    shared: Path | None = getattr(dataset, 'bad_image_list', None)
    line = '\t'.join(' '.join(text.split()) for text in (name, path, fault)) + '\n'
    new = True
    if shared is not None:
        with open(shared, 'a+', encoding='utf-8') as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            listed = [entry.split('\t')[1] for entry in file if entry.startswith(f'{name}\t')]
            new = path not in listed
            if new:
                file.write(line)
            count = len(listed) + new
    if new:
        text = f'replaced by the next sample: {fault} ({count} bad images of {name})'
        print_log(text, logger='current', level=logging.WARNING)
    if count > max(1, MOST * len(dataset)):
        raise ValueError(
            f'{count} images of {name}, which has {len(dataset)} samples, cannot be read; at most {MOST:.0%} as many '
            f'are skipped. {f"They are listed in {shared}. " if shared else ""}The last one: {fault}'
        )


def image_fault(path: str) -> str | None:
    """Return why an image file cannot be read, None if it can."""
    if not Path(path).is_file():
        return f'image {path} is missing'
    try:
        check_image_file(path)
        return None if cv2.imread(path) is not None else f'image {path} cannot be decoded'
    except (OSError, ValueError, cv2.error) as error:
        return str(error)


def skipping(dataset: Any) -> Iterator[Any]:
    """Yield a dataset and the datasets inside it that skip bad images."""
    if getattr(dataset, 'on_bad_image', 'raise') == 'skip':
        yield dataset
    for inner in [*(getattr(dataset, 'datasets', None) or []), getattr(dataset, 'dataset', None)]:
        if inner is not None:
            yield from skipping(inner)
