"""Calibrate the scores of a checkpoint on the validation set of its config."""

from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vitpose_base.files import write_text
from vitpose_base.image_files import upright_size

from ..errors import InputError, one_line
from ..runs.training_config import members
from .annotations import Photo
from .reading.config_datasets import read_config_datasets

MAX_PEOPLE = 2000  # chosen at random
WIDTH, PAD = 320, 40  # of the diagram


@dataclass(frozen=True)
class Calibration:
    """What a calibration did, measured on every fifth image."""

    people: int
    warning: str  # '' if the people were held out
    errors: tuple[float, float]  # expected calibration error of the peaks and of the probabilities
    diagram: str  # the reliability of both, as SVG


def calibrate(
    config: Any,
    checkpoint: Path,
    out: Path,
    *,
    fast: bool = False,
    dataset: str | None = None,
    device: str = 'auto',
    seed: int = 0,
) -> Calibration:
    """Fit probabilities to the validation set of a config, and write the checkpoint with them to `out`.

    `config` is an `mmengine.Config`, `checkpoint` one of its model, with our names of weights; `out` may be the same
    file. `fast` only fits a monotone map of the heatmaps' maxima. `dataset` is that of a model with several heads,
    `seed` that of jitter, background and training. ValueError if there are too few people, another number of
    keypoints, or the checkpoint does not fit.
    """
    from ..predict.calibration import fitting, judging
    from ..predict.calibration.labeled_boxes import vary_boxes
    from ..predict.models.torch_model import PoseModel

    model = PoseModel(config, checkpoint, device, dataset=dataset, calibrated=False)
    name, rng = model.metainfo['dataset_name'], np.random.default_rng(seed)
    head, weights = judging.find_head(checkpoint, name)
    photos = _read_photos(config, 'val', name)
    warning = ''
    try:
        known = {photo.path.resolve() for photo in _read_photos(config, 'train', name)}
    except (InputError, OSError) as problem:
        known = set()
        warning = f'not known whether these are training images, which would be wrong: {one_line(problem)}'
    boxes: list[Any] = []
    count = 0  # of people
    for photo in (photos[i] for i in rng.permutation(len(photos))):
        if count >= MAX_PEOPLE:
            break
        people = [each for each in photo.instances if each.box and (each.keypoints[:, 2] > 0).any()]
        if not people:
            continue
        count += len(people)
        corners = np.array([each.box for each in people], float)
        corners[:, 2:] += corners[:, :2]
        labels = np.stack([each.keypoints for each in people])
        boxes += vary_boxes(str(photo.path), upright_size(photo.path), corners, labels, rng, 0 if fast else 2)
    if count < fitting.MIN_PEOPLE:
        expected = f'expected at least {fitting.MIN_PEOPLE}; vitpose calibrate --data FILE --images DIR takes others'
        raise InputError(f'{count} labeled instances of {name!r} in the validation set: {expected}')
    if (number := len({box.image for box in boxes})) < fitting.HELD_OUT:
        expected = f'expected at least {fitting.HELD_OUT}, of which one tests the probabilities'
        raise InputError(f'{count} labeled instances of {name!r} in {number} images: {expected}')
    judged = judging.judge_boxes(model, boxes)
    is_held_out = fitting.choose_held_out([box.image for box in boxes])
    if fast:
        module: Any = fitting.fit_peak_map(judged.pick(~is_held_out))
    else:
        module = fitting.fit_confidence(judged, is_held_out, seed)
    is_true = np.array([box.kind == 'true' for box in boxes])
    tested = judged.pick((is_held_out.numpy() & is_true).nonzero()[0].tolist())
    (before, peak_bins), (after, bins) = fitting.compare(module, tested)
    judging.store_calibration(checkpoint, module, head, weights, out)
    if seen := sum(photo.path.resolve() in known for photo in photos):
        way_out = 'calibrate on held-out people (--data, --images)'
        warning = f'{seen:,} of {len(photos):,} images are training images: probabilities will be too high; {way_out}'
    return Calibration(count, warning, (before, after), draw_reliability(dict(peak=peak_bins, probability=bins)))


