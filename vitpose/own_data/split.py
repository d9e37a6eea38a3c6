"""Split images into training and validation, so that no video is on both sides."""

import re
from collections import defaultdict
from pathlib import PurePosixPath

import numpy as np

from ..errors import InputError
from .annotations import SPLITS, Annotations, Photo

LEAST = 10  # annotated images
_EXPORT = re.compile(r'_(?:jpe?g|png|bmp|tiff?|webp)\.rf\.\w+$', re.IGNORECASE)  # Roboflow's addition to a name
_FRAME = re.compile(r'^(?P<video>.*?)[-_. ]*(?:(?<![a-z])(?:frame|frm|fr|f|t|img|image)[-_. ]*)?\d+$', re.IGNORECASE)
_CAMERA = re.compile(r'^(?:img|image|dsc[nf]?|pic|picture|photo|p|frame|)$', re.IGNORECASE)  # names no video


def split_images(
    annotations: Annotations, share: float = 0.1, seed: int = 0, by_image: bool = False
) -> tuple[list[Photo], list[Photo]]:
    """Split the annotated images; a split of the annotations is kept.

    Args:
        annotations: images without instances are left out. What is done is added to its notes.
        share: of the images for validation; less or more if videos are kept together.
        seed: chooses them.
        by_image: split by image even if names reveal videos.

    Returns:
        Training and validation images, in the order of the annotations.

    Raises:
        ValueError: fewer than 10 annotated images, only one split, or all images are of one video.
    """
    photos = [photo for photo in annotations.photos if photo.instances]
    if len(photos) < LEAST:
        raise InputError(f'{len(photos)} annotated images: expected at least {LEAST}, for training and validation')
    if len(photos) < len(annotations.photos):
        annotations.notes.append(f'{len(annotations.photos) - len(photos):,} images without instances left out')
    if any(photo.split for photo in photos):
        return _kept(photos, annotations)
    if not 0 < share < 1:
        raise InputError(f'--val {share}: expected a share between 0 and 1')
    groups: dict[str, list[int]] = defaultdict(list)
    for i, photo in enumerate(photos):
        groups[photo.name if by_image else video_of(photo)].append(i)
    if len(groups) == 1:
        raise InputError(
            f'all {len(photos)} images are of one video, {next(iter(groups))!r}: a score on frames of a video that was '
            'trained on says nothing about others. Annotate a second video, or pass --split-by image and do not trust '
            'the score'
        )
    order = np.random.default_rng(seed).permutation(sorted(groups))
    wanted, chosen = max(round(share * len(photos)), 1), set[int]()
    for name in order:
        if abs(len(chosen) + len(groups[name]) - wanted) < abs(len(chosen) - wanted):  # brings it closer
            chosen.update(groups[name])
    if not chosen:
        chosen.update(min(groups.values(), key=lambda group: len(list(group))))
    videos = len(groups) < len(photos)
    what = f'{len(groups)} videos or folders, none of which is on both sides' if videos else 'images'
    annotations.notes.append(f'split by {what}, seed {seed}')
    if by_image and len({video_of(photo) for photo in photos}) < len(photos):
        annotations.notes.append('frames of one video may be on both sides: the score says little about other videos')
    return (
        [photo for i, photo in enumerate(photos) if i not in chosen],
        [photo for i, photo in enumerate(photos) if i in chosen],
    )


def _kept(photos: list[Photo], annotations: Annotations) -> tuple[list[Photo], list[Photo]]:
    parts = {split: [photo for photo in photos if photo.split == split] for split in SPLITS}
    if not parts['val'] and parts['test']:
        parts['val'], parts['test'] = parts['test'], []
        annotations.notes.append('the test split is used for validation: there is no other')
    if not parts['train'] or not parts['val']:
        missing = 'train' if not parts['train'] else 'val'
        raise InputError(f'the annotations have a split, but no annotated image in {missing}')
    annotations.notes.append('the split of the annotations is kept')
    if parts['test']:
        annotations.notes.append(f'{len(parts["test"]):,} images of the test split are left out: keep them for the end')
    return parts['train'], parts['val']


def video_of(photo: Photo) -> str:
    """Return what an image is a frame of, as far as its name reveals: video, name without frame number, or itself.

    >>> video_of(Photo(Path('a'), 'mouse3_frame0012.png'))
    'mouse3'
    """
    if photo.video:
        return photo.video
    name = PurePosixPath(photo.name.replace('\\', '/'))
    stem = _EXPORT.sub('', name.name.removesuffix(name.suffix))
    found = _FRAME.match(stem)
    if found is None or _CAMERA.match(found['video']):
        return photo.name
    return str(name.parent / found['video']) if str(name.parent) != '.' else found['video']
