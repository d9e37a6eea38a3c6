"""Write images and their annotations in COCO's format."""

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from vitpose_base.files import write_text

from ..annotations import Annotations, Photo
from ..deriving.instance_boxes import Sizes, find_box


def write_images(out: Path, photos: Sequence[Photo], copy: bool) -> dict[Path, str]:
    """Link or copy images into `out`/images, and return their names there; repeated ones get a number."""
    folder = out / 'images'
    folder.mkdir(parents=True)
    names: dict[Path, str] = {}
    numbers: dict[str, int] = {}  # the last one of a name, in lower case: file systems may ignore it
    for photo in photos:
        path, name = photo.path, photo.path.name
        while name.lower() in numbers:
            number = numbers[path.name.lower()] = numbers[path.name.lower()] + 1
            name = f'{path.stem}_{number}{path.suffix}'
        numbers[name.lower()] = 1
        names[path] = name
        (shutil.copyfile if copy else os.symlink)(path.resolve(), folder / name)
    return names


def write_coco(file: Path, photos: list[Photo], annotations: Annotations, sizes: Sizes, names: dict[Path, str]) -> None:
    """Write the COCO keypoint file of some images, of sizes (w, h) in pixels, with the names of `write_images`."""
    images: list[dict] = []
    rows: list[dict] = []
    for image_id, photo in enumerate(photos, 1):
        width, height = sizes[photo.path]
        images.append(dict(id=image_id, file_name=names[photo.path], width=width, height=height))
        for instance in photo.instances:
            x, y, w, h = (round(value, 2) for value in find_box(instance))
            keypoints = [round(value, 2) for value in instance.keypoints.ravel().tolist()]
            count = int((instance.keypoints[:, 2] > 0).sum())
            row = dict(id=len(rows) + 1, image_id=image_id, category_id=1, iscrowd=0, bbox=[x, y, w, h])
            rows.append(row | dict(area=round(w * h, 2), num_keypoints=count, keypoints=keypoints))
    skeleton = [[a + 1, b + 1] for a, b in annotations.labels.links]
    category = dict(id=1, name=annotations.category, keypoints=annotations.labels.names, skeleton=skeleton)
    content = dict(images=images, annotations=rows, categories=[category])
    write_text(file, json.dumps(content, ensure_ascii=False) + '\n')
