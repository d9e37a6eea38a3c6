"""Write the annotation files of this study from the folders of its photographs.

    python projects/real_people/photographs.py --data FOLDER --everyday FOLDER --weights FOLDER --out FOLDER

`--data` holds `lsp`, `lspet`, `parse`, `coco_people` and `everyday` as their READMEs describe them, `--everyday` the
photographs that `everyday/lay_out.py` wrote, and `--weights` MoveNet: `movenet.py` and `movenet_thunder.onnx`.

All people get COCO's 17 keypoints. In LSP, LSPET and Parse, the limbs are the annotators' and the face is MoveNet's
where it is surer than `FACE_SCORE`; head top and neck remain in the files of 14 joints. A tenth of the training people
of `coco_people` are held out, to choose recipes and epochs.
"""

import argparse
import importlib.util
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import cv2
import numpy as np

sys.path.append(str(Path(__file__).resolve().parents[2]))  # for the imports from `projects`

from vitpose_base.files import write_text

FACE_SCORE = 0.35  # of MoveNet, above which its face keypoints are labels
COCO_REPEATS = 4  # how often coco_people's few training people are in a file
MAX_WHOLE_IMAGE_RATIO = 2.0  # sides of a photograph that is also used whole, as the crop of its one person
SOURCES = ('lsp', 'lspet', 'parse', 'coco_people', 'everyday')


class MoveNet:
    """MoveNet, from a folder with its weights and movenet.py."""

    def __init__(self, weights: Path) -> None:
        spec = importlib.util.spec_from_file_location('movenet', weights / 'movenet.py')
        assert spec and spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        self._predict = module.MoveNet(str(weights / 'movenet_thunder.onnx'))

    def __call__(self, image: Path, box: list[float]) -> list[float]:
        """Return x, y and score of MoveNet's 17 keypoints, flat, of the person in a box (x, y, w, h)."""
        pixels = cv2.imread(str(image))
        if pixels is None:
            raise FileNotFoundError(f'{image}: no such image')
        return self._predict(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), box).ravel().tolist()

    def predict(self, image: Path, boxes: list[list[float]]) -> np.ndarray:
        """Keypoints (N, 17, 3) of the people in boxes (N, 4)."""
        return np.array([self(image, box) for box in boxes]).reshape(-1, 17, 3)


def with_faces(content: dict[str, Any], predicted: list[list[float]]) -> dict[str, Any]:
    """A file of 14 joints (CrowdPose's order) with COCO's 17 keypoints, of which the face is as MoveNet predicted."""
    people = []
    for person, points in zip(content['annotations'], predicted, strict=True):
        limbs = np.array(person['keypoints'], float).reshape(14, 3)[:12]  # in COCO's order, too
        face = np.array(points).reshape(17, 3)[:5]
        face = np.where(face[:, 2:] > FACE_SCORE, np.c_[face[:, :2], np.full(5, 2)], 0)
        keypoints = np.round(np.concatenate([face, limbs]), 2)
        number = int((keypoints[:, 2] > 0).sum())
        people.append(dict(person, keypoints=keypoints.ravel().tolist(), num_keypoints=number))
    return dict(content, annotations=people)


def read(path: Path) -> dict[str, Any]:
    """Read a file; FileNotFoundError says what the folder should hold."""
    if not path.is_file():
        raise FileNotFoundError(f'{path}: no such file; projects/real_people/README.md says which data are needed')
    return json.loads(path.read_text(encoding='utf-8'))


def combine(parts: dict[str, dict[str, Any]], repeats: Mapping[str, int] = MappingProxyType({})) -> dict[str, Any]:
    """One file of several sources; image names start with the source's, and people may be repeated."""
    images: list[dict[str, Any]] = []
    people: list[dict[str, Any]] = []
    for source, part in parts.items():
        ids = {}
        for image in part['images']:
            ids[image['id']] = len(images) + 1
            size = dict(width=image['width'], height=image['height'])
            images.append(dict(id=len(images) + 1, file_name=f'{source}/{image["file_name"]}', **size))
        for person in part['annotations'] * repeats.get(source, 1):
            keys = {key: person[key] for key in ('bbox', 'area', 'keypoints', 'num_keypoints')}
            people.append(dict(id=len(people) + 1, image_id=ids[person['image_id']], category_id=1, iscrowd=0, **keys))
    number = len(people[0]['keypoints']) // 3
    category = dict(id=1, name='person', keypoints=list(map(str, range(number))), skeleton=[])
    return dict(images=images, annotations=people, categories=[category])


