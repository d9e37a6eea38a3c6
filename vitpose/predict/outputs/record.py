"""What a run with `--resume` continues: the frames in predictions.jsonl, and the settings that predicted them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ...errors import InputError
from ..inputs.sources import Source
from ..poses import Frame, Poses
from .results import frame_of, read_lines

LINES, SETTINGS = 'predictions.jsonl', 'settings.json'
NOT_COMPARED = ('command', 'title', 'inputs', 'out', 'resume', 'html', 'device', 'batch_size')


@dataclass(frozen=True)
class Record:
    """The part of predictions.jsonl that is kept: its first `size` bytes, with all frames of the inputs in `done`."""

    path: Path
    size: int = 0
    done: frozenset[str] = frozenset()

    def frames(self) -> Iterator[tuple[Frame, Poses]]:
        """The frames, without their images, and their poses; after `Outputs` has removed what is not kept."""
        return (frame_of(line) for line, _ in (read_lines(self.path) if self.size else ()))


def read_record(out: Path, sources: Sequence[Source], settings: Mapping[str, Any]) -> Record:
    """Read what an earlier run left in a folder; an unfinished video, and a line that was cut, are left out.

    ValueError if it had other settings or inputs, or cannot be continued.
    """
    path, kinds = out / LINES, {source.name: source.kind for source in sources}
    if not path.is_file():
        return Record(path)
    try:
        earlier = json.loads((out / SETTINGS).read_text(encoding='utf-8'))
        changed = [key for key in settings if earlier.get(key) != settings[key]]
    except (OSError, ValueError, AttributeError) as problem:
        unknown = f'--resume: {out / SETTINGS}, which says how {path} was predicted, cannot be read'
        raise InputError(f'{unknown}: {problem}; choose a new --out, or leave out --resume') from problem
    if changed:
        words = (f'--{key.replace("_", "-")} was {earlier.get(key)} and is {settings[key]}' for key in changed)
        expected = 'expected the settings of the earlier run, or a new --out'
        raise InputError(f'--resume: {"; ".join(words)}; {expected}')
    starts: dict[str, int] = {}  # where the lines of each input begin
    size = 0
    for line, end in read_lines(path):
        starts.setdefault(line['file'], size)
        size = end
    for name in starts:
        if kinds.get(name, 'camera') == 'camera':  # which cannot be continued
            expected = 'expected it among the inputs, as before, and no camera'
            raise InputError(f'--resume: {path} has lines of {name}: {expected}')
    last = next(reversed(starts), None)
    if last and kinds[last] == 'video' and not earlier.get('finished'):
        size = starts.pop(last)
    return Record(path, size, frozenset(starts))


def comparable(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a command as they can be stored and compared: a file with its size and time."""

    def text(value: Any) -> Any:
        if isinstance(value, list | tuple):
            return [text(item) for item in value]
        if not isinstance(value, Path) or not value.exists():
            return value and str(value)
        stat = value.stat()
        when = datetime.fromtimestamp(stat.st_mtime).isoformat(' ', 'seconds')
        return f'{value.resolve()} ({stat.st_size:,} bytes, {when})'

    values = {**options, 'detector': [Path(word) for word in options.get('detector') or ()]}  # other words stay text
    return {key: text(value) for key, value in values.items() if key not in NOT_COMPARED and not callable(value)}
