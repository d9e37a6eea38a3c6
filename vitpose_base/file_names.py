"""Find files by the names that other machines wrote: with backslashes, drives, folders of their own, or as URLs."""

import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit

_RECORD, _DRAWINGS = 'predictions.jsonl', ('drawn', 'box_crops')  # of `vitpose predict`: names of file and folders
_UPLOAD = re.compile(r'^[0-9a-f]{8}-(?=.)')  # Label Studio puts it before the name of an uploaded file


def path_parts(name: str) -> tuple[str, ...]:
    """Return the components of a path that another machine may have written, without drive, root, `.` and `..`.

    Of a URL it is the path without query, and of Label Studio's `/data/local-files/?d=PATH` the path in the query.
    """
    if '?d=' in name:
        name = unquote(name.split('?d=', 1)[1].split('&')[0])
    elif re.match(r'\w{2,}://', name):
        with suppress(ValueError):  # not a URL
            name = unquote(urlsplit(name).path)
    parts = re.sub(r'^[A-Za-z]:(?=/)', '', name.replace('\\', '/')).split('/')
    return tuple(part for part in parts if part not in ('', '.', '..'))


class PathEnds:
    """Paths, as tuples of components, by names of which only the end may be right."""

    def __init__(self, paths: Iterable[tuple[str, ...]]) -> None:
        self._by_end = defaultdict[tuple[str, ...], list[tuple[str, ...]]](list)  # of one and two components
        for path in filter(None, paths):
            folded = tuple(map(_fold, path[-2:]))
            for end in {folded[-1:], folded}:
                self._by_end[end].append(path)

    def longest(self, name: str) -> list[tuple[str, ...]]:
        """Return the paths with most components at the end in common with a name: several if it is ambiguous, or none.

        At least the last one is in common, in any case of letters, either Unicode form, or with %20 for a space.
        """
        if not (parts := path_parts(name)):
            return []
        for wanted in (parts, (*parts[:-1], _UPLOAD.sub('', parts[-1]))):
            folded = tuple(map(_fold, wanted[-2:]))
            if paths := self._by_end.get(folded) or self._by_end.get(folded[-1:]):
                scores = [common_end(path, wanted) for path in paths]
                best = max(scores)
                return [path for path, score in zip(paths, scores, strict=True) if score == best]
        return []


class FileFinder:
    """Files below the folder `top` by names of which only the end may be right; `folders` are those to try first.

    `asked`, a folder that the user asked for, takes the place of `top`: then an absolute name is not taken for a file
    elsewhere, even if there is one. What `vitpose predict` drew is not found: it has the names of the images.
    """

    def __init__(self, top: Path, folders: Iterable[Path] = (), asked: Path | None = None) -> None:
        self.top, self._is_asked = asked or top, asked is not None
        self.folders = [*folders, self.top]
        self._ends: PathEnds | None = None

    def find(self, name: str) -> list[Path]:
        """Return the file of a name, several if it is ambiguous, or none: as it stands, or else by the longest end."""
        below = '/'.join(path_parts(name))
        spellings = [below] if self._is_asked and os.path.isabs(name) else [name, below]
        for place in (f / spelling for spelling in spellings for f in self.folders):
            if os.path.isfile(place):  # False for too long a name, too
                return [place]
        if self._ends is None:
            self._ends = PathEnds(file.parts for file in list_files(self.top))
        return [Path(*parts) for parts in self._ends.longest(name)]


def list_files(top: Path) -> Iterator[Path]:
    """Yield the files below a folder, without hidden ones, as macOS puts beside others, and what `predict` drew."""
    for folder, folders, files in os.walk(top):
        drawn = _DRAWINGS if _RECORD in files else ()
        folders[:] = [name for name in folders if name[0] != '.' and name not in drawn]
        yield from (Path(folder, file) for file in sorted(files) if file[0] != '.')


def common_end(a: tuple[str, ...], b: tuple[str, ...]) -> tuple[int, int]:
    """Count the components at the end that are the same, and those of them that are spelled the same."""
    pairs = list(zip(reversed(a), reversed(b), strict=False))
    same = next((i for i, (x, y) in enumerate(pairs) if _fold(x) != _fold(y)), len(pairs))
    return same, sum(x == y for x, y in pairs[:same])


def _fold(name: str) -> str:
    return unicodedata.normalize('NFC', unquote(name)).casefold()
