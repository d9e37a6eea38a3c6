"""What vitpose raises when it refuses input or cannot finish, and how it warns.

Each class also derives from a built-in one.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager


class VitPoseError(Exception):
    """Something that the user can correct; the message says what and how."""


class InputError(VitPoseError, ValueError):
    """A file or an argument cannot be used."""


class MissingFileError(VitPoseError, FileNotFoundError):
    """A file or folder does not exist."""


class ExistingFileError(VitPoseError, FileExistsError):
    """A file or folder already exists, and is not replaced."""


class FailedError(VitPoseError, RuntimeError):
    """The work was started and could not be finished; `vitpose` then returns 1, for the other errors 2."""


def warn(text: str) -> None:
    """Log a line as a warning of the logger `vitpose`; it goes to stderr, unless a program configures logging."""
    logging.getLogger('vitpose').warning(text, stacklevel=2)


@contextmanager
def started() -> Iterator[None]:
    """Raise what goes wrong inside as a `FailedError`."""
    try:
        yield
    except (BrokenPipeError, FailedError):
        raise
    except (ValueError, KeyError, OSError, RuntimeError) as problem:
        if is_bug(problem):
            raise
        raise FailedError(one_line(problem)) from problem


def is_bug(problem: BaseException) -> bool:
    """Answer whether an exception is a bug in this program: an assertion, a missing key or module of ours."""
    if isinstance(problem, AssertionError):  # OpenMMLab's packages assert the versions of each other
        return 'is used but incompatible' not in str(problem)
    if isinstance(problem, KeyError):  # registries raise a KeyError with a sentence
        return ' ' not in str(problem.args[0] if problem.args else '')
    name = problem.name if isinstance(problem, ImportError) else None
    return (name or '').split('.')[0] in ('vitpose', 'vitpose_base', 'vitpose_mm')


def one_line(problem: BaseException) -> str:
    """Return the message of an exception in one line."""
    message = problem.args[0] if isinstance(problem, KeyError) and problem.args else problem
    return printable(' '.join(str(message).split())) or type(problem).__name__


def printable(text: str) -> str:
    """Escape the control characters in a text from a file, as in a name, and others that a terminal does not show."""
    return ''.join(c if c.isprintable() else repr(c)[1:-1] for c in text)
