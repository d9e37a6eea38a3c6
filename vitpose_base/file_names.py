"""Find files by the names that other machines wrote: with backslashes, drives, folders of their own, or as URLs."""

import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote, urlsplit

_UPLOAD = re.compile(r'^[0-9a-f]{8}-(?=.)')  # Label Studio puts it before the name of an uploaded file


def path_parts(name: str) -> tuple[str, ...]:
    """Return the components of a path that another machine may have written, without drive, root, `.` and `..`.

    Of a URL it is the path without query, and of Label Studio's `/data/local-files/?d=PATH` the path in the query.
    """
    if '?d=' in name:
        name = unquote(name.split('?d=', 1)[1].split('&')[0])
    elif re.match(r'\w{2,}://', name):
        name = unquote(urlsplit(name).path)
    parts = re.sub(r'^[A-Za-z]:(?=/)', '', name.replace('\\', '/')).split('/')
    return tuple(part for part in parts if part not in ('', '.', '..'))


class FileFinder:
    """Files below the folder `top` by names of which only the end may be right; `folders` are those to try first."""

    def __init__(self, top: Path, folders: Iterable[Path] = ()) -> None:
        self.top, self.folders = top, [*folders, top]
        self._by_name: dict[str, list[Path]] | None = None

    def find(self, name: str) -> list[Path]:
        """Return the file of a name, several if it is ambiguous, or none.

        A name that is right as it stands is taken. Otherwise the file is that with most components at the end in
        common, at least the last one, in any case of letters and either Unicode form.
        """
        parts = path_parts(name)
        for place in (folder / spelling for spelling in (name, '/'.join(parts)) for folder in self.folders):
            if place.is_file():
                return [place]
        if not parts:
            return []
        files = self._files()
        ends = [parts, (*parts[:-1], _UPLOAD.sub('', parts[-1]))]
        wanted = next((end for end in ends if _fold(end[-1]) in files), None)
        scores = {file: _common_end(file.parts, wanted) for file in files[_fold(wanted[-1])]} if wanted else {}
        return [file for file, score in scores.items() if score == max(scores.values())]

    def _files(self) -> dict[str, list[Path]]:
        if self._by_name is None:
            self._by_name = defaultdict(list)
            for folder, _, names in os.walk(self.top):
                for name in sorted(names):
                    self._by_name[_fold(name)].append(Path(folder, name))
        return self._by_name


def _common_end(a: tuple[str, ...], b: tuple[str, ...]) -> tuple[int, int]:
    """Count the components at the end that are the same, and those of them that are spelled the same."""
    pairs = list(zip(reversed(a), reversed(b), strict=False))
    same = next((i for i, (x, y) in enumerate(pairs) if _fold(x) != _fold(y)), len(pairs))
    return same, sum(x == y for x, y in pairs[:same])


def _fold(name: str) -> str:
    return unicodedata.normalize('NFC', name).casefold()
