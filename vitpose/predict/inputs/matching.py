"""Boxes of a file, matched to images and videos by file name."""

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePath

import numpy as np

from vitpose_base.image_files import upright_size

from ...errors import InputError
from ..poses import Frame
from .box_checks import short_text
from .sources import Source


@dataclass
class Listed:
    """What a file says about an image, or about the frames of a video, by frame index; an image has the index None."""

    boxes: dict[int | None, np.ndarray] = field(default_factory=dict)  # (N, 4) x1 y1 x2 y2 in image pixels
    scores: dict[int | None, np.ndarray] = field(default_factory=dict)  # (N,), where the file has any
    size: tuple[float, float] | None = None  # (w, h) of the images that the boxes were made for
    image_id: int | float | str | None = None  # COCO's
    matched: bool = False  # with an input
    categories: np.ndarray | None = None  # (N,) COCO's category ids of an image's boxes


class GivenBoxes:
    """The boxes of a file, matched to the sources.

    A source and a name in the file match if one is the end of the other, by whole path components: `val/1.jpg` matches
    `data/val/1.jpg`. Of several matches the one with most components in common is taken. ValueError if none matches, or
    if boxes were made for images of other sizes and `scale` is not set.

    Attributes:
        missing: why a source has no boxes, by its name.
        image_ids: COCO's image id by name of a matched source; None if the file has no image ids.
        categories: COCO's category ids (N,) of its boxes by name of a matched source; empty if the file has none.
    """

    def __init__(
        self,
        path: Path,
        listed: Mapping[str, Listed],
        sources: Sequence[Source],
        scale: bool = False,
        notes: Sequence[str] = (),
    ) -> None:
        scaled: list[str] = []
        matches = match_names(path, listed, sources, scaled)
        others = f'{len(scaled):,} of {len(sources):,} inputs: {"".join(scaled[:1])}'
        if scaled and not scale:
            remedy = 'pass --scale-boxes to scale the boxes, or the images that they were made for'
            raise InputError(f'boxes were made for another size than that of {others}; {remedy}')
        unused = [name for name, entry in listed.items() if not entry.matched]
        self._notes = [*notes, *[f'boxes scaled for {others}'] * bool(scaled)]
        if unused:
            count = sum(len(boxes) for name in unused for boxes in listed[name].boxes.values())
            lists = f'{path}: {len(unused):,} of {len(listed):,} files, with {count:,} boxes,'
            self._notes.append(f'{lists} are not among the inputs: {name_few(unused)}')
        self._path, self._frames = path, dict[str, int]()  # number of frames that were read, by name of a source
        self.missing = {name: entry for name, entry in matches.items() if isinstance(entry, str)}
        self._entries = {name: entry for name, entry in matches.items() if isinstance(entry, Listed)}
        with_ids = any(entry.image_id is not None for entry in listed.values())
        self.image_ids = {name: entry.image_id for name, entry in self._entries.items()} if with_ids else None
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
        """What the file has beyond what is predicted, one line each; after all frames were read, with their boxes."""
        late = [
            f'frame {index} of {name}'
            for name, count in self._frames.items()
            for index in sorted(index for index in self._entries[name].boxes if index is not None and index >= count)
        ]
        lines = f'{self._path}: {len(late):,} lines are of frames that were not read: {name_few(late)}'
        return self._notes + [lines] * bool(late)


def name_few(names: Sequence[str], most: int = 3) -> str:
    """The first few names."""
    return ', '.join(map(short_text, names[:most])) + ', ...' * (len(names) > most)


def _fit(entry: Listed, source: Source, path: Path, scaled: list[str]) -> Listed | str:
    """Scale the boxes of an image to its size, and append both sizes to `scaled`; a reason if that is impossible."""
    size = None
    if entry.size and source.kind == 'image':
        try:
            size = upright_size(Path(source.name))
        except Exception:  # Pillow opens no image of more than 179 million pixels; OpenCV does
            from .images import read_image

            with suppress(Exception):  # what cannot be read has its error later
                size = read_image(source.name).shape[1::-1]
    if not size or not entry.size or size == entry.size:
        return entry
    (w, h), (width, height) = entry.size, size
    sizes = f'{source.name} has {width}x{height} pixels, {path} says {w:g}x{h:g}'
    if abs(w * height - h * width) > max(w, h, width, height):  # more than rounding the shorter side explains
        return f'{sizes}, which is another aspect ratio'
    scaled.append(sizes)
    entry.boxes[None] = entry.boxes[None] * np.array((width / w, height / h) * 2, np.float32)
    return entry


def match_names(
    path: Path, listed: Mapping[str, Listed], sources: Sequence[Source], scaled: list[str]
) -> dict[str, Listed | str]:
    """Find the entry of each source, or the reason why there is none, by its name; ValueError if none has an entry.

    Boxes are scaled to the size of their image; `scaled` gets a line for each.
    """
    by_file: dict[str, list[str]] = defaultdict(list)
    for name in listed:
        by_file[(_parts(name) or ('',))[-1]].append(name)
    chosen: dict[str, list[str]] = {}
    users: dict[str, list[str]] = defaultdict(list)
    for source in sources:
        full, components = _parts(os.path.abspath(source.name)), len(_parts(source.name))
        lengths = {}
        for name in by_file[full[-1]]:
            parts = _parts(name)
            common = len(os.path.commonprefix([full[::-1], parts[::-1]]))
            if common >= min(len(parts), components):
                lengths[name] = common
        chosen[source.name] = [name for name, length in lengths.items() if length == max(lengths.values())]
        for name in chosen[source.name]:
            users[name].append(source.name)
            listed[name].matched = True
    entries: dict[str, Listed | str] = {}
    for source in sources:
        matches = chosen[source.name]
        if not matches:
            entry: Listed | str = f'{path} lists no file whose path ends in {source.name}, or the reverse'
        elif len(matches) > 1:
            entry = f'{path} lists several files that match it: {", ".join(sorted(matches)[:3])}'
        elif len(users[matches[0]]) > 1:
            other = next(name for name in users[matches[0]] if name != source.name)
            entry = f'{matches[0]} in {path} also matches {other}'
        elif (source.kind == 'image') != (None in listed[matches[0]].boxes):
            needs = 'a video needs them' if source.kind == 'video' else 'an image has none'
            entry = f'check the frame indices of {matches[0]} in {path}: {needs}'
        else:
            entry = _fit(listed[matches[0]], source, path, scaled)
        entries[source.name] = f'no boxes: {entry}' if isinstance(entry, str) else entry
    if not any(isinstance(entry, Listed) for entry in entries.values()):
        name, reason = next(iter(entries.items()))
        raise InputError(f'{name}: {reason} (the same for all {len(sources)} inputs)' if len(entries) > 1 else reason)
    return entries


def _parts(name: str) -> tuple[str, ...]:
    """The components of a path, which a file may write as Windows does."""
    return PurePath(name.replace('\\', '/')).parts
