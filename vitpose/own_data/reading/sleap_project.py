"""Read SLEAP's projects (.slp), through sleap-io."""

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from vitpose_base.file_names import FileFinder
from vitpose_base.files import replacing

from ...errors import InputError, one_line
from ...predict.inputs.coco_json import read_size
from ...predict.inputs.video import read_video
from ...predict.optional_imports import import_optional
from ..annotations import Annotations, Instance, Labels, Photo
from .field_checks import check_names, find_image

READ_BY_SLEAP_IO = ('.slp', '.h5', '.hdf5')


def read_sleap(path: Path, images: Path | None) -> Annotations:
    """Read the frames that a person has labeled; what SLEAP predicted is left out.

    Videos and images are below the folder `images`, by default that of the project. Labeled frames of videos, and
    images inside of a package (.pkg.slp), are written as PNG files to a folder beside the project. ValueError if
    sleap-io is not installed, or the project cannot be read.
    """
    sleap_io = import_optional('sleap_io', "reading SLEAP's projects")
    try:
        project = sleap_io.load_slp(path)
        frames = project.user_labeled_frames
        skeleton = project.skeleton
    except Exception as problem:
        raise InputError(f'{path}: not a SLEAP project: {one_line(problem)}') from problem
    names = check_names(skeleton.node_names, f'{path}: nodes of the skeleton')
    finder, folder = FileFinder(path.parent, asked=images), path.with_name(f'{path.stem}_frames')
    photos, notes, unreadable = list[Photo](), list[str](), list[str]()
    for number, video in enumerate(project.videos):
        labeled = defaultdict[int, list](list)
        for frame in frames:
            if frame.video is video:
                labeled[frame.frame_idx] += frame.user_instances  # merged projects list a frame several times
        origin = video if video.source_video is None else video.source_video
        digest = hashlib.sha256(repr(origin.filename).encode()).hexdigest()[:8]
        where, reason, problems = f'{path}: video {number}', 'the video has no such frame', dict[int, str]()
        try:
            files = _frame_files(video, sorted(labeled), finder, folder / f'{number}_{digest}', where, problems)
        except InputError as problem:
            files, reason = {}, str(problem).removeprefix(f'{where}: ')
        missing = [index for index in labeled if index not in files]
        unreadable += [f'{where}, frame {index}: {problems.get(index, reason)}' for index in missing]
        size, is_list = _read_size(video), isinstance(video.filename, list)
        for index, file in files.items():
            # the name of a listed image may tell the video
            name, its_video = (str(file), None) if is_list else (f'{number}/{index}', str(number))
            photo = Photo(file, name, video=its_video, size=size)
            for instance in labeled[index]:
                points = instance.numpy()
                known = np.isfinite(points).all(1)
                keypoints = np.column_stack((np.where(known[:, None], points, 0), 2 * known))
                photo.instances.append(Instance(keypoints, f'{where}, frame {index}'))
            photos.append(photo)
    mirror = skeleton.get_flipped_node_inds() if skeleton.symmetries else None
    labels = Labels(names, [(int(a), int(b)) for a, b in skeleton.edge_inds], mirror)
    predicted = sum(frame.has_predicted_instances and not frame.has_user_instances for frame in project.labeled_frames)
    notes.append(f'SLEAP: {len(photos):,} labeled frames of {len(project.videos):,} videos or lists of images')
    if predicted:
        notes.append(f'{predicted:,} frames that are only predicted are left out: label them in SLEAP first')
    return Annotations(labels, photos, 'instance', notes, unreadable)


def _read_size(video: Any) -> tuple[float, float] | None:
    """Return the size (w, h) of a video file when it was labeled, if the project says so; packages cannot change it."""
    if isinstance(video.filename, list) or Path(video.filename).suffix in READ_BY_SLEAP_IO:
        return None
    with suppress(KeyError, TypeError, ValueError):
        _, height, width, _ = video.backend_metadata['shape']
        return read_size(width, height)
    return None


def _frame_files(
    video: Any, indices: list[int], finder: FileFinder, folder: Path, where: str, problems: dict[int, str]
) -> dict[int, Path]:
    """Return the image file of each frame, by its index; frames of videos and packages are written to the folder.

    Why one cannot be read is added to `problems`.
    """
    if isinstance(video.filename, list):
        images: dict[int, Path] = {}
        for index in (index for index in indices if index < len(video.filename)):
            try:
                images[index] = find_image(finder, video.filename[index], where)
            except InputError as problem:
                problems[index] = str(problem).removeprefix(f'{where}: ')
        return images
    source = Path(video.filename)
    if source.suffix not in READ_BY_SLEAP_IO:
        source = find_image(finder, video.filename, where)
    changed = source.stat().st_mtime if source.is_file() else 0
    files = {index: folder / f'{index:06}.png' for index in indices}
    missing = {index for index, file in files.items() if not file.exists() or file.stat().st_mtime < changed}
    for index, picture in _read_frames(video, missing, source, where, problems) if missing else ():
        with replacing(files[index]) as part:
            Image.fromarray(np.squeeze(picture)).save(part, format='PNG')
        missing.remove(index)
    return {index: file for index, file in files.items() if index not in missing}


def _read_frames(
    video: Any, missing: set[int], file: Path, where: str, problems: dict[int, str]
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield index and image (RGB or gray) of each frame that a package or a video has, until none is missing."""
    if file.suffix in READ_BY_SLEAP_IO:
        yield from ((index, video[index]) for index in sorted(missing))
        return
    if not file.is_file():
        raise InputError(f'{where}: no video {file}; pass the folder of the videos with --images DIR')
    for frame in read_video(str(file)):
        if frame.image is None:
            problems.update(dict.fromkeys(missing, str(frame.error)))
        elif frame.index in missing:
            yield frame.index, frame.image[..., ::-1]
        if not missing:
            return
