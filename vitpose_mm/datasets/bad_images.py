"""Read and check each image file of a dataset once; bad images end the run or are replaced."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mmengine.dataset import BaseDataset
from mmengine.logging import MMLogger

from ..logs import log
from .transforms.image_file import BadImageError, CheckedLoadImage

MAX_BAD_SHARE = 0.01  # bad images per sample of a dataset; one is always accepted
LIST_NAME = 'bad_images.txt'


class ImageChecks(BaseDataset):
    """Mixin for datasets: the image files that `LoadImage` or `LazyLoadImage` reads are read once and checked.

    Args:
        on_bad_image: what to do with an image that is missing, empty, truncated or unreadable: 'raise' an error that
            names the file, or 'skip' it: the next sample whose image can be read takes its place. This depends on the
            files alone, so a resumed run trains on the same samples. Each such image is logged once and listed in
            `bad_images.txt` beside the run's log, with annotation file and reason; more than one, and more than 1% of
            the dataset's samples, end the run. Without a log file, each process counts separately.
        *args, **kwargs: of the dataset.

    Raises:
        ValueError: an unknown choice, or 'skip' in a test, where replaced samples would change the result.
    """

    def __init__(self, *args: Any, on_bad_image: str = 'raise', **kwargs: Any):
        if on_bad_image not in ('raise', 'skip'):
            raise ValueError(f"on_bad_image={on_bad_image!r}, expected 'raise' or 'skip'")
        if on_bad_image == 'skip' and kwargs.get('test_mode', False):
            raise ValueError("on_bad_image='skip' replaces samples, which would change a test's result: use 'raise'")
        self.on_bad_image = on_bad_image
        self.bad_images: set[str] = set()
        self.bad_image_list = bad_image_list_path()
        super().__init__(*args, **kwargs)
        self.pipeline.transforms = [CheckedLoadImage.replace(step) for step in self.pipeline.transforms]

    def prepare_data(self, idx: int) -> Any:
        """Run the pipeline on sample `idx`, or with on_bad_image='skip' on the next one whose image can be read.

        BadImageError if the image cannot be decoded completely, a `MissingImageError` if it does not exist; ValueError
        if too many images are bad.
        """
        return first_readable(self, idx, super().prepare_data)


def first_readable(dataset: Any, index: int, prepare: Callable[[int], Any]) -> Any:
    """Return what `prepare` makes of sample `index`, or with on_bad_image='skip' of the next that can be read.

    `dataset` has the attributes that `ImageChecks` sets. ValueError if no image can be read, or too many cannot.
    """
    for offset in range(len(dataset)):
        try:
            return prepare((index + offset) % len(dataset))
        except BadImageError as error:
            if dataset.on_bad_image != 'skip':
                raise
            report_bad_image(dataset, error)
    raise ValueError(f'{type(dataset).__name__}: no image can be read')


def report_bad_image(dataset: Any, error: BadImageError) -> None:
    """Log and list a bad image once. ValueError if too many images are bad."""
    bad, name = dataset.bad_images, getattr(dataset, 'ann_file', '') or type(dataset).__name__
    line = f'{name}\t{" ".join(str(error).split())}\n'
    if line in bad:
        return
    if dataset.bad_image_list:
        with open(dataset.bad_image_list, 'a+', encoding='utf-8') as file:
            file.seek(0)
            bad.update(entry for entry in file if entry.startswith(f'{name}\t'))
            if line not in bad:
                file.write(line)
    if line not in bad:
        log(f'replaced by the next sample: {error} ({len(bad) + 1} bad images of {name})', logging.WARNING)
    bad.add(line)
    if len(bad) > max(1, MAX_BAD_SHARE * len(dataset)):
        listed = f'They are listed in {dataset.bad_image_list}. ' if dataset.bad_image_list else ''
        raise ValueError(
            f'{len(bad)} images of {name}, which has {len(dataset)} samples, cannot be read; at most '
            f'{MAX_BAD_SHARE:.0%} as many are skipped. {listed}The last one: {error}'
        )


def bad_image_list_path() -> Path | None:
    """Return the path of the list of a run's bad images: beside its log, which all processes know."""
    log_file = MMLogger.get_current_instance().log_file
    return Path(log_file).absolute().with_name(LIST_NAME) if log_file else None
