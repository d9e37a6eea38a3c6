"""Annotation files of the photographs: all, a few chosen by the seed, and the held-out ones."""

import argparse
import json
from pathlib import Path

import numpy as np

from vitpose_base.files import write_text

KEYPOINTS = 14  # CrowdPose's
FEW = 800


def prepare(args: argparse.Namespace) -> None:
    """Read the photographs, write the annotation files of the study, and set what depends on them.

    The file of the few photographs repeats them until it is as long as that of all, so that epochs have the same number
    of steps in all rows.

    Args:
        args: with `data`, `out`, `people` and `seeds`; gets `labels` and `few`, the numbers of training photographs,
            `held_out`, that of the held-out ones, and `photographs`, the folder of the written files.

    Raises:
        FileNotFoundError: the folder, or a file in it, does not exist.
        ValueError: a file is not in COCO's form, or its people have other joints.
    """
    if not args.data.is_dir():
        raise FileNotFoundError('no such folder; projects/pretrain/README.md says what it holds')
    train, val = (read(args.data / name, args.people) for name in ('train.json', 'val.json'))
    args.labels, args.held_out = len(train['annotations']), len(val['annotations'])
    args.few = min(FEW, args.labels // 2)
    args.photographs = args.out / f'photographs_{args.labels}'
    files = {'all': train, 'val': val, **{f'few_{seed}': choose(train, args.few, seed) for seed in range(args.seeds)}}
    for name, content in files.items():
        write_text(args.photographs / f'{name}.json', json.dumps(content))


def read(path: Path, people: int | None) -> dict:
    """Read a file, and keep its first people if a number is given.

    Raises:
        FileNotFoundError: it does not exist.
        ValueError: it is not in COCO's form, or its people have other joints.
    """
    if not path.is_file():
        raise FileNotFoundError(f'{path.name} is missing; projects/pretrain/README.md says what the folder holds')
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
        people_found = content['annotations'][:people]
        joints = {len(person['keypoints']) // 3 for person in people_found}
        images = {person['image_id'] for person in people_found}
        kept = [image for image in content['images'] if image['id'] in images]
    except (ValueError, KeyError, TypeError) as problem:
        raise ValueError(f"{path.name} is not in COCO's form ({type(problem).__name__}: {problem})") from problem
    if joints != {KEYPOINTS}:
        found = ', '.join(map(str, sorted(joints))) or 'no people, so no'
        raise ValueError(
            f'{path.name} has {found} joints per person; expected the {KEYPOINTS} of CrowdPose, in its order'
        )
    return dict(content, images=kept, annotations=people_found)


def choose(content: dict, number: int, seed: int) -> dict:
    """Choose people, and repeat them until there are as many as before."""
    people = content['annotations']
    picks = np.resize(np.sort(np.random.default_rng(seed).permutation(len(people))[:number]), len(people))
    chosen = [dict(people[pick], id=i) for i, pick in enumerate(picks.tolist(), 1)]
    images = {person['image_id'] for person in chosen}
    return dict(content, annotations=chosen, images=[image for image in content['images'] if image['id'] in images])
