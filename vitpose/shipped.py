"""Find the files that ship with the package: configs and pinned requirements."""

from contextlib import suppress
from pathlib import Path

from .errors import MissingFileError

TOP = Path(__file__).resolve().parents[1]  # a checkout or site-packages


def shipped(name: str) -> Path:
    """Return the path of a shipped file, such as 'requirements/tested.txt'. FileNotFoundError if it is missing."""
    candidates = (TOP / name, TOP / 'vitpose_mm' / '.mim' / name)
    for path in candidates:
        if path.is_file():
            return path
    raise MissingFileError(f'{name}: neither {candidates[0]} nor {candidates[1]} exists; reinstall the package')


def find_config(path: str | Path) -> Path:
    """Return a config file; `configs/...`, if it does not exist here, is that of the package, as MIM looks it up."""
    path = Path(path)
    if path.parts[:1] == ('configs',) and not path.exists():
        with suppress(FileNotFoundError):
            return shipped(path.as_posix())
    return path
