"""Read COCO keypoint files, as CVAT, Roboflow, Label Studio and others export them."""

import os
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from vitpose_base.coco_fields import BadField, find_bad_fields, is_id, points_of
from vitpose_base.file_names import FileFinder, path_parts

from ...errors import InputError
from ...predict.inputs.coco_json import is_box, is_crowd, match_ids, parse_json, read_size, short_text
from ..annotations import Annotations, Instance, Labels, Photo
from .coco_categories import read_categories
from .coco_results import join_results
from .field_checks import choose_category, find_image, number_names


def read_coco(files: dict[Path, str | None], images: Path | None, category: str | None) -> Annotations:
    """Read the COCO keypoint files of one dataset, given with their splits, if known.

    Images are below the folder `images`, by default the file's. By default all categories are read if they have the
    same keypoints, and categories of one point each are joined. Bad rows are left out. A file may be the list of
    results of `vitpose predict`. ValueError if a file is not a COCO keypoint file; the message says where.
    """
    notes = [f'COCO file {file}' + (f': split {split}' if split else '') for file, split in files.items()]
    unreadable: list[str] = []
    contents = {file: _load(file, unreadable, notes) for file in files}
    categories: dict[str, Labels | None] = {}
    for file, content in contents.items():
        for name, labels in read_categories(file, content, notes).items():
            if categories.setdefault(name, labels) != labels:
                raise InputError(f'{file}: category {name!r} has different keypoints in {next(iter(files))}')
    chosen, labels = list(categories), next(iter(categories.values()), None)
    rows = [row for content in contents.values() for row in content['annotations'] if points_of(row)]
    kinds = [kind for content in contents.values() for kind in content['categories']]
    is_points = category is None and len(chosen) > 1 and sum(len(points_of(row)) == 3 for row in rows) > len(rows) / 2
    if is_points and all(len(kind.get('keypoints') or []) <= 1 for kind in kinds):
        for file, content in contents.items():
            _join_points(file, content, chosen, unreadable)
        labels = Labels(chosen)
        notes.append(f'{len(chosen)} categories of one point each become the keypoints of one instance per image')
    elif category is not None or any(other is None or other != labels for other in categories.values()):
        chosen = [choose_category(chosen, category, has_each=True)]
        labels = categories[chosen[0]]
    elif len(chosen) > 1:
        notes.append(f'{len(chosen)} categories with the same keypoints become one: {", ".join(chosen)}')
    title = chosen[0] if len(chosen) == 1 else 'instance'
    rows_of: dict[Path, dict[int, dict]] = {}  # the annotations of the categories, and of none, by place in the file
    for file, content in contents.items():
        others = [row.get('id') for row in content['categories'] if row and row.get('name') not in chosen]
        pairs = enumerate(content['annotations'])
        rows_of[file] = {i: row for i, row in pairs if row and row.get('category_id') not in others}
    if labels is None:
        lengths = Counter(len(row['keypoints']) for kept in rows_of.values() for row in kept.values() if points_of(row))
        labels = Labels(number_names(lengths.most_common(1)[0][0] // 3))
        notes.append(f'the category {title!r} has no keypoint names: they are numbered')
    annotations = Annotations(labels, [], title, notes, unreadable)
    for file, content in contents.items():
        photos = _read_photos(file, content['images'], files[file], images, annotations)
        _add_instances(file, content, rows_of[file], photos, annotations)
    return annotations


def find_category_names(files: Iterable[Path]) -> list[str]:
    """Return the names of all categories with annotated keypoints."""
    return list(dict.fromkeys(name for file in files for name in read_categories(file, _load(file, [], []), [])))


def _load(file: Path, unreadable: list[str], notes: list[str]) -> dict:
    """Read a file; rows that are not objects become empty ones."""
    content = parse_json(file.read_bytes(), f'{file}: not a JSON file')
    content = join_results(file, content, notes) if isinstance(content, list) else content
    lists = ('images', 'annotations', 'categories')
    if not isinstance(content, dict) or not all(isinstance(content.get(name), list) for name in lists):
        raise InputError(f'{file}: expected a COCO keypoint file, an object with lists of {", ".join(lists)}')
    for name in lists:
        wrong = [(i, short_text(repr(row))) for i, row in enumerate(content[name]) if not isinstance(row, dict)]
        unreadable += [f'{file}: {name}[{i}]: expected an object, got {text}' for i, text in wrong]
        content[name] = [row if isinstance(row, dict) else {} for row in content[name]]
    names = {row['id']: str(row.get('name')) for row in content['categories'] if is_id(row.get('id'))}
    kinds = match_ids(names, {kind for row in content['annotations'] if is_id(kind := row.get('category_id'))})
    for row in content['annotations']:
        if is_id(kind := row.get('category_id')):
            row['category_id'] = kinds.get(kind, kind)
        for field in ('keypoints', 'bbox'):  # perhaps nested, or with null for NaN
            if isinstance(row.get(field), list):
                with suppress(TypeError, ValueError):
                    row[field] = _flat(row[field])
        if isinstance(box := row.get('bbox'), list) and len(box) == 4 and not is_box(box):
            row['bbox'] = None
    return content


def _flat(values: list) -> list[float] | str:
    """Return nested numbers as one list, or text if one is too large."""
    try:
        return np.array(values, float).ravel().tolist()
    except OverflowError:
        return short_text(values)


def _join_points(file: Path, content: dict, names: list[str], unreadable: list[str]) -> None:
    """Make one annotation of the points of each image, one per category, at the place of its first point."""
    index = {row.get('id'): names.index(row['name']) for row in content['categories'] if row.get('name') in names}
    joined: dict[str, dict] = {}
    first: dict[str, int] = {}  # index of the first point of an image
    repeated: dict[str, str] = {}  # by image
    for i, row in enumerate(content['annotations']):
        if not (points := points_of(row)):
            continue
        where, key, kind = f'{file}: annotations[{i}]', str(row.get('image_id')), row.get('category_id')
        if len(points) != 3 or not is_id(kind) or kind not in index:
            unreadable.append(f'{where}: expected a category and 3 numbers, got {kind!r} and {short_text(points)}')
            continue
        place = 3 * index[kind]
        first.setdefault(key, i)
        whole = joined.setdefault(key, dict(row, bbox=None, keypoints=[0] * (3 * len(names))))
        if whole['keypoints'][place + 2]:
            repeated[key] = f'{where}: image {key} has several points of category {names[index[kind]]!r}'
        whole['keypoints'][place : place + 3] = points
    if len(repeated) > len(joined) / 2:
        reason = 'categories of one point each are points, not skeletons, and cannot be joined'
        raise InputError(f'{next(iter(repeated.values()))}: {reason}; export skeletons, or pass --category NAME')
    unreadable += repeated.values()
    rows = {first[key]: row for key, row in joined.items() if key not in repeated}
    content['annotations'] = [rows.get(i, {}) for i in range(len(content['annotations']))]


def _read_photos(
    file: Path, rows: list[dict], split: str | None, images: Path | None, annotations: Annotations
) -> dict[Any, Photo | None]:
    """Add the images of a file, without instances, and return them by id; None for those that are left out."""
    photos: dict[Any, Photo | None] = {}
    names: dict[Path, str] = {}
    shared: set[Path] = set()  # files that rows with different names would share
    finder = _make_finder(file, images, split, rows)
    for i, row in enumerate(rows):
        name, key, where = row.get('file_name'), row.get('id'), f'{file}: images[{i}]'
        try:
            if not isinstance(name, str) or not name or not is_id(key):
                raise InputError(f'{where}: expected id and file_name, got {short_text(repr(row))}')
            path = find_image(finder, name, where)
            if path_parts(first := names.setdefault(path, name)) != path_parts(name):
                shared.add(path)
                raise InputError(f'{where}: {name!r} and {first!r} would both be {path}')
            photo = Photo(path, name, split=split, size=read_size(row.get('width'), row.get('height')))
            if photos.setdefault(key, photo) != photo:
                raise InputError(f'{where}: id {key!r} occurs twice')
        except InputError as problem:
            photos |= {key: None} if is_id(key) else {}
            annotations.unreadable.append(str(problem))
    annotations.photos += [photo for photo in photos.values() if photo and photo.path not in shared]
    return {key: None if photo and photo.path in shared else photo for key, photo in photos.items()}


def _add_instances(
    file: Path, content: dict, rows: dict[int, dict], photos: dict[Any, Photo | None], annotations: Annotations
) -> None:
    count, names = len(annotations.labels.names), {key: photo.name if photo else '' for key, photo in photos.items()}
    wanted = {key for row in rows.values() if is_id(key := row.get('image_id'))}
    image_ids = match_ids(dict.fromkeys(names, ''), wanted)  # ids first: names such as 0001.png may fit others
    image_ids = image_ids if 2 * len(image_ids) > len(wanted) else match_ids(names, wanted)
    for row in rows.values():
        row['image_id'] = image_ids.get(key, key) if is_id(key := row.get('image_id')) else None
    images = [dict(id=key) for key in photos]
    coco = dict(images=images, annotations=[*rows.values()], categories=content['categories'])
    wrong: dict[int, BadField] = {}
    for bad in find_bad_fields(coco, count):
        if bad.rows == 'annotations' and bad.field != 'id':  # ids are written anew
            wrong.setdefault(bad.number, bad)
    left_out: Counter[str] = Counter()
    for number, (i, row) in enumerate(rows.items()):
        where = f'{file}: annotations[{i}]'
        if is_crowd(row) or not row.get('keypoints'):
            left_out['crowds' if is_crowd(row) else 'annotations without keypoints'] += 1
        elif number in wrong:
            annotations.unreadable.append(f'{file}: {wrong[number]._replace(number=i)}')
        elif photo := photos[row['image_id']]:
            keypoints = np.array(row['keypoints'], float).reshape(count, 3)
            missing = (keypoints[:, 2] <= 0) | np.isnan(keypoints).all(1)  # v = 0, or NaN for x and y
            box: Any = tuple(map(float, row['bbox'])) if row.get('bbox') else None
            photo.instances.append(Instance(np.where(missing[:, None], 0.0, keypoints), where, box))
    annotations.notes += [f'{file}: {number} {noun} left out' for noun, number in left_out.items()]


def _make_finder(file: Path, images: Path | None, split: str | None, rows: list[dict]) -> FileFinder:
    """Return a finder of the images, which first looks into the folder that has most of the first ones."""
    tops = [images] if images else [file.parent, file.parent.parent]
    folders = [folder for top in tops for name in ('.', 'images', file.stem) if (folder := top / name).is_dir()]
    if split:  # such as train, Train of CVAT, val2017
        inside = [path for top in tops for place in (top, top / 'images') for path in sorted(place.glob('*'))]
        folders += [path for path in inside if split in path.name.lower() and path.is_dir()]
    names = ['/'.join(path_parts(name)) for row in rows[:20] if isinstance(name := row.get('file_name'), str)]
    best = max(folders, key=lambda folder: sum(os.path.isfile(folder / name) for name in names), default=tops[0])
    top = tops[-1] if file.parent.name == 'annotations' else tops[0]
    return FileFinder(top, [best, *folders], asked=images)
