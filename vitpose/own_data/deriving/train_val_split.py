"""Split images into training and validation, so that no video is on both sides."""

import re
from collections import defaultdict
from pathlib import PurePosixPath

import numpy as np

from ...errors import InputError
from ..annotations import SPLITS, Annotations, Photo

MIN_IMAGES = 10  # annotated ones
_EXPORT = re.compile(r'_(?:jpe?g|png|bmp|tiff?|webp)\.rf\.\w+$', re.IGNORECASE)  # added by Roboflow
_FRAME = re.compile(r'^(?P<video>.*?)[-_. ]*(?:(?<![a-z])(?:frame|frm|fr|f|t|img|image)[-_. ]*)?\d+$', re.IGNORECASE)
_CAMERA = re.compile(
    r'^(?:img|image|dsc[nf]?|pic|picture|photo|p|frame|)$', re.IGNORECASE
)  # what cameras write: not a video


def split_images(
    annotations: Annotations, share: float = 0.1, seed: int = 0, by_image: bool = False
) -> tuple[list[Photo], list[Photo]]:
    """Split the annotated images, unless the annotations already have a split.

    Args:
        annotations: images without instances are left out; what was done is added to its notes.
        share: of the images that go to validation, approximately if videos are kept together.
        seed: of the random choice.
        by_image: split by image even if names reveal videos.

    Returns:
        Training and validation images, in the order of the annotations.

    Raises:
        ValueError: there are fewer than 10 annotated images, only one split, or only one video.
    """
    photos = [photo for photo in annotations.photos if photo.instances]
    if len(photos) < MIN_IMAGES:
        raise InputError(f'{len(photos)} annotated images: expected at least {MIN_IMAGES}, for training and validation')
    if len(photos) < len(annotations.photos):
        annotations.notes.append(f'{len(annotations.photos) - len(photos):,} images without instances left out')
    if any(photo.split for photo in photos):
        return _use_annotated_split(photos, annotations)
    if not 0 < share < 1:
        raise InputError(f'--val {share}: expected a share between 0 and 1')
    groups: dict[str, list[int]] = defaultdict(list)
    for i, photo in enumerate(photos):
        groups[photo.name if by_image else find_video(photo)].append(i)
    if len(groups) == 1:
        raise InputError(
            f'all {len(photos)} images are of one video, {next(iter(groups))!r}: a score on frames of a training video '
            'says nothing about other videos. Annotate a second video, or pass --split-by image and do not trust the '
            'score'
        )
    order = np.random.default_rng(seed).permutation(sorted(groups))
    target, chosen = max(round(share * len(photos)), 1), set[int]()
    for name in order:
        if abs(len(chosen) + len(groups[name]) - target) < abs(len(chosen) - target):  # brings it closer
            chosen.update(groups[name])
    if not chosen:
        chosen.update(min(groups.values(), key=lambda group: len(list(group))))
    videos = len(groups) < len(photos)
    what = f'{len(groups)} videos or folders, each wholly in one split' if videos else 'images'
    annotations.notes.append(f'split by {what}, seed {seed}')
    if by_image and len({find_video(photo) for photo in photos}) < len(photos):
        annotations.notes.append('frames of one video may be in both splits: the score says little about other videos')
    return (
        [photo for i, photo in enumerate(photos) if i not in chosen],
        [photo for i, photo in enumerate(photos) if i in chosen],
    )


def _use_annotated_split(photos: list[Photo], annotations: Annotations) -> tuple[list[Photo], list[Photo]]:
    parts = {split: [photo for photo in photos if photo.split == split] for split in SPLITS}
    if not parts['val'] and parts['test']:
        parts['val'], parts['test'] = parts['test'], []
        annotations.notes.append('the test split is used for validation: there is no val split')
    if not parts['train'] or not parts['val']:
        missing = 'train' if not parts['train'] else 'val'
        raise InputError(f'the annotations have a split, but no annotated image in {missing}')
    annotations.notes.append('the split of the annotations is kept')
    if parts['test']:
        annotations.notes.append(f'{len(parts["test"]):,} images of the test split are left out: keep them for the end')
    return parts['train'], parts['val']


def find_video(photo: Photo) -> str:
    """Return the video that an image is a frame of, by annotation or file name; otherwise the image's name.

    >>> find_video(Photo(Path('a'), 'mouse3_frame0012.png'))
    'mouse3'
    """
    if photo.video:
        return photo.video
    name = PurePosixPath(photo.name.replace('\\', '/'))
    stem = _EXPORT.sub('', name.name.removesuffix(name.suffix))
    frame = _FRAME.match(stem)
    if frame is None or _CAMERA.match(frame['video']):
        return photo.name
    return str(name.parent / frame['video'])
