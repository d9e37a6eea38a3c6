"""The number of threads that the environment asks for."""

import os

from ...errors import InputError


def read_thread_count() -> int | None:
    """The first number of OMP_NUM_THREADS, which may list one per nesting level; None if it is unset, empty or 0."""
    text = os.environ.get('OMP_NUM_THREADS', '')
    first = text.split(',')[0].strip()
    if first and not (first.isascii() and first.isdecimal()):
        raise InputError(f'OMP_NUM_THREADS={text!r}: expected an integer >= 1, or a list such as 2,1')
    return int(first or 0) or None
