"""Refuse unreadable paths before importing torch, which takes seconds."""

import glob
import mimetypes
import os
from collections.abc import Sequence
from pathlib import Path

from ..errors import InputError, MissingFileError
from ..models.catalogue import NamedModel
from ..models.names import check_name, find_files, is_name

NAMES_SHOWN = 5  # of other files, in a message


def check_readable(path: str | Path | None, noun: str = 'file', folder: bool = False, option: str = '') -> None:
    """Raise an OSError if a path does not exist, cannot be read, or is a folder without `folder`; None passes.

    The message says what the file is (`noun`) and which option passed it.
    """
    if path is None:
        return
    path = Path(path)
    shown = f'{option} {path}'.lstrip()
    if not path.exists():
        if matches := sorted(glob.glob(str(path))):
            raise InputError(f'{shown} matches {len(matches)} files: pass one, such as {matches[0]}')
        near = sorted(file.name for file in path.parent.glob(f'*{path.suffix}') if path.suffix and file.is_file())
        names = ', '.join(near[:NAMES_SHOWN]) + ', ...' * (len(near) > NAMES_SHOWN)
        raise MissingFileError(f'{shown}: no such {noun}' + (f'; {path.parent} has {names}' if near else ''))
    if path.is_dir() and not folder:
        raise IsADirectoryError(f'{shown} is a folder: expected a {noun}')
    if not os.access(path, os.R_OK | (os.X_OK if path.is_dir() else 0)):
        raise PermissionError(f'{shown}: no permission to read this {noun}')


def check_model(model: str | None, option: str = '') -> None:
    """Refuse an unknown name of a model, or an unreadable exported file; None passes, and nothing is downloaded."""
    if model is not None and is_name(model):
        check_name(model)
    else:
        check_readable(model, 'file or model name', folder=True, option=option)


def read_files(config: Path, checkpoint: Path | None) -> NamedModel:
    """Find the files of a config with its checkpoint, or of the name of published weights, which are downloaded.

    OSError if a file does not exist; ValueError for an unknown name, or that of an exported file.
    """
    if checkpoint is None and is_name(config):
        named = find_files(str(config))
        if named.config is None:
            raise InputError(f'{config} is an exported file already: expected a config with its checkpoint')
        return named
    check_readable(config, 'config file')
    if checkpoint is None:
        raise InputError(f'{config}: expected a checkpoint with a config file')
    check_readable(checkpoint, 'checkpoint', folder=True)
    return NamedModel(checkpoint, config)


def check_detector(words: Sequence[str] | None, before: str) -> None:
    """Refuse more than two words after --detector, or unreadable files; `before` names what must precede it."""
    name, *files = words or ['']
    if len(files) > 1:
        raise InputError(f'--detector {name} {" ".join(files)}: expected one or two words; put {before} before it')
    for file in files:
        kind = mimetypes.guess_type(file)[0] or ''
        if Path(file).suffix in ('.onnx', '.xml') or kind.startswith(('image/', 'video/')) or Path(file).is_dir():
            remedy = f'put {before} before it: {file} --detector {name}'
            raise InputError(f'--detector {name} {file}: {file} is not a checkpoint of a detector; {remedy}')
    if Path(name).suffix in ('.py', '.json', '.yml', '.yaml', '.onnx'):
        check_readable(name, 'detector', option='--detector')
    for file in files:
        check_readable(file, 'checkpoint of a detector', option='--detector')