def _read_photos(config: Any, split: str, dataset: str) -> list[Photo]:
    """Read the images of one split and dataset of a config, with the labels, even if it validates on detected boxes."""
    key = f'{split}_dataloader'
    settings = deepcopy((config.get(key) or {}).get('dataset') or {})
    chosen = [member for member in members(settings) if member and _dataset_name(member) == dataset]
    if not chosen:
        raise InputError(f'{key} of the config has no dataset {dataset!r}')
    for member in chosen:
        member.pop('bbox_file', None)  # its boxes come with keypoints at (0, 0), marked as visible
    loader = dict(dataset=dict(datasets=chosen))
    return read_config_datasets({'default_scope': config.get('default_scope'), key: loader})[0].splits[split]


def _dataset_name(member: Any) -> str:
    from vitpose_mm.datasets.metainfo import parse_metainfo

    return parse_metainfo(member)['dataset_name']


def calibrate_trained(
    config: Path, options: dict[str, Any], checkpoint: Path, report: Path, dataset: str | None = None
) -> str:
    """Calibrate the best checkpoint of a training, add the diagram to its report, and say so in one line.

    `dataset` names that of the report, if the model has several.
    """
    from ..predict.models.torch_model import read_config

    name, settings = f'{dataset}: ' if dataset else '', read_config(config, options)[0]
    head = settings.model.get('head') or {}
    if head.get('heads', {}).get(dataset, head).get('confidence'):
        return f'{name}scores are probabilities of the ConfidenceHead that was trained with the model'
    try:  # fast: see docs/scores.md
        result = calibrate(settings, checkpoint, checkpoint, fast=True, dataset=dataset)
    except InputError as problem:
        return f'{name}scores are maxima of heatmaps, not calibrated: {one_line(problem)}'
    diagram = f'<h2>Calibration of the scores</h2>{result.diagram}</body>'
    write_text(report, report.read_text(encoding='utf-8').replace('</body>', diagram))
    before, after = result.errors
    return f'{name}scores are calibrated probabilities: expected calibration error {before:.3f}, now {after:.3f}'


def replace_data(config: Any, dataset: str | None, annotations: Path, images: Path) -> None:
    """Make COCO annotations the validation set of a config; of several datasets, that of `dataset`."""
    if not config.get('val_dataloader'):
        raise InputError('the config has no val_dataloader, whose data --data replaces')
    for member in members(config.val_dataloader.dataset):
        if dataset in (None, _dataset_name(member)):
            place = dict(data_root='', data_prefix=dict(img=str(images.resolve())))
            member.update(ann_file=str(annotations.resolve()), **place)


def draw_reliability(curves: dict[str, list[tuple[float, float, int]]]) -> str:
    """Draw the share of right keypoints over their scores as SVG; each curve has rows of mean, share and count."""
    size = WIDTH - 2 * PAD

    def place(x: float, y: float) -> str:
        return f'{PAD + x * size:.1f},{WIDTH - PAD - y * size:.1f}'

    parts = [f'<polyline points="{place(0, 0)} {place(1, 1)}" fill="none" stroke="#bbb"/>']
    for i, (name, rows) in enumerate(curves.items()):
        color = ('#c60', '#06c', '#393', '#a3a', '#777')[i % 5]
        points = ' '.join(place(mean, share) for mean, share, _ in rows)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{color}" stroke-width="2"/>')
        parts.append(f'<text x="{PAD}" y="{14 + 14 * i}" fill="{color}" font-size="12">{name}</text>')
    words = f'<text x="{PAD}" y="{WIDTH - 10}" font-size="12">score, and above it the share that is right</text>'
    start = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {WIDTH}" width="{WIDTH}" role="img"'
    return f'{start} aria-label="reliability">{"".join(parts)}{words}</svg>\n'
