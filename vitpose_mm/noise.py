"""Lines that other packages print while they are imported or read annotations."""

import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any

# of MMDetection without optional packages, and of xtcocotools
LINES = re.compile(
    r'Could not import OneDL.*|loading annotations into memory\.\.\.|Done \(t=.*\)|creating index\.\.\.|index created!'
)
WARNINGS = (
    'faster_coco_eval is not installed',  # for a metric of MMDetection that nothing here uses
    r'The metainfo config file "configs/_base_/datasets/\w+\.py" does not exist',  # in a checkout of MMPose alone
)


class _Filter:
    """Pass on what is written, without `LINES`; a logger that is created meanwhile keeps this as its stream."""

    def __init__(self, stream: Any):
        self._stream, self._line = stream, ''

    def write(self, text: str) -> int:
        *lines, self._line = (self._line + text).split('\n')
        for line in lines:
            if not LINES.fullmatch(line):
                self._stream.write(f'{line}\n')
        return len(text)

    def flush(self) -> None:
        self._stream.write(self._line)
        self._line = ''
        self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep exactly `LINES` off stdout, and `WARNINGS` off stderr from now on."""
    for message in WARNINGS:
        warnings.filterwarnings('ignore', message=message)
    output: Any = _Filter(sys.stdout)
    try:
        with redirect_stdout(output):
            yield
    finally:
        output.flush()
