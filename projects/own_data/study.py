"""Own data on new images: errors with true boxes, without boxes in images and videos, and with a detector.

    python projects/own_data/study.py --data FOLDER [FOLDER ...] --out work_dirs/own_data

Objects take 3 to 25% of a 640x480 image: rendered animals; people, cut out of the photographs in each FOLDER and pasted
(it holds train.json, val.json and images/, with one labeled person each; of train_clean.json and val_clean.json, these
are read); and with MMDetection two rendered animals per image, which a detector finds. Each set and the detector are
trained with `vitpose dataset` and `vitpose train`; then images and videos not among the training data are predicted.

The error is the median distance of the labeled keypoints from the prediction, as a share of the diagonal of the true
box. The results are written as JSON, and as the table of README.md; those of sets that `--sets` leaves out stay. What
is in OUT is not made again.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np

sys.path.append(str(Path(__file__).resolve().parents[2]))  # for the imports from `projects`

from projects.studies.study_report import write_between_marks
from vitpose import PosePredictor
from vitpose.cli.main import main as vitpose
from vitpose.predict.detection.onnx_detector import open_detector
from vitpose.predict.poses import Frame, Poses
from vitpose.runs.table import machine
from vitpose.runs.training_log import read_curve
from vitpose.synthetic.figure import PARTS_PER_FIGURE
from vitpose.synthetic.keypoints import keypoint_set
from vitpose.synthetic.renderer import DIFFICULTIES, draw_background, render
from vitpose_base.files import write_text

HERE = Path(__file__).resolve().parent
SIZE, SHARES = np.array((640, 480)), (0.03, 0.25)  # of the images, and of a box's area in them
BARS = {'true boxes': 0.04, 'images': 1.5, 'video': 1.5, 'detector': 2.0}  # the first in itself, others as times that
BEGIN = '<!-- written by study.py -->'
CLIPS = 4  # videos, of one object each


@dataclass
class Scene:
    """An image (H, W, 3) uint8 BGR, and of its N objects keypoints (N, K, 3), as COCO's, and boxes (N, 4) x y w h."""

    image: np.ndarray
    keypoints: np.ndarray
    boxes: np.ndarray
    mask: np.ndarray | None = None  # (H, W) bool, of the one object; None: its box