def whole_images(part: dict[str, Any]) -> list[dict[str, Any]]:
    """The people who are alone in a photograph, with the whole photograph as their box."""
    sizes = {image['id']: (image['width'], image['height']) for image in part['images']}
    alone: dict[int, list] = {}
    for person in part['annotations']:
        alone.setdefault(person['image_id'], []).append(person)
    return [
        dict(people[0], bbox=[0, 0, *sizes[image]])
        for image, people in alone.items()
        if len(people) == 1 and max(sizes[image]) <= MAX_WHOLE_IMAGE_RATIO * min(sizes[image])
    ]


def split_people(part: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Hold out every tenth image of a file."""
    parts = []
    for is_held_out in (False, True):
        images = [image for i, image in enumerate(part['images']) if (i % 10 == 9) == is_held_out]
        ids = {image['id'] for image in images}
        parts.append(
            dict(part, images=images, annotations=[each for each in part['annotations'] if each['image_id'] in ids])
        )
    return parts[0], parts[1]


def prepare(data: Path, everyday_images: Path, weights: Path, out: Path) -> None:
    """Write the annotation files, and links to the photographs, into a folder; for the arguments see the module.

    FileNotFoundError if a folder or file is missing.
    """
    (out / 'images').mkdir(parents=True, exist_ok=True)
    for source in SOURCES:
        link = out / 'images' / source
        target = everyday_images if source == 'everyday' else data / source / 'images'
        if not target.is_dir():
            raise FileNotFoundError(f'{target}: no such folder; README.md says which data are needed')
        if not link.exists():
            link.symlink_to(target.resolve(), target_is_directory=True)
    movenet = MoveNet(weights)
    teacher = {name: read(data / 'lspet' / f'teacher_{name}.json') for name in ('train', 'val')}
    joints, keypoints = {}, {}  # the same people with 14 joints and with 17 keypoints
    for name in ('lsp/train', 'lspet/train_clean', 'parse/train', 'parse/val', 'lspet/val_clean', 'lsp/val'):
        source, part = name.split('/')
        joints[name] = content = read(data / f'{name}.json')
        if source == 'lspet':
            by_image = {item['image_id']: item['keypoints17'] for item in teacher[part.removesuffix('_clean')]}
            predicted = [by_image[person['image_id']] for person in content['annotations']]
        else:
            files = {image['id']: data / source / 'images' / image['file_name'] for image in content['images']}
            predicted = [movenet(files[person['image_id']], person['bbox']) for person in content['annotations']]
        keypoints[name] = with_faces(content, predicted)
    coco, coco_held_out = split_people(read(data / 'coco_people/train.json'))
    everyday = read(data / 'everyday/train.json')
    for part in (coco, everyday):
        part['annotations'] = part['annotations'] + whole_images(part)

    def choose(people: dict[str, Any], *names: str) -> dict[str, Any]:
        return {name.split('/')[0]: people[name] for name in names}

    bodies = choose(keypoints, 'lsp/train', 'lspet/train_clean', 'parse/train')
    held_out = choose(keypoints, 'parse/val', 'lspet/val_clean')
    files = {
        'bodies': combine(bodies),
        'bodies_14': combine(choose(joints, 'lsp/train', 'lspet/train_clean', 'parse/train')),
        'everybody': combine({**bodies, 'coco_people': coco, 'everyday': everyday}, {'coco_people': COCO_REPEATS}),
        'choose': combine({**held_out, 'coco_people': coco_held_out}),
        'choose_14': combine(choose(joints, 'parse/val', 'lspet/val_clean')),
        'choose_coco': combine({'coco_people': coco_held_out}),
        'lsp_test': combine(choose(keypoints, 'lsp/val')),
        'lsp_test_14': combine(choose(joints, 'lsp/val')),
        'coco_test': combine({'coco_people': read(data / 'coco_people/val.json')}),
    }
    for name, content in files.items():
        write_text(out / f'{name}.json', json.dumps(content))
        print(f'{name}.json: {len(content["annotations"]):,} people in {len(content["images"]):,} images')


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--data', type=Path, required=True, help='folder of the five data folders')
    parser.add_argument('--everyday', type=Path, required=True, help="folder of everyday's photographs")
    parser.add_argument('--weights', type=Path, required=True, help='folder of movenet.py and its weights')
    parser.add_argument('--out', type=Path, required=True, help='folder to write')
    args = parser.parse_args()
    prepare(args.data, args.everyday, args.weights, args.out)


if __name__ == '__main__':
    main()
