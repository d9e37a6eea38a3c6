"""Boxes of a file, matched to images and videos by file name."""

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

import numpy as np

from ...errors import InputError
from ..poses import Frame
from .sources import Source


@dataclass
class Listed:
    """What a file says about an image, or about the frames of a video, by frame index; an image has the index None."""

    boxes: dict[int | None, np.ndarray] = field(default_factory=dict)  # (N, 4) x1 y1 x2 y2 in image pixels
    scores: dict[int | None, np.ndarray] = field(default_factory=dict)  # (N,), where the file has any
    image_id: int | None = None  # COCO's
    categories: np.ndarray | None = None  # (N,) COCO's category ids of an image's boxes


class GivenBoxes:
    """The boxes of a file, matched to the sources.

    A source and a name in the file match if one is the end of the other, by whole path components: `val/1.jpg` matches
    `data/val/1.jpg`. Of several matches the one with most components in common is taken. ValueError if none matches.

    Attributes:
        missing: why a source has no boxes, by its name.
        image_ids: COCO's image id by name of a matched source; None if the file has no image ids.
        categories: COCO's category ids (N,) of its boxes by name of a matched source; empty if the file has none.
    """

    def __init__(self, path: Path, listed: Mapping[str, Listed], sources: Sequence[Source]) -> None:
        matches = match_names(path, listed, sources)
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
            yield frame


def match_names(path: Path, listed: Mapping[str, Listed], sources: Sequence[Source]) -> dict[str, Listed | str]:
    """Find the entry of each source, or the reason why there is none, by its name; ValueError if none has an entry."""
    by_file: dict[str, list[str]] = defaultdict(list)
    for name in listed:
        by_file[PurePath(name).name].append(name)
    chosen: dict[str, list[str]] = {}
    users: dict[str, list[str]] = defaultdict(list)
    for source in sources:
        full, components = Path(os.path.abspath(source.name)).parts, len(PurePath(source.name).parts)
        lengths = {}
        for name in by_file[PurePath(source.name).name]:
            parts = PurePath(name).parts
            common = len(os.path.commonprefix([full[::-1], parts[::-1]]))
            if common >= min(len(parts), components):
                lengths[name] = common
        chosen[source.name] = [name for name, length in lengths.items() if length == max(lengths.values())]
        for name in chosen[source.name]:
            users[name].append(source.name)
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
            entry = listed[matches[0]]
        entries[source.name] = f'no boxes: {entry}' if isinstance(entry, str) else entry
    if not any(isinstance(entry, Listed) for entry in entries.values()):
        name, reason = next(iter(entries.items()))
        raise InputError(f'{name}: {reason} (the same for all {len(sources)} inputs)' if len(entries) > 1 else reason)
    return entries
