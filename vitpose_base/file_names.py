"""Find files by the names that other machines wrote: with backslashes, drives or other folders, or as URLs."""

import os
import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from contextlib import suppress
from operator import eq
from pathlib import Path
from urllib.parse import unquote, urlsplit

_RECORD, _DRAWINGS = 'predictions.jsonl', ('drawn', 'box_crops')  # names of a file and folders of `vitpose predict`
_UPLOAD = re.compile(r'^[0-9a-f]{8}-(?=.)')  # Label Studio puts it before the name of an uploaded file


def path_parts(name: str) -> tuple[str, ...]:
    """Return the components of a path that another machine may have written, without drive, root, `.` and `..`.

    For a URL they are those of its path, and for Label Studio's `/data/local-files/?d=PATH` those of PATH.
    """
    if '?d=' in name:
        name = unquote(name.split('?d=', 1)[1].split('&')[0])
    elif re.match(r'\w{2,}://', name):
        with suppress(ValueError):  # not a URL
            name = unquote(urlsplit(name).path)
    parts = re.sub(r'^[A-Za-z]:(?=/)', '', name.replace('\\', '/')).split('/')
    return tuple(part for part in parts if part not in ('', '.', '..'))


class PathEnds:
    """Look up paths, as tuples of components, by names of which perhaps only the last components are right."""

    def __init__(self, paths: Iterable[tuple[str, ...]]) -> None:
        self._sorted = sorted((_from_the_end(path), path) for path in paths if path)  # those with a common end together

    def longest(self, name: str) -> dict[tuple[str, ...], tuple[int, int]]:
        """Return the paths that share the most components at the end with a name: several if it is ambiguous, or none.

        The values count these components, and those of them that are spelled the same. At least the last one is shared;
        case, Unicode form, and %20 for a space make no difference.
        """
        *folders, last = path_parts(name) or ['']
        for wanted in ((*folders, last), (*folders, _UPLOAD.sub('', last))):
            key = _from_the_end(wanted)
            at = bisect_left(self._sorted, (key,))
            near = (os.path.commonprefix((key, other)) for other, _ in self._sorted[max(at - 1, 0) : at + 1])
            if count := max(map(len, near), default=0):
                limits = key[:count], (*key[: count - 1], key[count - 1] + '\0')
                first, end = (bisect_left(self._sorted, (limit,)) for limit in limits)
                wanted = wanted[-count:]
                same = {path: sum(map(eq, path[-count:], wanted)) for _, path in self._sorted[first:end]}
                most = max(same.values())
                return {path: (count, most) for path, number in same.items() if number == most}
        return {}


class FileFinder:
    """Find files below the folder `top` by names of which perhaps only the end is right; try `folders` first.

    `asked`, a folder that the user asked for, takes the place of `top`: then an absolute name does not stand for a file
    elsewhere, even if there is one. What `vitpose predict` drew is skipped, because it has the names of the images.
    """

    def __init__(self, top: Path, folders: Iterable[Path] = (), asked: Path | None = None) -> None:
        self.top, self._is_asked = asked or top, asked is not None
        self.folders = [*folders, self.top]
        self._ends: PathEnds | None = None

    def find(self, name: str) -> list[Path]:
        """Return the file of a name, several if it is ambiguous, or none: by the name as it is, or its longest end."""
        below = '/'.join(path_parts(name))
        spellings = [below] if self._is_asked and os.path.isabs(name) else [name, below]
        for place in (f / spelling for spelling in spellings for f in self.folders):
            if os.path.isfile(place):  # also False for a name that is too long
                return [place]
        if self._ends is None:
            self._ends = PathEnds(file.parts for file in list_files(self.top))
        return [Path(*parts) for parts in self._ends.longest(name)]


def list_files(top: Path) -> Iterator[Path]:
    """Yield the files below a folder, except what `predict` drew and hidden ones, such as macOS puts beside others."""
    for folder, folders, files in os.walk(top):
        drawn = _DRAWINGS if _RECORD in files else ()
        folders[:] = [name for name in folders if name[0] != '.' and name not in drawn]
        yield from (Path(folder, file) for file in sorted(files) if file[0] != '.')


def _from_the_end(parts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(unicodedata.normalize('NFC', unquote(name)).casefold() for name in reversed(parts))
