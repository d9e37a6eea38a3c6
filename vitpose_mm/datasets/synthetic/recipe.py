"""What makes a data set, and its annotation files in COCO's layout."""

from dataclasses import dataclass

import numpy as np

from .keypoints import KeypointSet, keypoint_set
from .renderer import Rendered, difficulty, render

SPLITS = ('train', 'val')


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a data set's bytes.

    Attributes:
        train: Number of training images.
        val: Number of held-out images.
        seed: Any whole number from 0: image i of a split depends on (seed, split, i) and nothing else.
        difficulty: 'easy' or 'hard'.
        kind: Keypoint set, as in `keypoints.KINDS`.
        width: Columns of an image.
        height: Rows of an image.
        quality: JPEG quality, 1 to 100.
    """

    train: int
    val: int
    seed: int = 0
    difficulty: str = 'easy'
    kind: str = 'coco'
    width: int = 320
    height: int = 240
    quality: int = 92

    def __post_init__(self) -> None:
        """Refuse numbers that no data set can be made of."""
        for name, low, high in (
            ('train', 0, 10**6), ('val', 0, 10**6), ('seed', 0, 2**63 - 1), ('quality', 1, 100),
            ('width', 64, 4096), ('height', 64, 4096),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f'{name} is {value}: give a whole number from {low} to {high}')
        if self.train + self.val == 0:
            raise ValueError('train and val are both 0: ask for at least one image')
        keypoint_set(self.kind)
        difficulty(self.difficulty)

    def count(self, split: str) -> int:
        """How many images a split has."""
        return {'train': self.train, 'val': self.val}[split]


def render_one(recipe: Recipe, split: str, index: int) -> Rendered:
    """Image `index` of a split, whatever was rendered before it.

    Raises:
        ValueError: If the split is not 'train' or 'val'.
    """
    if split not in SPLITS:
        raise ValueError(f'split is {split!r}: it is one of {", ".join(SPLITS)}')
    rng = np.random.default_rng([recipe.seed, SPLITS.index(split), index])
    return render(rng, keypoint_set(recipe.kind), difficulty(recipe.difficulty), recipe.height, recipe.width)


def file_name(index: int) -> str:
    """Name of image `index` of a split."""
    return f'{index:06d}.jpg'


def coco_file(recipe: Recipe, split: str, people: list[list[dict]]) -> dict:
    """The annotation file of a split as COCO lays it out.

    Args:
        recipe: What was rendered.
        split: Which part of it.
        people: For each image in order, the annotations of `Rendered.people`.
    """
    table = keypoint_set(recipe.kind)
    images, annotations = [], []
    for index, group in enumerate(people):
        image_id = index + 1
        images.append({
            'id': image_id, 'file_name': file_name(index), 'width': recipe.width, 'height': recipe.height,
        })
        for number, person in enumerate(group):
            annotations.append(_coco_annotation(image_id * 100 + number, image_id, person))
    return {
        'info': {
            'description': f'vitpose synth: rendered people, {split}', 'seed': recipe.seed,
            'difficulty': recipe.difficulty, 'kind': recipe.kind,
        },
        'licenses': [],
        'images': images,
        'annotations': annotations,
        'categories': [_category(table)],
    }


def _coco_annotation(ident: int, image_id: int, person: dict) -> dict:
    keypoints: list[float] = []
    for x, y, v in person['keypoints']:
        keypoints += [round(float(x), 2), round(float(y), 2), int(v)]
    return {
        'id': ident,
        'image_id': image_id,
        'category_id': 1,
        'iscrowd': 0,
        'bbox': [int(value) for value in person['bbox']],
        'area': person['area'],
        'segmentation': person['polygons'],
        'keypoints': keypoints,
        'num_keypoints': int((person['keypoints'][:, 2] > 0).sum()),
    }


def _category(table: KeypointSet) -> dict:
    return {
        'id': 1,
        'name': table.category,
        'supercategory': table.category,
        'keypoints': table.names,
        'skeleton': [[a + 1, b + 1] for a, b in table.limbs()],
    }
