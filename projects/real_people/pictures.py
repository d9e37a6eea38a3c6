"""Show where a model is right and where it errs: a picture of an actor's photographs with the predicted poses.

    python projects/real_people/pictures.py --actor FOLDER --model tiny --out docs/images/tiny_errors.jpg

`--actor` is the folder of mocap_actor_mpii16 (MIT license), with labels of 16 joints. With true boxes, the upper row
has the people with the smallest mean error of the limbs, the lower row those with the largest, at most one per camera.
Prints quantiles of the error, as a share of the diagonal of the box.
"""

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np

sys.path.append(str(Path(__file__).resolve().parents[2]))  # for the imports from `projects`

from projects.real_people.found_boxes import corners
from projects.real_people.photographs import read
from vitpose import PosePredictor
from vitpose.predict.drawing import DrawStyle, draw_poses
from vitpose_base.files import replacing

COLUMNS, SIDE = 6, 240  # of the picture, and pixels of each of its parts
MARGIN = 0.15  # around a box, as a share of its longer side


def limb_errors(keypoints: np.ndarray, names: list[str], labels: np.ndarray, label_names: list[str]) -> np.ndarray:
    """The distances of the labeled joints that both sets have, from keypoints (K, 2) to labels (L, 3), in pixels."""
    shared = [name for name in label_names if name in names]
    ours, theirs = ([each.index(name) for name in shared] for each in (names, label_names))
    distances = np.linalg.norm(keypoints[ours] - labels[theirs, :2], axis=1)
    return distances[labels[theirs, 2] > 0]


def crop(image: np.ndarray, box: np.ndarray) -> np.ndarray:
    """The square (SIDE, SIDE, 3) around a box x1 y1 x2 y2."""
    center, side = (box[:2] + box[2:]) / 2, (1 + 2 * MARGIN) * (box[2:] - box[:2]).max()
    scale = SIDE / side
    move = np.column_stack((np.eye(2) * scale, SIDE / 2 - scale * center))
    return cv2.warpAffine(image, move, (SIDE, SIDE), flags=cv2.INTER_AREA, borderValue=(255, 255, 255))


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--actor', type=Path, required=True, metavar='FOLDER', help='mocap_actor_mpii16')
    parser.add_argument('--model', default='tiny', help='name or file of a model of COCO keypoints (default tiny)')
    parser.add_argument('--out', type=Path, required=True, metavar='FILE.jpg', help='picture to write')
    args = parser.parse_args()
    content = read(args.actor / 'train.json')
    people = {person['image_id']: person for person in content['annotations']}
    predictor = PosePredictor(args.model, detector=None)
    names = [name for _, name in sorted(predictor.model.metainfo['keypoint_id2name'].items())]
    rows = []
    for image in content['images']:
        person, path = people[image['id']], args.actor / 'images' / image['file_name']
        box = corners([person])
        poses = predictor(path, box)
        labels = np.reshape(person['keypoints'], (-1, 3))
        errors = limb_errors(poses.keypoints[0], names, labels, content['categories'][0]['keypoints'])
        error = errors.mean() / np.linalg.norm(box[0, 2:] - box[0, :2])
        rows.append((error, image['source'].rpartition('_')[0], poses))
    rows.sort(key=lambda row: row[0])
    print('quantiles of the error (10%, 50%, 90%):', *np.quantile([row[0] for row in rows], (0.1, 0.5, 0.9)).round(3))
    strips = []
    for ordered in (rows, rows[::-1]):
        cameras = {camera: poses for _, camera, poses in reversed(ordered)}  # the first of each camera
        chosen = [poses for _, camera, poses in ordered if cameras[camera] is poses][:COLUMNS]
        style = DrawStyle(boxes=False)
        drawn = [draw_poses(poses.image, poses, predictor.model.metainfo, style) for poses in chosen]
        strips.append(np.hstack([crop(image, poses.boxes[0]) for image, poses in zip(drawn, chosen, strict=True)]))
    with replacing(args.out) as part:
        part.write_bytes(cv2.imencode('.jpg', np.vstack(strips), [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes())


if __name__ == '__main__':
    main()
