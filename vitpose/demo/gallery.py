"""Draw a learning curve, and held-out images with ground truth, predictions and heatmaps side by side."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ..errors import InputError, MissingFileError
from ..runs.training_log import Curve
from ..synthetic.contact_sheet import draw_pose
from ..synthetic.landmarks import KeypointSet

ZOOM = 2  # size of a drawn image relative to its file
DRAWN_KEYPOINT_SCORE = 0.25  # predicted keypoints with a lower score are not drawn
MAX_ROWS = 6


def draw_gallery(samples: Sequence[Mapping[str, Any]], table: KeypointSet, path: Path) -> None:
    """Draw images of one size, sampled at even intervals from the test set, independently of their scores.

    The samples are what `mim test --dump` wrote with `output_heatmaps`: one mapping per person with img_path,
    raw_ann_info, pred_instances, pred_fields, input_center and input_scale. ValueError if there are none.
    """
    people: dict[str, list[Mapping[str, Any]]] = {}
    for sample in samples:
        people.setdefault(sample['img_path'], []).append(sample)
    if not people:
        raise InputError('no predictions to draw: is the test set empty?')
    names = sorted(people)
    rows = min(MAX_ROWS, len(names))
    shown = [names[int((i + 0.5) * len(names) / rows)] for i in range(rows)]
    cv2.imwrite(str(path), np.vstack([np.hstack(_draw_row(name, people[name], table)) for name in shown]))


def _draw_row(name: str, people: Sequence[Mapping[str, Any]], table: KeypointSet) -> list[np.ndarray]:
    """Draw an image with ground truth, with predictions and with heatmaps: three (H * ZOOM, W * ZOOM, 3) uint8 BGR."""
    from mmpose.structures.bbox import get_udp_warp_matrix

    image = cv2.imread(name)
    if image is None:
        raise MissingFileError(f'cannot read {name}: were the images moved since the test?')
    large = cv2.resize(image, None, fx=ZOOM, fy=ZOOM, interpolation=cv2.INTER_CUBIC)
    true, predicted = large.copy(), large.copy()
    heat = np.zeros((*large.shape[:2], 1), np.float32)
    for person in people:
        draw_pose(true, np.array(person['raw_ann_info']['keypoints'], float).reshape(-1, 3), table, ZOOM)
        prediction = person['pred_instances']
        visibility = np.where(np.asarray(prediction['keypoint_scores'])[0] > DRAWN_KEYPOINT_SCORE, 2.0, 0.0)
        draw_pose(predicted, np.column_stack((prediction['keypoints'][0], visibility)), table, ZOOM)
        heatmaps = np.asarray(person['pred_fields']['heatmaps'])
        to_heatmap = get_udp_warp_matrix(person['input_center'], person['input_scale'], 0, heatmaps.shape[:0:-1])
        transform = cv2.invertAffineTransform(to_heatmap) * ZOOM
        transform[:, 2] += (ZOOM - 1) / 2  # pixels have their center at integers, before and after zooming
        heat = np.maximum(heat, cv2.warpAffine(heatmaps.max(0), transform, large.shape[1::-1])[..., None])
    heat = np.clip(heat, 0, 1)
    glow = cv2.applyColorMap((heat * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)
    return [true, predicted, (0.45 * large * (1 - heat) + glow * heat + 0.5).astype(np.uint8)]


def draw_learning_curve(curve: Curve, path: Path) -> None:
    """Draw loss (left axis, logarithmic) and held-out AP (right axis) against training time, as a PNG file."""
    import matplotlib

    matplotlib.use('Agg')
    from matplotlib import pyplot

    figure, loss_axis = pyplot.subplots(figsize=(8, 4.5), dpi=120)
    loss_axis.plot(*zip(*curve.loss, strict=True), color='tab:blue', linewidth=1.5)
    loss_axis.set(xlabel='training time (minutes)', yscale='log', title=f'{curve.iterations} iterations')
    loss_axis.set_ylabel('loss (training)', color='tab:blue')
    loss_axis.grid(alpha=0.3)
    score_axis = loss_axis.twinx()
    if curve.score:
        score_axis.plot(*zip(*curve.score, strict=True), 'o-', color='tab:orange')
    for point in curve.score:
        score_axis.annotate(f'{point[1]:.2f}', point, (0, 7), textcoords='offset points', ha='center', fontsize=8)
    score_axis.set_ylim(0, 1)
    score_axis.set_ylabel('COCO AP (held-out)', color='tab:orange')
    figure.tight_layout()
    figure.savefig(path)
    pyplot.close(figure)
