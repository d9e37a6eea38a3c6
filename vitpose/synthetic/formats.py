"""Annotation files in the format of each dataset."""

import io
import json
from collections.abc import Callable

import numpy as np
from scipy.io import savemat

from .keypoints import keypoint_set
from .landmarks import KeypointSet
from .recipe import Recipe, file_name

People = list[list[dict]]  # for each image, the annotations of `RenderedImage.people`
MIN_VISIBLE = 1 / 3  # a face or hand with a smaller fraction of visible keypoints is not labelled


def annotation_files(recipe: Recipe, split: str, people: People) -> dict[str, bytes]:
    """Encode the annotation files of a split.

    Args:
        recipe: Settings of the dataset.
        split: 'train' or 'val'.
        people: Annotations of each image.

    Returns:
        File name to content.
    """
    table = keypoint_set(recipe.kind)
    if table.layout == 'mpii':
        return _mpii_files(split, people)
    return {f'{split}.json': _to_json(coco_file(recipe, split, people))}


def _to_json(content: dict | list) -> bytes:
    return json.dumps(content, separators=(',', ':')).encode()


def coco_file(recipe: Recipe, split: str, people: People) -> dict:
    """Return the content of a split's annotation file in COCO's format, as the dataset of the kind varies it."""
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
    """Format an AIC annotation: no area or segmentation, since its metric takes the area from the box."""
    annotation = _coco_annotation(ident, image_id, person)
    return {key: annotation[key] for key in ('bbox', 'keypoints', 'num_keypoints', 'image_id', 'category_id', 'id')}


def _ap10k_annotation(ident: int, image_id: int, person: dict) -> dict:
    """Format an AP-10K annotation: no segmentation, and the area is that of the box."""
    annotation = _coco_annotation(ident, image_id, person)
    del annotation['segmentation']
    return annotation | {'area': annotation['bbox'][2] * annotation['bbox'][3]}


BODY_KEYPOINTS = 17
_PARTS = {'foot': (17, 23), 'face': (23, 91), 'lefthand': (91, 112), 'righthand': (112, 133)}


def _wholebody_annotation(ident: int, image_id: int, person: dict) -> dict:
    """Format a COCO-WholeBody annotation: COCO's plus four parts, each unlabelled if too little of it is visible."""
    keypoints = person['keypoints']
    annotation = _coco_annotation(ident, image_id, person | {'keypoints': keypoints[:BODY_KEYPOINTS]})
    for name, (start, stop) in _PARTS.items():
        points = keypoints[start:stop]
        minimum = 1 if name == 'foot' else MIN_VISIBLE * len(points)
        valid = bool((points[:, 2] == 2).sum() >= minimum)
        annotation[f'{name}_valid'] = valid
        annotation[f'{name}_kpts'] = _flat(points if valid else np.zeros_like(points))
        if name != 'foot':
            annotation[f'{name}_box'] = _box_around(points) if valid else [0.0, 0.0, 0.0, 0.0]
    return annotation


def _box_around(points: np.ndarray) -> list[float]:
    """Return the box (x, y, w, h) of the labelled keypoints, enlarged by 10 % and one pixel."""
    xy = points[points[:, 2] > 0, :2]
    low, high = xy.min(0), xy.max(0)
    margin = 0.05 * (high - low) + 0.5
    return [round(float(value), 2) for value in (*(low - margin), *(high - low + 2 * margin))]


def _mpii_files(split: str, people: People) -> dict[str, bytes]:
    """Encode MPII's list of people, with 1-based pixels as in MATLAB, and the head boxes of the val split.

    MMPose moves the centre down by 15 pixels times the scale. The written centre is higher by as much, so that MMPose
    gets a square centred on the visible box.
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
    """Encode a MATLAB file, replacing the header text (116 bytes), in which scipy writes the time."""
    stream = io.BytesIO()
    savemat(stream, content)
    return b'MATLAB 5.0 MAT-file, written by vitpose synth'.ljust(116) + stream.getvalue()[116:]


LAYOUTS: dict[str, Callable[[int, int, dict], dict]] = {
    'coco': _coco_annotation,
    'aic': _aic_annotation,
    'ap10k': _ap10k_annotation,
    'wholebody': _wholebody_annotation,
}
