"""The fields of a COCO keypoint file that training and evaluation take for granted, in one check for all readers."""

from collections import Counter
from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

LOCATED = ('keypoints', 'bbox')  # MMPose does not train on annotations without them, and COCO's evaluation reads them
EVALUATED = (*LOCATED, 'area')  # what the evaluation reads, unless use_area=False


class BadField(NamedTuple):
    """A field of a row that is absent or wrong."""

    rows: str  # 'images' or 'annotations'
    number: int  # the row's index
    field: str
    expected: str
    value: Any

    def __str__(self) -> str:
        """One line: row, field, what was expected, what it is."""
        text = 'nothing' if self.value is None else repr(self.value)
        got = text if len(text) <= 60 else text[:57] + '...'
        return f'{self.rows}[{self.number}]: {self.field}: expected {self.expected}, got {got}'


def find_bad_fields(content: dict, count: int | None = None, required: Collection[str] = ()) -> Iterator[BadField]:
    """Find what is wrong with the images and annotations of a COCO keypoint file.

    `count` is the number of keypoints of the dataset, by default that of each category. Of an annotation's keypoints,
    bbox and area, those in `required` must be there; the keypoints may be an empty list.
    """
    parts = {name: content.get(name) or [] for name in ('images', 'annotations')}
    images, rows = parts.values()
    image_ids, row_ids = (Counter(row['id'] for row in part if is_id(row.get('id'))) for part in (images, rows))
    names = {row['id']: row.get('keypoints') or () for row in content.get('categories') or () if is_id(row.get('id'))}
    lengths = Counter(len(row['keypoints']) for row in rows if isinstance(row.get('keypoints'), list))
    usual = max(lengths, key=lengths.__getitem__, default=0) // 3 * 3
    for part, i, row in ((name, i, row) for name, given in parts.items() for i, row in enumerate(given)):
        key, ids = row.get('id'), image_ids if part == 'images' else row_ids
        checks = {'id': ('a unique integer', isinstance(key, int) and ids[key] == 1)}
        if part == 'images':
            checks['file_name'] = ('a name', isinstance(row.get('file_name'), str))
            for side in ('width', 'height'):
                checks[side] = ('a number above 0', isinstance(row.get(side), int | float) and row[side] > 0)
        else:
            image, kind, points = row.get('image_id'), row.get('category_id'), row.get('keypoints')
            checks['image_id'] = ('the id of an image', is_id(image) and image in image_ids)
            checks['category_id'] = ('the id of a category', not names or (is_id(kind) and kind in names))
            if points or ('keypoints' in required and points is None):
                known = count if 'lefthand_kpts' not in row else None  # of a whole body, which is stored in parts
                number = 3 * (known or (len(names.get(kind, ())) if is_id(kind) else 0)) or usual
                checks['keypoints'] = (f'{number} numbers', _are_numbers(points, number))
            if row.get('bbox') or 'bbox' in required:
                checks['bbox'] = ('4 numbers', _are_numbers(row.get('bbox'), 4))
            if 'area' in required:
                checks['area'] = ('a number', isinstance(row.get('area'), int | float))
        for field, (expected, is_good) in checks.items():
            if not is_good:
                yield BadField(part, i, field, expected, row.get(field))


def is_id(value: Any) -> bool:
    """Answer whether a value can be an id."""
    return isinstance(value, int | float | str)


def _are_numbers(values: Any, count: int) -> bool:
    return isinstance(values, list) and len(values) == count and all(isinstance(v, int | float) for v in values)
