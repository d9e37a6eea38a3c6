"""Follow two people through a video of 30 seconds, made of photographs of an actor, and count exchanged ids.

    python projects/real_people/video.py --actor FOLDER --out work_dirs/video

`--actor` is the folder of mocap_actor_mpii16: photographs of one motion from several cameras. The first video shows two
cameras side by side; in the second, a person of the second camera walks to and fro in front of the first one's. Each
photograph stands still for a few frames. Boxes are the labels', or those of `--detector`. Prints, for each video, the
ids that each person had.
"""

import argparse
import json
import sys
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
from pycocotools.mask import iou

sys.path.append(str(Path(__file__).resolve().parents[2]))  # for the imports from `projects`

from projects.real_people.found_boxes import corners
from projects.real_people.photographs import read
from vitpose.cli.main import main as vitpose
from vitpose.predict.inputs.video import VideoWriter
from vitpose.runs.table import machine
from vitpose_base.files import write_text

FRAMES_PER_S, DURATION_S, REPEATED = 25, 30, 10
MARGIN_PX = 25  # around the walking person
Scene = list[tuple[np.ndarray, np.ndarray]]  # images, and the boxes (2, 4) x1 y1 x2 y2 of both people


def read_cameras(folder: Path, enlarged: int = 2) -> list[Scene]:
    """The photographs of the two cameras that have most of them, with the actor's boxes, in the order of the motion."""
    content, cameras = read(folder / 'train.json'), {}
    people = {person['image_id']: person for person in content['annotations']}
    for image in content['images']:
        camera, _, number = image['source'].rpartition('_')
        size = (enlarged * image['width'], enlarged * image['height'])
        photograph = cv2.resize(cv2.imread(str(folder / 'images' / image['file_name'])), size)
        box = corners([people[image['id']]]) * enlarged
        cameras.setdefault(camera, []).append((int(number.partition('.')[0]), photograph, box))
    longest = sorted(cameras.values(), key=len, reverse=True)[:2]
    return [[row[1:] for row in sorted(camera, key=lambda row: row[0])] for camera in longest]


def scene(cameras: list[Scene], crossing: bool) -> Scene:
    """All frames of a video of both people."""
    frames = []
    for number in range(FRAMES_PER_S * DURATION_S):
        # to the end of the motion and back
        (image, box), (other, other_box) = (
            camera[len(camera) - 1 - abs(len(camera) - 1 - number // REPEATED % (2 * len(camera) - 2))]
            for camera in cameras
        )
        if not crossing:
            quarter = image.shape[1] // 4  # the middle halves: the actor stays there
            middle = np.hstack((image[:, quarter:-quarter], other[:, quarter:-quarter]))
            frames.append((middle, np.concatenate((box - [quarter, 0] * 2, other_box + [quarter, 0] * 2))))
            continue
        left, top, right, bottom = (other_box[0] + np.array([-1, -1, 1, 1]) * MARGIN_PX).round().astype(int)
        person = other[max(top, 0) : bottom, max(left, 0) : right]
        height, width = person.shape[:2]
        way = (1 - np.cos(2 * np.pi * number / (FRAMES_PER_S * DURATION_S / 3))) / 2  # three times to and fro
        x, image = round(way * (image.shape[1] - width)), image.copy()
        image[max(top, 0) : max(top, 0) + height, x : x + width] = person
        frames.append((image, np.concatenate((box, other_box + [x - max(left, 0), 0, x - max(left, 0), 0]))))
    return frames


def sized(boxes: np.ndarray) -> np.ndarray:
    """Boxes (N, 4) x1 y1 x2 y2 as x y w h."""
    return np.concatenate((boxes[:, :2], boxes[:, 2:] - boxes[:, :2]), 1)


def follow(frames: Scene, name: str, args: argparse.Namespace) -> dict[str, object]:
    """Predict a video with ids; how many frames each person had each id."""
    path, out = args.out / f'{name}.mp4', args.out / name
    writer = VideoWriter(path)
    for number, (image, _) in enumerate(frames):
        writer.write(image, number / FRAMES_PER_S)
    writer.close()
    lines = [dict(file=path.name, frame=i, boxes=boxes.tolist()) for i, (_, boxes) in enumerate(frames)]
    write_text(boxes_file := path.with_suffix('.jsonl'), '\n'.join(map(json.dumps, lines)))
    people = ('--detector', args.detector) if args.detector else ('--boxes', boxes_file)
    if vitpose([*map(str, ('predict', path, '--model', args.model, *people, '--track', '--out', out))]):
        raise RuntimeError(f'vitpose predict {path} failed, see above')
    ids = [Counter[int](), Counter[int]()]
    for line in (out / 'predictions.jsonl').read_text().splitlines()[1:]:
        row = json.loads(line)
        boxes = np.array(row['boxes'], float).reshape(-1, 4)
        for person, true in enumerate(frames[row['frame']][1]):
            overlaps = iou(sized(boxes), sized(true[None]), [0]) if len(boxes) else np.zeros(1)
            if overlaps.max() > 0.5:
                ids[person][row['track_ids'][int(overlaps.argmax())]] += 1
    return {f'person {i}: frames by id': dict(counts.most_common()) for i, counts in enumerate(ids)}


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add('--actor', type=Path, required=True, help='folder of mocap_actor_mpii16')
    add('--detector', type=Path, help='ONNX file of a person detector (default: true boxes)')
    add('--model', default='tiny', help='name or file of a model (default tiny)')
    add('--out', type=Path, default=Path('work_dirs/video'), help='folder of videos and predictions')
    add('--results', type=Path, help='JSON file to write')
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    cameras = read_cameras(args.actor)
    table = {name: follow(scene(cameras, name == 'crossing'), name, args) for name in ('side_by_side', 'crossing')}
    print(json.dumps(table, indent=1))
    if args.results:
        write_text(args.results, json.dumps(dict(videos=table, model=args.model, machine=machine()), indent=1) + '\n')


if __name__ == '__main__':
    main()
