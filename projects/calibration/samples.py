"""The boxes of this study: people of photographs with true and jittered boxes, background, renders and animals."""

import random
from pathlib import Path

import numpy as np

from projects.real_people.photographs import read
from vitpose.predict.calibration.labeled_boxes import LabeledBox, vary_boxes
from vitpose_base.coco_fields import PERSON_AREA_SHARE

Sample = tuple[int, LabeledBox]  # with the id of its image


def varied_samples(
    file: Path, images: Path, seed: int, backgrounds: int, kept: dict[str, int] | None = None
) -> list[Sample]:
    """The boxes of people of a COCO file and its folder of images; of a kind in `kept` so many, chosen at random."""
    content, rng, samples = read(file), np.random.default_rng(seed), list[Sample]()
    for image in content['images']:
        people = [person for person in content['annotations'] if person['image_id'] == image['id']]
        boxes = np.array([person['bbox'] for person in people], float).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        points = np.array([person['keypoints'] for person in people], float).reshape(-1, 17, 3)
        path, size = str(images / image['file_name']), (image['width'], image['height'])
        samples += [(image['id'], box) for box in vary_boxes(path, size, boxes, points, rng, backgrounds)]
    chosen = random.Random(0)
    for kind in ('background', 'jittered'):
        rows = [i for i, (_, box) in enumerate(samples) if box.kind == kind]
        dropped = set(rows) - set(chosen.sample(rows, min((kept or {}).get(kind, len(rows)), len(rows))))
        samples = [sample for i, sample in enumerate(samples) if i not in dropped]
    return samples


def render_samples(folder: Path, most: int) -> list[Sample]:
    """The first people, or animals, that `vitpose synth --train 0` rendered into a folder, with true boxes."""
    content = read(folder / 'annotations/val.json')
    files = {image['id']: str(folder / 'val' / image['file_name']) for image in content['images']}
    samples = []
    for each in content['annotations'][:most]:
        x, y, w, h = each['bbox']
        labels = np.array(each['keypoints'], float).reshape(-1, 3)
        scale = (PERSON_AREA_SHARE * w * h) ** 0.5
        box = LabeledBox(files[each['image_id']], 'true', (x, y, x + w, y + h), labels, scale)
        samples.append((each['image_id'], box))
    return samples
