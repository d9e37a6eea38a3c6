"""The fields of a COCO keypoint file that training and evaluation take for granted, in one check for all readers."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from math import isfinite
from typing import Any, NamedTuple

WITHOUT_AREA = ('categories', 'keypoints', 'bbox', 'iscrowd')  # what COCO's evaluation reads with use_area=False
EVALUATED = (*WITHOUT_AREA, 'area')  # what it reads by default
PERSON_AREA_SHARE = 0.53  # of the box's area: xtcocotools takes it for a person without an annotated area


class BadField(NamedTuple):
    """A field of a row, or of the file, that is absent or wrong."""

    rows: str  # 'images' or 'annotations', or '' for the file
    number: int  # the row's index
    field: str
    expected: str
    value: Any

    def __str__(self) -> str:
        """Format the finding in one line: row, field, what was expected, what it is."""
        text = 'nothing' if self.value is None else repr(self.value)
        text = f'{len(self.value)}: {text}' if isinstance(self.value, list) else text
        got = text if len(text) <= 60 else text[:57] + '...'
        where = f'{self.rows}[{self.number}]: ' if self.rows else ''
        return f'{where}{self.field}: expected {self.expected}, got {got}'


def find_bad_fields(content: dict, count: int | None = None, required: Collection[str] = ()) -> Iterator[BadField]:
    """Find what is wrong with the images and annotations of a COCO keypoint file.

    `count` is the number of keypoints of the dataset, by default that of each category. `required` names what must be
    there: 'categories', and an annotation's 'keypoints', which may be an empty list, 'bbox' and 'area'. With 'iscrowd',
    an annotation may lack that field, but it must not have a value other than 0 or 1.
    """
    for name in ('images', 'annotations', 'categories'):
        if not isinstance(content.get(name, []), list):
            yield BadField('', 0, name, 'a list', content[name])
        elif name in required and not content.get(name):
            yield BadField('', 0, name, 'a list of at least one', content.get(name))
    parts = (content.get(name) for name in ('images', 'annotations', 'categories'))
    images, rows, categories = (part if isinstance(part, list) else [] for part in parts)
    image_ids, row_ids = (Counter(row['id'] for row in _with_id(part)) for part in (images, rows))
    names = {row['id']: points_of(row) for row in _with_id(categories)}
    lengths = Counter(len(points_of(row)) for row in rows if isinstance(row, dict) and points_of(row))
    usual = max(lengths, key=lengths.__getitem__, default=0) // 3 * 3
    for i, row in enumerate(images):
        if not isinstance(row, dict):
            yield BadField('images', i, 'row', 'an object', row)
            continue
        if not isinstance(key := row.get('id'), int) or image_ids[key] > 1:
            yield BadField('images', i, 'id', 'a unique integer', key)
        if not isinstance(row.get('file_name'), str):
            yield BadField('images', i, 'file_name', 'a name', row.get('file_name'))
        for side in ('width', 'height'):
            if not isinstance(size := row.get(side), int | float) or not size > 0:
                yield BadField('images', i, side, 'a number above 0', size)
    for i, row in enumerate(rows):
        if not isinstance(row, dict):
            yield BadField('annotations', i, 'row', 'an object', row)
            continue
        if not isinstance(key := row.get('id'), int) or row_ids[key] > 1:
            yield BadField('annotations', i, 'id', 'a unique integer', key)
        if not is_id(image := row.get('image_id')) or image not in image_ids:
            yield BadField('annotations', i, 'image_id', 'the id of an image', image)
        if names and (not is_id(row.get('category_id')) or row['category_id'] not in names):
            yield BadField('annotations', i, 'category_id', 'the id of a category', row.get('category_id'))
            continue
        if (points := row.get('keypoints')) or ('keypoints' in required and points is None):
            known = count if 'lefthand_kpts' not in row else None  # COCO-WholeBody stores them in several fields
            number = 3 * (known or len(names.get(row.get('category_id'), ()))) or usual
            if not _are_numbers(points, number):
                yield BadField('annotations', i, 'keypoints', f'{number} numbers', points)
        box: Any = row.get('bbox')
        is_read = 'bbox' in required
        if (box or is_read) and not (_are_numbers(box, 4) and (not is_read or isfinite(sum(box)))):
            yield BadField('annotations', i, 'bbox', '4 numbers', box)
        if 'iscrowd' in required and row.get('iscrowd', 0) not in (0, 1):
            yield BadField('annotations', i, 'iscrowd', '0 or 1', row['iscrowd'])
        if 'area' in required and not (isinstance(area := row.get('area'), int | float) and area >= 0):
            yield BadField('annotations', i, 'area', 'a number from 0', row.get('area'))


def is_id(value: Any) -> bool:
    """Answer whether a value can be an id."""
    return isinstance(value, int | float | str)


def points_of(row: dict) -> list:
    """Return the keypoints of an annotation, or the names of a category; [] if it has none."""
    return points if isinstance(points := row.get('keypoints'), list) else []


def _with_id(rows: Iterable[Any]) -> list[dict]:
    return [row for row in rows if isinstance(row, dict) and is_id(row.get('id'))]


def _are_numbers(values: Any, count: int) -> bool:
    try:
        return isinstance(values, list) and len(values) == count and sum(values) is not None  # sum is fast
    except TypeError:
        return False
