"""Annotation files in the format of each dataset."""

import io
import json

import numpy as np
from scipy.io import savemat

from .keypoints import BODY_KEYPOINTS, keypoint_set
from .render_settings import RenderSettings, file_name

People = list[list[dict]]  # for each image, the annotations of `RenderedImage.people`
MIN_VISIBLE_FRACTION = 1 / 3  # a face or hand with a smaller fraction of visible keypoints is not labeled
MPII_SCALE_PX = 200  # the size of a person whose scale is 1


def annotation_files(settings: RenderSettings, split: str, people: People) -> dict[str, bytes]:
    """Encode the annotation files of a split, 'train' or 'val': file name to content."""
    if keypoint_set(settings.kind).layout == 'mpii':
        return _mpii_files(split, people)
    return {f'{split}.json': _to_json(_coco_file(settings, split, people))}


def _to_json(content: dict | list) -> bytes:
    return json.dumps(content, separators=(',', ':')).encode()


def _coco_file(settings: RenderSettings, split: str, people: People) -> dict:
    """Return the content of an annotation file in COCO's format, as the dataset of the kind varies it."""
    table = keypoint_set(settings.kind)
    count = BODY_KEYPOINTS if table.layout == 'wholebody' else len(table.names)
    category_id, name, supercategory = table.species.category
    annotations = []
    for image_id, group in enumerate(people, 1):
        for number, person in enumerate(group):
            points = person['keypoints'][:count]
            row: dict = dict(id=image_id * 100 + number, image_id=image_id, category_id=category_id, iscrowd=0)
            row |= dict(bbox=list(person['bbox']), area=person['area'], segmentation=person['polygons'])
            row |= dict(keypoints=_flat(points), num_keypoints=int((points[:, 2] > 0).sum()))
            annotations.append(_as_layout(table.layout, row, person['keypoints']))
    info = dict(description=f'vitpose synth: rendered {table.species.noun}, {split}', seed=settings.seed)
    info |= dict(difficulty=settings.difficulty, kind=settings.kind)
    size = dict(width=settings.width, height=settings.height)
    images = [dict(id=i + 1, file_name=file_name(i), **size) for i in range(len(people))]
    skeleton = [[a + 1, b + 1] for a, b in table.limbs() if max(a, b) < count]
    category = dict(id=category_id, name=name, supercategory=supercategory)
    category |= dict(keypoints=table.names[:count], skeleton=skeleton)
    return dict(info=info, licenses=[], images=images, annotations=annotations, categories=[category])


def _flat(keypoints: np.ndarray) -> list[float]:
    return [value for x, y, v in keypoints.tolist() for value in (round(x, 2), round(y, 2), int(v))]


def _as_layout(layout: str, annotation: dict, keypoints: np.ndarray) -> dict:
    """Return COCO's annotation as a dataset varies it.

    AIC has no area or segmentation, since its metric takes the area from the box. AP-10K has no segmentation, and the
    area of the box. COCO-WholeBody has four more parts, each unlabeled if too little of it is visible.
    """
    if layout == 'aic':
        return {key: annotation[key] for key in ('bbox', 'keypoints', 'num_keypoints', 'image_id', 'category_id', 'id')}
    if layout == 'ap10k':
        del annotation['segmentation']
        return annotation | {'area': annotation['bbox'][2] * annotation['bbox'][3]}
    parts = (('foot', 17, 23), ('face', 23, 91), ('lefthand', 91, 112), ('righthand', 112, 133))
    for name, start, stop in parts if layout == 'wholebody' else ():
        points = keypoints[start:stop]
        valid = bool((points[:, 2] == 2).sum() >= (1 if name == 'foot' else MIN_VISIBLE_FRACTION * len(points)))
        annotation[f'{name}_valid'] = valid
        annotation[f'{name}_kpts'] = _flat(points if valid else np.zeros_like(points))
        if name != 'foot':
            annotation[f'{name}_box'] = _box_around(points) if valid else [0.0, 0.0, 0.0, 0.0]
    return annotation


def _box_around(points: np.ndarray) -> list[float]:
    """Return the box (x, y, w, h) of the labeled keypoints, enlarged by 10 % and one pixel."""
    xy = points[points[:, 2] > 0, :2]
    low, high = xy.min(0), xy.max(0)
    margin = 0.05 * (high - low) + 0.5
    return [round(float(value), 2) for value in (*(low - margin), *(high - low + 2 * margin))]


def _mpii_files(split: str, people: People) -> dict[str, bytes]:
    """Encode MPII's list of people, with 1-based pixels as in MATLAB, and the head boxes of the val split.

    MMPose moves the center down by 15 pixels times the scale. The written center is higher by as much, so that MMPose
    gets a square centered on the visible box.
    """
    records, head_boxes = [], []
    for index, group in enumerate(people):
        for person in group:
            keypoints = person['keypoints']
            labeled = keypoints[:, 2] > 0
            if not labeled.any():
                continue
            x, y, width, height = person['bbox']
            scale = max(width, height) / MPII_SCALE_PX
            joints = np.where(labeled[:, None], keypoints[:, :2] + 1, -1)
            center = [round(x + width / 2 + 1, 2), round(y + height / 2 + 1 - 15 * scale, 2)]
            row = dict(joints_vis=labeled.astype(int).tolist(), joints=joints.round(2).tolist())
            records.append(row | dict(image=file_name(index), scale=round(scale, 6), center=center))
            head_boxes.append(person['head_box'].reshape(2, 2) + 1)
    files = {f'{split}.json': _to_json(records)}
    if split == 'val':
        corners = np.stack(head_boxes, -1) if head_boxes else np.zeros((2, 2, 0))  # (corner, axis, person)
        stream = io.BytesIO()
        savemat(stream, {'headboxes_src': corners})
        # The first 116 bytes are text, in which scipy writes the time.
        header = b'MATLAB 5.0 MAT-file, written by vitpose synth'.ljust(116)
        files['mpii_gt_val.mat'] = header + stream.getvalue()[116:]
    return files
