"""Read the annotated categories of a COCO keypoint file, with names and skeletons of their keypoints."""

from pathlib import Path
from typing import Any

from vitpose_base.coco_fields import is_id, points_of

from ...errors import InputError
from ...predict.inputs.coco_json import parse_numbers
from ..annotations import Labels
from .field_checks import check_names


def read_categories(file: Path, content: dict, notes: list[str]) -> dict[str, Labels | None]:
    """Return the categories with annotated keypoints, and their labels if the file has them."""
    rows = [row for row in content['annotations'] if points_of(row)]
    if not rows:
        kinds = [kind for kind in ('segmentation', 'bbox') if any(row.get(kind) for row in content['annotations'])]
        has = f' (it has {" and ".join(kinds)})' if kinds else ''
        raise InputError(f'{file}: no annotation has keypoints{has}; export the annotations as COCO keypoints')
    used = {kind for row in rows if is_id(kind := row.get('category_id'))}
    if not used and content['categories']:
        used = {_fill_category(file, rows, content['categories'], notes)}
    categories: dict[str, Labels | None] = {}
    for i, row in enumerate(content['categories']):
        if not is_id(row.get('id')) or row['id'] not in used:
            continue
        name, where = row.get('name'), f'{file}: categories[{i}]'
        if not isinstance(name, str) or not name:
            raise InputError(f'{where}: expected a name, got {name!r}')
        labels = None
        if row.get('keypoints'):
            names = check_names(row['keypoints'], where)
            labels = Labels(names, _links(row.get('skeleton') or [], len(names), where, notes))
        if categories.setdefault(name, labels) != labels:
            raise InputError(f'{where}: category name {name!r} occurs twice, with other keypoints')
    return categories


def _fill_category(file: Path, rows: list[dict], categories: list[dict], notes: list[str]) -> Any:
    """Set the only category as that of annotations without one, and return its id."""
    named = {row['id']: repr(row.get('name')) for row in categories if is_id(row.get('id'))}
    if len(named) != 1:
        listed = ', '.join(named.values()) or 'none has an id'
        raise InputError(f'{file}: no annotation has a category_id: expected the id of a category: {listed}')
    ((key, name),) = named.items()
    for row in rows:
        row['category_id'] = key
    notes.append(f'{file}: no annotation has a category_id: all are taken to be of the only category, {name}')
    return key


def _links(skeleton: object, count: int, where: str, notes: list[str]) -> list[tuple[int, int]]:
    """Read a skeleton; COCO counts keypoints from 1, some tools and the result from 0."""
    pairs, bad = [], []
    for pair in skeleton if isinstance(skeleton, list) else [skeleton]:
        try:
            pairs.append(parse_numbers(pair, 2, f'{where}: skeleton', finite=True).astype(int).tolist())
        except InputError as problem:
            bad.append(str(problem))
    first = 0 if any(0 in pair for pair in pairs) else 1
    notes += [f'{where}: the skeleton counts keypoints from 0'] * (not first)
    links = [(a - first, b - first) for a, b in pairs]
    expected = f'expected keypoints from {first} to {count - 1 + first}'
    bad += [f'{where}: skeleton {[a + first, b + first]}: {expected}' for a, b in links if not 0 <= a < count > b >= 0]
    notes += [f'{len(bad)} links of the skeleton are left out: {bad[0]}'] if bad else []
    return [(a, b) for a, b in links if 0 <= a < count > b >= 0]
