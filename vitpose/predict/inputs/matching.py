"""Boxes of a file, matched to images and videos by file name."""

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from vitpose_base.file_names import PathEnds, path_parts
from vitpose_base.image_files import upright_size

from ...errors import InputError
from ..poses import Frame
from .coco_json import is_scaled, short_text
from .sources import Source, read_frames


@dataclass
class Listed:
    """What a file says about an image, or about the frames of a video, by frame index; an image has the index None."""

    boxes: dict[int | None, np.ndarray] = field(default_factory=dict)  # (N, 4) x1 y1 x2 y2 in image pixels
    scores: dict[int | None, np.ndarray] = field(default_factory=dict)  # (N,), where the file has any
    size: tuple[float, float] | None = None  # (w, h) of the images that the boxes were made for
    image_id: int | float | str | None = None  # COCO's
    matched: str = ''  # the input
    categories: np.ndarray | None = None  # (N,) COCO's category ids of an image's boxes


class GivenBoxes:
    """The boxes of a file, matched to the sources.

    A source and a name in the file match if they have the last path component in common; of several matches the one
    with most components at the end in common is taken, and if there are several of these, none. ValueError if nothing
    matches, or if boxes were made for images of other sizes and `scale` is not set.

    By the name of a source, `missing` says why it has no boxes, `image_ids` is COCO's id of it, and `categories` those
    of its boxes (N,); without ids in the file `image_ids` is None. `file_notes` say what is left out of the file.
    """

    def __init__(self, path: Path, listed: Mapping[str, Listed], sources: Sequence[Source], scale: bool = False):
        scaled: list[str] = []
        matches = match_names(path, listed, sources, scaled)
        self._path, self.file_notes = path, list[str]()
        if scaled:
            others = f'{len(scaled):,} of {len(sources):,} inputs: {scaled[0]}'
            if not scale:
                text = 'boxes were made for a different image size than that of'
                raise InputError(f'{text} {others}; pass --scale-boxes')
            self.file_notes.append(f'boxes scaled for {others}')
        self.file_notes += describe_moved(path, listed, matches)
        if unused := [name for name, entry in listed.items() if not entry.matched]:
            count = sum(len(boxes) for name in unused for boxes in listed[name].boxes.values())
            lists = f'{path}: {len(unused):,} of {len(listed):,} files, with {count:,} boxes,'
            self.file_notes.append(f'{lists} are not among the inputs: {name_few(unused)}')
        self._frames = dict[str, int]()  # number of frames that were read, by name of a source
        self.missing = {name: entry for name, entry in matches.items() if isinstance(entry, str)}
        self._entries = {name: entry for name, entry in matches.items() if isinstance(entry, Listed)}
        self.image_ids = {name: e.image_id for name, e in self._entries.items() if e.image_id is not None} or None
        self.categories = {name: e.categories for name, e in self._entries.items() if e.categories is not None}

    def fill(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """Give each frame its boxes, except for frames with an error."""
        for frame in frames:
            if frame.error is None:
                entry = self._entries[frame.name]
                frame.boxes = entry.boxes.get(frame.index, np.zeros((0, 4), np.float32))
                frame.box_scores = entry.scores.get(frame.index)
                self._frames[frame.name] = (frame.index or 0) + 1
            yield frame

    def notes(self) -> list[str]:
        """Say what the file has beyond what is predicted, one line each. Call it after `fill` yielded all frames."""
        late = list[str]()
        for name, count in self._frames.items():
            unread = (i for i in self._entries[name].boxes if i is not None and not 0 <= i < count)
            late += [f'frame {index} of {name}' for index in sorted(unread)]
        lines = f'{self._path}: {len(late):,} lines are of frames that were not read: {name_few(late)}'
        return self.file_notes + [lines] * bool(late)


def name_few(names: Sequence[str], most: int = 3) -> str:
    """Join the first few names for a message."""
    return ', '.join(map(short_text, names[:most])) + ', ...' * (len(names) > most)


def _fit(entry: Listed, source: Source, path: Path, scaled: list[str]) -> Listed | str:
    """Scale the boxes of an input to its size, and append both sizes to `scaled`; a reason if that is impossible."""
    size = None
    if entry.size and source.kind == 'image':
        try:
            size = upright_size(Path(source.name))
        except Exception:  # Pillow opens no image of more than 179 million pixels; OpenCV does
            from .images import read_image

            with suppress(Exception):  # what cannot be read has its error later
                size = read_image(source.name).shape[1::-1]
    elif entry.size and source.kind == 'video':
        with closing(read_frames([source])) as frames:  # as shown, which the header may not tell
            size = None if (image := next(frames).image) is None else image.shape[1::-1]
    if not size or not entry.size or size == entry.size:
        return entry
    (w, h), (width, height) = entry.size, size
    sizes = f'{source.name} has {width}x{height} pixels, {path} says {w:g}x{h:g}'
    if not is_scaled(entry.size, size):
        return f'{sizes}, so the aspect ratio differs'
    scaled.append(sizes)
    factors = np.array((width / w, height / h) * 2, np.float32)
    entry.boxes = {index: boxes * factors for index, boxes in entry.boxes.items()}
    return entry


def match_names(
    path: Path, listed: Mapping[str, Listed], sources: Sequence[Source], scaled: list[str]
) -> dict[str, Listed | str]:
    """Find the entry of each source, or the reason why there is none, by its name. ValueError if none has an entry."""
    matches, users = _longest_matches(listed, [source.name for source in sources])
    entries: dict[str, Listed | str] = {}
    for source in sources:
        names = matches[source.name]
        if not names:
            entry: Listed | str = f'{path} lists no file with the name of {source.name}'
        elif len(names) > 1:
            entry = f'{path} lists several files that match it: {name_few(sorted(names))}'
        elif users[names[0]] > 1:
            entry = f'{names[0]} in {path} matches {users[names[0]]} inputs'
        elif (source.kind == 'image') != (None in listed[names[0]].boxes):
            entry = f'check the frame indices of {names[0]} in {path}: videos need them, and images have none'
        else:
            entry = _fit(listed[names[0]], source, path, scaled)
        entries[source.name] = f'no boxes: {entry}' if isinstance(entry, str) else entry
        for name in names:
            listed[name].matched = source.name
    if entries and not any(isinstance(entry, Listed) for entry in entries.values()):
        name, reason = next(iter(entries.items()))
        raise InputError(f'{name}: {reason} (the same for all {len(sources)} inputs)' if len(entries) > 1 else reason)
    return entries


def describe_moved(path: Path, listed: Mapping[str, Listed], matches: Mapping[str, Listed | str]) -> list[str]:
    """Return a note on sources in other folders than the names in the file that `match_names` found for them."""
    used = ((name, entry.matched) for name, entry in listed.items() if matches.get(entry.matched) is entry)
    moved = []
    for name, source in used:
        ends = zip(path_parts(name)[::-1], path_parts(source)[::-1], strict=False)
        moved += [f'{name} = {source}'] * any(x != y for x, y in ends)  # neither is the end of the other
    return [f'{path}: {len(moved):,} inputs are in other folders than listed: {name_few(moved)}'] * bool(moved)


def _longest_matches(names: Iterable[str], sources: Iterable[str]) -> tuple[dict[str, list[str]], Counter[str]]:
    """Find for each source the best matches among the names that match no other source better.

    A match is better if more components at the end of the two paths are equal. Also return, for each name, how many
    sources it matches equally well.
    """
    full = {source: path_parts(source if '://' in source else os.path.abspath(source)) for source in sources}
    ends, by_path = PathEnds(full.values()), defaultdict[tuple[str, ...], dict[str, tuple[int, int]]](dict)
    for name in names:
        for path, common in ends.longest(name).items():
            by_path[path][name] = common
    matches = {}
    for source, path in full.items():
        most = max(by_path[path].values(), default=0)
        matches[source] = [name for name, common in by_path[path].items() if common == most]
    return matches, Counter(name for found in by_path.values() for name in found)
