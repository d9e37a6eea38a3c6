"""The fields of a COCO keypoint file that training and evaluation take for granted, in one check for all readers."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

LOCATED = ('keypoints', 'bbox')  # MMPose does not train on annotations without them, and COCO's evaluation reads them
EVALUATED = (*LOCATED, 'area')  # what the evaluation reads, unless use_area=False


@dataclass(frozen=True)
class BadField:
    """A field of a row that is absent or wrong."""

    rows: str  # 'images' or 'annotations'
    number: int  # the row's index
    field: str
    expected: str
    value: Any

    @property
    def place(self) -> str:
        """The row and the field's value."""
        text = 'nothing' if self.value is None else repr(self.value)
        return f'{self.rows}[{self.number}] has {text if len(text) <= 60 else text[:57] + "..."}'

    def __str__(self) -> str:
        """One line: row, field, what was expected, what it is."""
        return f'{self.rows}[{self.number}]: {self.field}: expected {self.expected}, got {self.place.split(" has ")[1]}'


def find_bad_fields(content: dict, count: int | None = None, required: Collection[str] = ()) -> list[BadField]:
    """Find what is wrong with the images and annotations of a COCO keypoint file.

    `count` is the number of keypoints of the dataset, by default that of each category. Of an annotation's keypoints,
    bbox and area, those in `required` must be there; the keypoints may be an empty list.
    """
    images, rows = content.get('images') or [], content.get('annotations') or []
    images_by_id, rows_by_id = Counter(_ids(images)), Counter(_ids(rows))
    names = {row['id']: row.get('keypoints') or () for row in content.get('categories') or () if _is_id(row.get('id'))}
    lengths = Counter(len(row['keypoints']) for row in rows if isinstance(row.get('keypoints'), list))
    usual = max(lengths, key=lengths.__getitem__, default=0) // 3 * 3
    found: list[BadField] = []

    def check(rows: str, number: int, row: dict, field: str, expected: str, is_good: Callable[[Any], bool]) -> None:
        value = row.get(field)
        if not is_good(value):
            found.append(BadField(rows, number, field, expected, value))

    for i, row in enumerate(images):
        check('images', i, row, 'id', 'a unique integer', lambda v: _is_integer(v) and images_by_id[v] == 1)
        check('images', i, row, 'file_name', 'a name', lambda v: isinstance(v, str) and v != '')
        for side in ('width', 'height'):
            check('images', i, row, side, 'a number above 0', lambda v: _are_numbers([v], 1) and v > 0)
    for i, row in enumerate(rows):
        check('annotations', i, row, 'id', 'a unique integer', lambda v: _is_integer(v) and rows_by_id[v] == 1)
        check('annotations', i, row, 'image_id', 'the id of an image', lambda v: _is_id(v) and v in images_by_id)
        if names:
            check('annotations', i, row, 'category_id', 'the id of a category', lambda v: _is_id(v) and v in names)
        if row.get('keypoints') or ('keypoints' in required and row.get('keypoints') is None):
            kind = row.get('category_id')
            known = count if 'lefthand_kpts' not in row else None  # of a whole body, which is stored in parts
            number = 3 * (known or (len(names.get(kind, ())) if _is_id(kind) else 0)) or usual
            check('annotations', i, row, 'keypoints', f'{number} numbers', partial(_are_numbers, count=number))
        if row.get('bbox') or 'bbox' in required:
            check('annotations', i, row, 'bbox', '4 numbers', lambda v: _are_numbers(v, 4))
        if 'area' in required:
            check('annotations', i, row, 'area', 'a number', lambda v: _are_numbers([v], 1))
    return found


def group_bad_fields(found: Iterable[BadField]) -> dict[str, list[str]]:
    """Return the places by the kind of problem, which reads after their number."""
    places: dict[str, list[str]] = {}
    for bad in found:
        places.setdefault(f'{bad.rows} with wrong {bad.field} (expected {bad.expected})', []).append(bad.place)
    return places


def _ids(rows: Iterable[dict]) -> list[Any]:
    return [row['id'] for row in rows if _is_id(row.get('id'))]


def _is_id(value: Any) -> bool:
    return isinstance(value, int | float | str)


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _are_numbers(values: Any, count: int) -> bool:
    """Answer whether a value is a list of so many numbers."""
    if not isinstance(values, list) or len(values) != count:
        return False
    try:
        sum(values)
    except TypeError:
        return False
    return True
