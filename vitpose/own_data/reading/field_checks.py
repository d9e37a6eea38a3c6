"""Check the fields that several annotation formats have; what is wrong is an InputError that says where."""

from collections.abc import Sequence
from pathlib import Path

from vitpose_base.file_names import FileFinder, path_parts

from ...errors import InputError

EACH = 'each'  # with --category: a dataset per category


def check_names(names: object, where: str) -> list[str]:
    """Return keypoint names: strings, each once."""
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names) or not names:
        raise InputError(f'{where}: expected a list of keypoint names, got {names!r}')
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise InputError(f'{where}: keypoint name {repeated[0]!r} occurs twice')
    return names


def number_names(count: int) -> list[str]:
    """Return names for keypoints that have none."""
    return [f'keypoint_{i}' for i in range(count)]


def choose_category(names: Sequence[str], requested: str | None, has_each: bool = False) -> str:
    """Return the requested category, or the only one with annotated keypoints; `has_each`: the format has EACH."""
    if requested in names:
        return str(requested)
    if requested is None and len(names) == 1:
        return names[0]
    listed = ', '.join(map(repr, names)) or 'none'
    if requested == EACH:
        raise InputError(f'--category {EACH}: only for COCO files; choose one of {listed}')
    if requested is not None:
        raise InputError(f'--category {requested!r}: the annotated categories are {listed}')
    remedy = 'Choose one with --category NAME'
    remedy += f', or write a dataset for each with --category {EACH}' if has_each else ''
    raise InputError(f'{len(names)} categories have keypoints: {listed}. {remedy}')


def find_image(finder: FileFinder, name: str, where: str) -> Path:
    """Return the file of an image by its name in the annotations; if there is none, where it was looked for first."""
    found = finder.find(name)
    if len(found) > 1:
        raise InputError(f'{where}: {name!r} is ambiguous: {found[0]}, {found[1]}')
    return found[0] if found else finder.folders[0] / '/'.join(path_parts(name))
