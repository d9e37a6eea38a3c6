"""The checkpoints of a run: find its files, the one to continue from, and the alternatives to a missing one."""

import re
from collections.abc import Sequence
from pathlib import Path

from .safe_load import load_checkpoint

LAST_CHECKPOINT = 'last_checkpoint'  # MMEngine's file with the path of the checkpoint that was saved last
TEMPLATES = ('epoch_{}.pth', 'iter_{}.pth')
RUN_ID = 'run_id'  # file with the id of the run that started last, and key in a checkpoint's meta


def list_checkpoints(folder: Path, templates: Sequence[str] = TEMPLATES) -> list[Path]:
    """List the files in a folder that match a template, where {} is an integer, sorted by this integer."""
    names = '|'.join(re.escape(template).replace(r'\{\}', r'\d+') for template in templates)
    files = [path for path in folder.glob('*') if re.fullmatch(names, path.name) and path.is_file()]
    return sorted(files, key=lambda path: (int(re.findall(r'\d+', path.stem)[-1]), path.name))


def missing_checkpoint_message(path: Path, config: str, option: str) -> str:
    """Say that a config's checkpoint is missing and which files there are; `option` is like '--checkpoint {}'."""
    files = list_checkpoints(path.parent)
    names = ', '.join(file.name for file in files) or 'no epoch_*.pth'
    hint = f'. To use the last one: {option.format(files[-1])}' if files else ''
    return f'{path}: no such checkpoint. `mim train mmpose {config}` writes it; {path.parent} has {names}{hint}'


def find_resume_checkpoint(
    folder: Path, out: Path | None = None, names: Sequence[str] = TEMPLATES
) -> tuple[Path | None, list[str]]:
    """Find the checkpoint from which to continue the run that started last in a folder.

    This is the checkpoint that `last_checkpoint` names or, if that one is damaged or belongs to a different run, the
    newest complete (readable) one, next to it or in `out`. Without `run_id`, the first complete one in this order tells
    which run that is.

    Returns the path, None if there are no checkpoints, and a message per checkpoint that is damaged or of another run.
    ValueError if there are checkpoints, but none of this run is complete.
    """
    named, run = (f.read_text('utf-8') if f.is_file() else None for f in (folder / LAST_CHECKPOINT, folder / RUN_ID))
    files = list_checkpoints(out or folder, names) + (list_checkpoints(Path(named).parent, names) if named else [])
    first = [next((path for path in files if path.name == Path(named).name), Path(named))] if named else []
    metas, skipped = {}, []
    for path in dict.fromkeys([*first, *files]):
        try:
            metas[path] = load_checkpoint(path).meta
        except (OSError, ValueError) as problem:
            skipped.append(str(problem))
    complete = sorted(metas, key=lambda path: (path in first, str(metas[path].get('time')), path.stat().st_mtime_ns))
    if run is None and complete:
        run = metas[complete[-1]].get(RUN_ID, '')
    same_run = [path for path in complete if metas[path].get(RUN_ID, '') == run]
    skipped += [f'{path} is a checkpoint of another run' for path in complete if path not in same_run]
    if skipped and not same_run:
        raise ValueError(
            f'{folder} has no complete checkpoint of the run that started last: {"; ".join(skipped)}. To continue from '
            'one of them, name it with --resume FILE; to start from the beginning, leave out --resume'
        )
    return (same_run[-1] if same_run else None), skipped
