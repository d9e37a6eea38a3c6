"""Run a model on labeled boxes, and store what was fitted to it in its checkpoint."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.progress import track

from vitpose_base.files import replacing
from vitpose_mm.checkpoints.conversion import write_safetensors
from vitpose_mm.checkpoints.safe_load import load_checkpoint, load_weights
from vitpose_mm.checkpoints.safe_unpickler import read_torch_file
from vitpose_mm.networks.heatmaps.confidence import (
    FINGERPRINT,
    PREFIX,
    Confidence,
    PeakMap,
    confidence_inputs,
    fingerprint,
)

from ...errors import InputError
from ..inputs.images import read_frame
from ..models.graph_model import GraphModel
from ..poses import Frame
from .fitting import Judged, compare_labels
from .labeled_boxes import LabeledBox

BATCH = 16


def judge_boxes(model: GraphModel, boxes: Sequence[LabeledBox]) -> Judged:
    """Run a model on boxes, grouped by image, with a progress bar.

    ValueError if an image cannot be read, or the labels have another number of keypoints than the model.
    """
    rule, sigmas = model.crop_rule, model.metainfo['sigmas']
    counts = {len(box.keypoints) for box in boxes} - {model.num_keypoints}
    if counts:
        raise InputError(f'labels of {min(counts)} keypoints: expected the {model.num_keypoints} of the model')
    if sigmas is None or model.output_indices is not None:
        problem = 'the metainfo of its test set has no sigmas' if sigmas is None else 'it returns only some keypoints'
        raise InputError(f'the model cannot be calibrated: {problem}')
    model.network.has_features = True
    parts, frame = [], Frame('', None)
    starts = range(0, len(boxes), BATCH)
    for start in track(starts, 'predicting', console=Console(stderr=True), transient=True):
        batch = boxes[start : start + BATCH]
        centers, scales = rule.regions(np.array([box.box for box in batch], np.float32))
        images = []
        for box in batch:
            if box.image != frame.name:
                frame = read_frame(Frame(box.image, None), 0, model.metainfo.get('bits'))
            if frame.image is None:
                raise InputError(str(frame.error))
            images.append(frame.image)
        heatmaps, features = model.run(rule.crop_each(images, centers, scales))
        peaks = model.peaks(heatmaps)
        points = rule.to_image(peaks[0].cpu().numpy(), centers, scales)
        known = compare_labels(points, batch, np.asarray(sigmas), rule)
        keypoints, people = confidence_inputs(model.codec, heatmaps, features, peaks)
        parts.append(Judged(keypoints.half().cpu(), people.cpu(), peaks[1].cpu(), *known))
    model.network.has_features = model.confidence is not None or model.presence is not None
    return Judged(*map(torch.cat, zip(*parts, strict=True)))


def find_head(checkpoint: Path, dataset: str) -> tuple[str, torch.Tensor]:
    """Return the prefix of the keys of a dataset's head in a checkpoint, and the fingerprint of its weights.

    ValueError if its keys are not ours.
    """
    weights, prefixes = load_weights(checkpoint), (f'head.heads.{dataset}.', 'head.')
    head = next((prefix for prefix in prefixes if any(key.startswith(prefix) for key in weights)), None)
    if head is None:
        raise InputError(f'{checkpoint}: no weights of a head in our names: run `vitpose convert --to ours` before')
    return head, fingerprint(weights)


def store_calibration(
    checkpoint: Path, module: Confidence | PeakMap, head: str, weights: torch.Tensor, out: Path
) -> None:
    """Write a checkpoint with a calibration, atomically; its weights stay as they are.

    `head` and `weights`, their fingerprint, are those of `find_head`.
    """
    state = {FINGERPRINT: weights, **module.state_dict()}
    new = {f'{head}{PREFIX}{key}': value.cpu() for key, value in state.items()}
    if checkpoint.suffix == '.safetensors':
        loaded = load_checkpoint(checkpoint)
        kept = {key: value for key, value in loaded.weights.items() if not key.startswith(head + PREFIX)}
        return write_safetensors(out, kept | new, loaded.meta)
    content = read_torch_file(checkpoint, 'cpu', mmap=False)
    named = content.get('state_dict', content)
    for key in [key for key in named if key.startswith(head + PREFIX)]:
        del named[key]
    named.update(new)
    with replacing(out) as part:
        torch.save(content, part)
