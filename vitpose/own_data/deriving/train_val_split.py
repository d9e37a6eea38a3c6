"""Split images into training and validation, so that no video is on both sides."""

import re
from collections import Counter
from pathlib import PurePosixPath

import numpy as np

from vitpose_base.file_names import path_parts

from ...errors import InputError
from ...predict.inputs.sources import natural_key
from ..annotations import SPLITS, Annotations, Photo

MIN_IMAGES = 10  # annotated ones
TIME_BLOCKS = 10  # that a single video is cut into
_EXPORT = re.compile(r'_(?:jpe?g|png|bmp|tiff?|webp)\.rf\.\w+$', re.IGNORECASE)  # added by Roboflow
_UPLOAD = re.compile(r'^(?!(?:19|20)\d\d[01]\d[0-3]\d-)[0-9a-f]{8}-(?=.)')  # by Label Studio, per image; not a date
_FRAME = re.compile(r'^(?P<video>.*?)[-_. ]*(?:(?<![a-z])(?:frame|frm|fr|f|t|img|image)[-_. ]*)?\d+$', re.IGNORECASE)
_FRAME_ALONE = re.compile(r'^(?:frame|frm)[-_. ]*\d+$', re.IGNORECASE)  # the video is the folder, or the only one
_CAMERA = re.compile(r'^(?:img|image|dsc[nf]?|pic|picture|photo|p|frame|)$', re.IGNORECASE)  # camera's: not a video


def split_images(
    annotations: Annotations, share: float = 0.1, seed: int = 0, by_image: bool = False
) -> tuple[list[Photo], list[Photo]]:
    """Return training and validation images, in the order of the annotations, by their split if they have several.

    Otherwise a share of the images goes to validation: approximately, because videos stay together unless `by_image`. A
    single video is cut into blocks of time, which stay together. Images without instances are left out. What was done
    is added to the notes of the annotations. ValueError if there are fewer than 10 annotated images, or only one split.
    """
    photos = [photo for photo in annotations.photos if photo.instances]
    if len(photos) < MIN_IMAGES:
        raise InputError(f'{len(photos)} annotated images: expected at least {MIN_IMAGES}, for training and validation')
    if len(photos) < len(annotations.photos):
        annotations.notes.append(f'{len(annotations.photos) - len(photos):,} images without instances left out')
    given = {photo.split for photo in photos}
    if given == {'train'}:
        annotations.notes.append('all annotated images are in the split train: the validation images are taken from it')
    elif given != {None}:
        return _use_annotated_split(photos, annotations)
    if not 0 < share < 1:
        raise InputError(f'--val {share}: expected a share between 0 and 1')
    videos = [str(_find_source(photo)) if by_image else find_video(photo) for photo in photos]
    if one_video := len(set(videos)) == 1:
        names = [_UPLOAD.sub('', _find_source(photo).name) for photo in photos]
        order = {name: i for i, name in enumerate(sorted(set(names), key=natural_key))}
        videos = [str(order[name] * TIME_BLOCKS // len(order)) for name in names]
    sizes = Counter(videos)
    missing, chosen = max(round(share * len(photos)), 1), set[str]()
    for video in np.random.default_rng(seed).permutation(sorted(sizes)):
        if abs(missing - sizes[video]) < abs(missing):  # brings it closer
            chosen.add(video)
            missing -= sizes[video]
    if len(chosen) in (0, len(sizes)):  # no part may be empty
        chosen ^= {min(sizes, key=sizes.__getitem__)}
    units = 'images with their copies' if by_image else 'videos or folders'
    units = 'blocks of time of the only video' if one_video else units
    what = f'{len(sizes)} {units}, each wholly in one split' if len(sizes) < len(photos) else 'images'
    annotations.notes.append(f'split by {what}, seed {seed}')
    if one_video or (by_image and len({find_video(photo) for photo in photos}) < len(photos)):
        annotations.notes.append('frames of one video are in both splits: the score says little about other videos')
    val = [photo for photo, video in zip(photos, videos, strict=True) if video in chosen]
    return [photo for photo, video in zip(photos, videos, strict=True) if video not in chosen], val


def _use_annotated_split(photos: list[Photo], annotations: Annotations) -> tuple[list[Photo], list[Photo]]:
    parts = {split: [photo for photo in photos if photo.split == split] for split in SPLITS}
    if not parts['val'] and parts['test']:
        parts['val'], parts['test'] = parts['test'], []
        annotations.notes.append('the test split is used for validation: there is no val split')
    for split in ('train', 'val'):
        if not parts[split]:
            raise InputError(f'the annotations have a split, but no annotated image in {split}')
    annotations.notes.append('the split of the annotations is kept')
    if parts['test']:
        annotations.notes.append(f'{len(parts["test"]):,} images of the test split are left out: keep them for the end')
    return parts['train'], parts['val']


def find_video(photo: Photo) -> str:
    """Return the video that an image is a frame of, by annotation or file name; otherwise the image's name."""
    if photo.video:
        return photo.video
    name = _find_source(photo)
    for stem in (_UPLOAD.sub('', name.stem), name.stem):
        if _FRAME_ALONE.match(stem):
            return str(name.parent)
        frame = _FRAME.match(stem)
        if frame and not _CAMERA.match(frame['video']):
            return str(name.parent / frame['video'])
    return str(name)


def _find_source(photo: Photo) -> PurePosixPath:
    """Return the name of the image that was uploaded to Roboflow, which exports several augmented copies of it."""
    name = PurePosixPath(*path_parts(photo.name))
    return name.parent / (_EXPORT.sub('', name.stem) + name.suffix)