def draw_animals(rng: np.random.Generator, count: int) -> Scene:
    """Render `count` animals that take their share of the image."""
    level = replace(DIFFICULTIES['easy'], people=(count, count), stature=(0.2, 0.75))
    while True:
        rendered = render(rng, keypoint_set('ap10k'), level, *SIZE[::-1])
        boxes = np.array([animal['bbox'] for animal in rendered.people], float)
        shares = boxes[:, 2:].prod(1) / SIZE.prod() if len(boxes) == count else np.zeros(1)
        if SHARES[0] <= shares.min() <= shares.max() <= SHARES[1]:
            keypoints = np.array([animal['keypoints'] for animal in rendered.people])
            return Scene(rendered.image, keypoints, boxes, rendered.ids // PARTS_PER_FIGURE == 1)


def paste(photo: Scene, background: np.ndarray, share: float, place: np.ndarray) -> Scene:
    """Paste the one object of an image, with soft edges, so that its box takes a share of the background.

    `place` (2,) is where between left and right, and top and bottom, from 0 to 1.
    """
    x, y, *sides = photo.boxes[0].tolist()
    scale = min(np.sqrt(share * SIZE.prod() / np.prod(sides)), *(SIZE / sides))
    shift = place * (SIZE - scale * np.array(sides)) - scale * np.array((x, y))
    move = np.column_stack((np.eye(2) * scale, shift))
    mask = np.zeros(photo.image.shape[:2], np.float32) if photo.mask is None else photo.mask.astype(np.float32)
    if photo.mask is None:
        mask[int(y) : round(y + sides[1]), int(x) : round(x + sides[0])] = 1
    mask = cv2.GaussianBlur(mask, (0, 0), 0.05 * max(sides) if photo.mask is None else 0.5)
    image, mask = (cv2.warpAffine(each, move, SIZE.tolist()) for each in (photo.image, mask))
    blended = background + mask[..., None] * (image.astype(np.float32) - background)
    keypoints = photo.keypoints.copy()
    keypoints[..., :2] = np.where(keypoints[..., 2:] > 0, keypoints[..., :2] * scale + shift, 0)
    box = [*(scale * np.array((x, y)) + shift), *(scale * np.array(sides))]
    return Scene(blended.round().astype(np.uint8), keypoints, np.array([box]))


def paste_anywhere(rng: np.random.Generator, photo: Scene) -> Scene:
    """Paste an object at random."""
    share = np.exp(rng.uniform(*np.log(SHARES)))
    return paste(photo, draw_background(rng, *SIZE[::-1].tolist(), 1.0), share, rng.uniform(size=2))


def move(rng: np.random.Generator, photo: Scene, frames: int) -> list[Scene]:
    """Let an object move through a video, and become smaller and larger."""
    background = draw_background(rng, *SIZE[::-1].tolist(), 1.0)
    angles = 2 * np.pi * (np.arange(frames)[:, None] / 200 * (1, 0.7, 1.5) + rng.uniform(size=3))
    waves = 0.5 + 0.5 * np.sin(angles)
    shares = np.exp(np.log(SHARES[0]) + waves[:, 2] * np.log(SHARES[1] / SHARES[0]))
    return [paste(photo, background, share, place) for share, place in zip(shares, waves[:, :2], strict=True)]


def read_people(folder: Path, split: str) -> tuple[list[str], list[tuple[Path, np.ndarray, np.ndarray]]]:
    """Keypoint names, and image, keypoints (1, K, 3) and boxes (1, 4) of each photograph.

    SPLIT_clean.json, of labels that were checked, is read instead of SPLIT.json where it exists.
    """
    clean = folder / f'{split}_clean.json'
    content = json.loads((clean if clean.exists() else folder / f'{split}.json').read_text(encoding='utf-8'))
    names = {image['id']: folder / 'images' / image['file_name'] for image in content['images']}
    rows = [(names[r['image_id']], np.reshape(r['keypoints'], (1, -1, 3)), r['bbox']) for r in content['annotations']]
    return content['categories'][0]['keypoints'], [(path, k, np.array([box], float)) for path, k, box in rows]


def write_folder(out: Path, names: Sequence[str], category: str, splits: dict[str, Iterable[Scene]]) -> None:
    """Write scenes as COCO files, one per split."""
    (out / 'images').mkdir(parents=True)
    for split, scenes in splits.items():
        images, rows = list[dict](), list[dict]()
        for i, scene in enumerate(scenes, 1):
            images.append(dict(id=i, file_name=f'{split}{i}.jpg', width=int(SIZE[0]), height=int(SIZE[1])))
            cv2.imwrite(str(out / f'images/{split}{i}.jpg'), scene.image)
            for keypoints, box in zip(scene.keypoints, scene.boxes.tolist(), strict=True):
                row = dict(id=len(rows) + 1, image_id=i, category_id=1, bbox=box, keypoints=keypoints.ravel().tolist())
                rows.append(row)
        categories = [dict(id=1, name=category, keypoints=list(names))]
        write_text(out / f'{split}.json', json.dumps(dict(images=images, annotations=rows, categories=categories)))


def median_error(predicted: Iterable[Poses], scenes: Iterable[Scene]) -> float:
    """The median over labeled keypoints of distance / diagonal of the box; the nearest pose counts, none is 1."""
    errors = [np.zeros(0)]
    for poses, scene in zip(predicted, scenes, strict=True):
        for keypoints, box in zip(scene.keypoints, scene.boxes, strict=True):
            labels = keypoints[keypoints[:, 2] > 0, :2]
            found = poses.keypoints[:, keypoints[:, 2] > 0]
            distances = np.linalg.norm(found - labels, axis=-1) / np.linalg.norm(box[2:])
            errors.append(distances[distances.mean(1).argmin()] if len(found) else np.ones(len(labels)))
    return float(np.median(np.concatenate(errors)))


def measure(
    config: Path, scenes: Sequence[Scene], clips: Sequence[Sequence[Scene]], detector: Path | None = None
) -> dict[str, float]:
    """The errors of the best checkpoint in the run of a config, by the names in `BARS`."""
    predictor = PosePredictor.load(config, next((config.parent / 'run').glob('best_*.pth')))
    corners = [np.concatenate((s.boxes[:, :2], s.boxes[:, :2] + s.boxes[:, 2:]), 1) for s in scenes]
    images = [scene.image for scene in scenes]
    errors = {'true boxes': median_error(predictor(images, corners), scenes)}
    if detector:
        checkpoint = next((config.parent / 'detector').glob('best_coco_bbox_mAP*.pth'))
        predictor.detector = open_detector(str(detector), str(checkpoint))
        return errors | {'detector': median_error(predictor(images), scenes)}
    frames = [Frame(f'clip{i}', s.image, index) for i, clip in enumerate(clips) for index, s in enumerate(clip)]
    video = (poses for _, poses in predictor.stream(frames))
    errors['images'] = median_error(predictor(images), scenes)
    return errors | {'video': median_error(video, [scene for clip in clips for scene in clip])}


def judge(errors: dict[str, float]) -> dict[str, bool]:
    """Compare errors with their bars."""
    unit = {key: 1.0 if key == 'true boxes' else errors['true boxes'] for key in errors}
    return {key: bool(error <= BARS[key] * unit[key]) for key, error in errors.items()}


def train(data: Path, out: Path, args: argparse.Namespace) -> None:
    """Run the commands of docs/own_data.md whose results are missing; a detector is for several objects alone."""
    if not out.exists():
        run('dataset', data, '--images', data / 'images', '--out', out, '--arch', args.arch, '--from', args.start)
    options = ['--epochs', args.epochs] if args.epochs else []
    for config, folder in ((out / 'config.py', out / 'run'), (out / 'detector.py', out / 'detector')):
        if config.is_file() and not list(folder.glob('best_*.pth')):
            changes = ['--cfg-options', 'load_from=None'] if args.scratch_detector and folder.name == 'detector' else []
            run('train', config, *options, *changes, *(['--resume'] if list(folder.glob('*.pth')) else []))


def run(*words: object) -> None:
    """Run `vitpose`; exit if it fails."""
    if code := vitpose(list(map(str, words))):
        sys.exit(code)


def study(name: str, args: argparse.Namespace) -> dict:
    """Train and measure one set: 'animals', 'two animals', or 'people of FOLDER'."""
    kind, _, folder_name = name.partition(' of ')
    rng, count = np.random.default_rng(list(map(ord, kind))), 2 if kind == 'two animals' else 1
    if kind == 'people':
        data = next(folder for folder in args.data if folder.name == folder_name)
        names, training = read_people(data, 'train')
        category, held_out = 'person', read_people(data, 'val')[1]
        people = {'train': training, 'val': held_out[::2], 'test': held_out[1::2]}
    else:
        names, category = list(keypoint_set('ap10k').names), 'animal'

    def photos(split: str, number: int) -> Iterator[Scene]:
        for i in rng.permutation(len(people[split]))[:number]:
            path, keypoints, boxes = people[split][i]
            yield Scene(cv2.imread(str(path)), keypoints, boxes)

    def scenes(split: str, number: int) -> Iterator[Scene]:
        if kind == 'people':
            yield from (paste_anywhere(rng, photo) for photo in photos(split, number))
        else:
            yield from (draw_animals(rng, count) for _ in range(number))

    folder, out = args.out / name.replace(' ', '_'), args.out / f'my_{name.replace(" ", "_")}'
    tests = list(scenes('test', args.test))
    subjects = list(photos('test', CLIPS)) if kind == 'people' else [draw_animals(rng, 1) for _ in range(CLIPS)]
    clips = [move(rng, subject, args.frames) for subject in subjects] if count == 1 else []
    if not folder.exists():
        splits = dict(train=scenes('train', args.train // count), val=scenes('val', args.test))
        write_folder(folder, names, category, splits)
    train(folder, out, args)
    errors = measure(out / 'config.py', tests, clips, out / 'detector.py' if count > 1 else None)
    curves = [read_curve(out / run, '').loss for run in ('run', 'detector') if (out / run).is_dir()]
    minutes = sum(curve[-1][0] for curve in curves)
    return dict(errors=errors, passed=judge(errors), minutes=round(minutes, 1))


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    text = 'photographs of people; default: animals alone'
    add('--data', type=Path, metavar='FOLDER', nargs='+', default=[], help=text)
    add('--out', type=Path, default=Path('work_dirs/own_data'), help='folder of images and trainings')
    add('--results', type=Path, default=HERE / 'results.json', help='file to write, beside README.md')
    add('--train', type=int, default=300, help='training objects per set (default 300)')
    add('--test', type=int, default=60, help='held-out and test images per set (default 60 each)')
    add('--frames', type=int, default=200, help=f'frames of each of {CLIPS} videos (default 200)')
    add('--arch', default='tiny', help='of `vitpose dataset` (default tiny)')
    add('--from', dest='start', default='tiny', help='of `vitpose dataset` (default tiny)')
    add('--epochs', type=int, help="of every training (default: the recipe's)")
    add('--sets', nargs='+', metavar='SET', help="these alone, for example 'people of lsp'")
    add('--scratch-detector', action='store_true', help='without COCO weights, which are downloaded')
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    has_detector = find_spec('mmdet') is not None
    sets = ['animals', *(f'people of {each.name}' for each in args.data), *(['two animals'] if has_detector else [])]
    if unknown := set(args.sets or sets) - set(sets):
        parser.error(f'--sets {unknown.pop()!r}: expected {", ".join(map(repr, sets))}')
    settings = {key: value for key, value in vars(args).items() if key not in ('data', 'out', 'results', 'sets')}
    results = dict[str, Any](settings=settings, sets={})
    if args.sets and args.results.exists():
        results = json.loads(args.results.read_text(encoding='utf-8'))
        if results['settings'] != settings:
            parser.error(f'--sets: {args.results} was measured with {results["settings"]}, not with {settings}')
    for name in args.sets or sets:
        results['sets'][name] = study(name, args) | dict(machine=machine())
        write_text(args.results, json.dumps(results, indent=1) + '\n')
    lines = ['| set | with | error, share of the diagonal | bar | minutes of training |', '|---|---|---|---|---|']
    for name, found in results['sets'].items():
        for key, error in found['errors'].items():
            bar = f'{BARS[key]:.0%}' if key == 'true boxes' else f'{BARS[key]:g} x true boxes'
            passed = 'passed' if found['passed'][key] else 'missed'
            lines.append(f'| {name} | {key} | {error:.2%} | {bar}: {passed} | {found["minutes"]} |')
    machines = dict[str, list[str]]()
    for name, found in results['sets'].items():
        machines.setdefault(found['machine'], []).append(name)
    places = '; '.join(f'{", ".join(names)} on {where}' for where, names in machines.items())
    lines += ['', f'Measured with {settings}: {places}.']
    write_between_marks(args.results.parent / 'README.md', BEGIN, lines)
    print(*lines, sep='\n')


if __name__ == '__main__':
    main()
