"""Annotation files, laid out as each data set's own."""

import io
import json
from collections.abc import Callable

import numpy as np
from scipy.io import savemat

from .keypoints import keypoint_set
from .landmarks import KeypointSet
from .recipe import Recipe, file_name

People = list[list[dict]]  # for each image in order, the annotations of `Rendered.people`
SEEN = 1 / 3  # a face or a hand of which less can be seen is not labelled


def annotation_files(recipe: Recipe, split: str, people: People) -> dict[str, bytes]:
    """The annotation files of a split.

    Args:
        recipe: What was rendered.
        split: Which part of it.
        people: What is on each of its images.

    Returns:
        File name to content.
    """
    table = keypoint_set(recipe.kind)
    if table.layout == 'mpii':
        return _mpii_files(split, people)
    content = coco_file(recipe, split, people)
    return {f'{split}.json': _to_json(content)}


def _to_json(content: dict | list) -> bytes:
    return json.dumps(content, separators=(',', ':')).encode()


def coco_file(recipe: Recipe, split: str, people: People) -> dict:
    """The annotation file of a split as COCO lays it out, with what the kind adds or leaves out."""
    table = keypoint_set(recipe.kind)
    annotate = LAYOUTS[table.layout]
    images, annotations = [], []
    for index, group in enumerate(people):
        image_id = index + 1
        images.append({'id': image_id, 'file_name': file_name(index), 'width': recipe.width, 'height': recipe.height})
        for number, person in enumerate(group):
            annotations.append(annotate(image_id * 100 + number, image_id, person))
    return {
        'info': {
            'description': f'vitpose synth: rendered {table.species.noun}, {split}',
            'seed': recipe.seed,
            'difficulty': recipe.difficulty,
            'kind': recipe.kind,
        },
        'licenses': [],
        'images': images,
        'annotations': annotations,
        'categories': _categories(table),
    }


def _categories(table: KeypointSet) -> list[dict]:
    count = BODY_KEYPOINTS if table.layout == 'wholebody' else len(table.names)
    return [
        {
            'id': breed.category,
            'name': breed.name,
            'supercategory': breed.family,
            'keypoints': table.names[:count],
            'skeleton': [[a + 1, b + 1] for a, b in table.limbs() if max(a, b) < count],
        }
        for breed in table.species.breeds
    ]


def _flat(keypoints: np.ndarray) -> list[float]:
    flat: list[float] = []
    for x, y, v in keypoints:
        flat += [round(float(x), 2), round(float(y), 2), int(v)]
    return flat


def _coco_annotation(ident: int, image_id: int, person: dict) -> dict:
    return {
        'id': ident,
        'image_id': image_id,
        'category_id': person['category'],
        'iscrowd': 0,
        'bbox': [int(value) for value in person['bbox']],
        'area': person['area'],
        'segmentation': person['polygons'],
        'keypoints': _flat(person['keypoints']),
        'num_keypoints': int((person['keypoints'][:, 2] > 0).sum()),
    }


def _aic_annotation(ident: int, image_id: int, person: dict) -> dict:
    """AI Challenger's has neither area nor outline: its metric takes the area from the box."""
    annotation = _coco_annotation(ident, image_id, person)
    return {key: annotation[key] for key in ('bbox', 'keypoints', 'num_keypoints', 'image_id', 'category_id', 'id')}


def _ap10k_annotation(ident: int, image_id: int, person: dict) -> dict:
    """AP-10K's has no outline, and its area is the box's."""
    annotation = _coco_annotation(ident, image_id, person)
    del annotation['segmentation']
    return annotation | {'area': annotation['bbox'][2] * annotation['bbox'][3]}


BODY_KEYPOINTS = 17
_PARTS = {'foot': (17, 23), 'face': (23, 91), 'lefthand': (91, 112), 'righthand': (112, 133)}


def _wholebody_annotation(ident: int, image_id: int, person: dict) -> dict:
    """COCO-WholeBody's: COCO's and four parts; one of which too little can be seen is left unlabelled as a whole."""
    every = person['keypoints']
    annotation = _coco_annotation(ident, image_id, person | {'keypoints': every[:BODY_KEYPOINTS]})
    for name, (start, stop) in _PARTS.items():
        points = every[start:stop]
        least = 1 if name == 'foot' else SEEN * len(points)
        valid = bool((points[:, 2] == 2).sum() >= least)
        annotation[f'{name}_valid'] = valid
        annotation[f'{name}_kpts'] = _flat(points if valid else np.zeros_like(points))
        if name != 'foot':
            annotation[f'{name}_box'] = _box_around(points) if valid else [0.0, 0.0, 0.0, 0.0]
    return annotation


def _box_around(points: np.ndarray) -> list[float]:
    """The box (x, y, w, h) of the labelled points, a tenth wider."""
    xy = points[points[:, 2] > 0, :2]
    low, high = xy.min(0), xy.max(0)
    margin = 0.05 * (high - low) + 0.5
    return [round(float(value), 2) for value in (*(low - margin), *(high - low + 2 * margin))]


def _mpii_files(split: str, people: People) -> dict[str, bytes]:
    """MPII's list of people, counted from pixel (1, 1) as in MATLAB, and of a held-out split the boxes of heads.

    A person's centre and scale are such that MMPose, which lowers the centre by 15 / 200 of the scale, gets a square
    around the box that was drawn.
    """
    records, boxes = [], []
    for index, group in enumerate(people):
        for person in group:
            keypoints = person['keypoints']
            labelled = keypoints[:, 2] > 0
            if not labelled.any():
                continue
            x, y, width, height = person['bbox']
            scale = max(width, height) / 200
            joints = np.where(labelled[:, None], keypoints[:, :2] + 1, -1)
            records.append(
                {
                    'joints_vis': [int(v) for v in labelled],
                    'joints': [[round(float(value), 2) for value in joint] for joint in joints],
                    'image': file_name(index),
                    'scale': round(scale, 6),
                    'center': [round(x + width / 2 + 1, 2), round(y + height / 2 + 1 - 15 * scale, 2)],
                }
            )
            boxes.append(person['head_box'].reshape(2, 2) + 1)
    files = {f'{split}.json': _to_json(records)}
    if split == 'val':
        corners = np.stack(boxes, -1) if boxes else np.zeros((2, 2, 0))  # (corner, axis, person)
        files['mpii_gt_val.mat'] = _mat_file({'headboxes_src': corners})
    return files


def _mat_file(content: dict[str, np.ndarray]) -> bytes:
    """A MATLAB file without the time of writing that scipy puts into its header's text, the first 116 bytes."""
    stream = io.BytesIO()
    savemat(stream, content)
    return b'MATLAB 5.0 MAT-file, written by vitpose synth'.ljust(116) + stream.getvalue()[116:]


LAYOUTS: dict[str, Callable[[int, int, dict], dict]] = {
    'coco': _coco_annotation,
    'aic': _aic_annotation,
    'ap10k': _ap10k_annotation,
    'wholebody': _wholebody_annotation,
}
