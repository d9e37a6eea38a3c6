"""Annotation files of the photographs: those that train, those that are held out, and LSP's test people."""

import argparse
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from projects.real_people.photographs import combine
from vitpose_base.files import write_text

FEW = 300
HELD_OUT = 200  # of lspet's val_clean, besides parse's test people


class Member(NamedTuple):
    """A dataset that table 7 adds to Leeds Sports Pose: file, number of keypoints, and its names in MMPose."""

    file: str
    joints: int
    metainfo: str
    type: str = 'CheckedCocoDataset'


MEMBERS = {
    'lspet': Member('lspet/train_clean.json', 14, 'crowdpose', 'CheckedCrowdPoseDataset'),
    'coco': Member('coco_people/train.json', 17, 'coco'),
    'everyday': Member('everyday/train.json', 17, 'coco'),
    'mocap': Member('mocap_actor_mpii16/train.json', 16, 'mpii'),
    'rendered': Member('rendered/annotations/train.json', 17, 'coco'),
}


def prepare(args: argparse.Namespace, seeds: int) -> None:
    """Write the annotation files of tables other than 7, and links to the photographs.

    Args:
        args: with `data`, `photographs` (the folder to write) and `people` (of each source, None for all); gets
            `labels` and `unlabeled`, the numbers of training people and of those for pre-training.
        seeds: that choose the few photographs.

    Raises:
        FileNotFoundError: a folder or file is missing.
        ValueError: a file is not in COCO's form, or its people have other joints.
    """
    names = ('lsp/train', 'lspet/train_clean', 'parse/train', 'parse/val', 'lspet/val_clean', 'lsp/val', 'lspet/train')
    found = {name: read(args.data / f'{name}.json', 14, args.people) for name in names}
    found['lspet/val_clean'] = first(found['lspet/val_clean'], HELD_OUT)
    for source in ('lsp', 'lspet', 'parse'):
        link(args.data / source / 'images', source, args.photographs)

    def together(*chosen: str) -> dict[str, Any]:
        return combine({name.split('/')[0]: found[name] for name in chosen})

    bodies = together('lsp/train', 'lspet/train_clean', 'parse/train')
    unlabeled = together('lsp/train', 'lspet/train', 'parse/train')
    args.labels, args.unlabeled = len(bodies['annotations']), len(unlabeled['annotations'])
    files = {
        'bodies': bodies,
        'held_out': together('parse/val', 'lspet/val_clean'),
        'test': together('lsp/val'),
        'unlabeled': unlabeled,
        'lsp': repeat(together('lsp/train'), args.labels),
        **{f'few_{seed}': repeat(bodies, args.labels, FEW, seed) for seed in range(seeds)},
    }
    for name, content in files.items():
        write_text(args.photographs / f'{name}.json', json.dumps(content))


def prepare_members(args: argparse.Namespace) -> None:
    """Write the files of table 7's further datasets; `args` also has `everyday` and `rendered`, two folders.

    Each file has as many people as that of the other tables: fewer people are repeated, of more some are chosen.
    """
    for name, member in MEMBERS.items():
        folder = args.rendered.parent if name == 'rendered' else args.data
        images = {'rendered': args.rendered / 'train', 'everyday': args.everyday}
        link(images.get(name, (folder / member.file).parent / 'images'), name, args.photographs)
        content = combine({name: read(folder / member.file, member.joints, args.people)})
        write_text(args.photographs / f'{name}_member.json', json.dumps(repeat(content, args.labels)))
        metainfo = f"_base_ = 'mmpose::_base_/datasets/{member.metainfo}.py'\n\n"
        write_text(args.photographs / f'{name}.py', f"{metainfo}dataset_info = dict(dataset_name='{name}')\n")


def link(images: Path, source: str, photographs: Path) -> None:
    """Make the photographs of a source available under images/; FileNotFoundError if there is no such folder."""
    if not images.is_dir():
        raise FileNotFoundError(f'{images}: no such folder; projects/paper/README.md says which data are needed')
    place = photographs / 'images' / source
    place.parent.mkdir(parents=True, exist_ok=True)
    if not place.is_symlink():
        place.symlink_to(images.resolve(), target_is_directory=True)


def read(path: Path, joints: int, people: int | None) -> dict[str, Any]:
    """Read a file, and keep its first people if a number is given; ValueError if they have other joints."""
    if not path.is_file():
        raise FileNotFoundError(f'{path}: no such file; projects/paper/README.md says which data are needed')
    try:
        content = first(json.loads(path.read_text(encoding='utf-8')), people)
        found = {len(person['keypoints']) // 3 for person in content['annotations']}
    except (ValueError, KeyError, TypeError) as problem:
        raise ValueError(f"{path} is not in COCO's form ({type(problem).__name__}: {problem})") from problem
    if found != {joints}:
        numbers = ', '.join(map(str, sorted(found))) or 'no people, so no'
        raise ValueError(f'{path} has {numbers} joints per person; expected {joints}')
    return content


def first(content: dict[str, Any], people: int | None) -> dict[str, Any]:
    """Keep the first people of a file, and their images."""
    kept = content['annotations'][:people]
    images = {person['image_id'] for person in kept}
    return dict(content, annotations=kept, images=[image for image in content['images'] if image['id'] in images])


def repeat(content: dict[str, Any], total: int, chosen: int | None = None, seed: int = 0) -> dict[str, Any]:
    """Choose people, all by default and `total` at most, and repeat them until there are `total`."""
    people = content['annotations']
    order = np.random.default_rng(seed).permutation(len(people))[: min(chosen or total, total)]
    picks = np.resize(np.sort(order), total)
    repeated = [dict(people[pick], id=i) for i, pick in enumerate(picks.tolist(), 1)]
    return first(dict(content, annotations=repeated), None)
