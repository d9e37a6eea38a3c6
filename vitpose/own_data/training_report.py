"""report.html of a training: learning curve, errors per keypoint, worst and median images, what was derived."""

import ast
import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from string import Template
from typing import Any

import cv2
import numpy as np

from vitpose_base.files import write_text

from ..predict.drawing import DrawStyle, draw_poses
from ..predict.evaluation import KEYPOINT_HEADINGS, keypoint_errors, score_text
from ..predict.inputs.images import read_image
from ..predict.poses import Poses, keypoint_names
from ..runs.training_config import next_commands
from ..runs.training_log import best_checkpoint, read_curve

NOTES = 'notes.txt'  # beside config or metainfo: what `vitpose dataset` derived, one line each
SHOWN_IMAGES = 6  # worst and median ones
SIDE_PX, QUALITY = 280, 80  # of a picture, and of its JPEG
MARGIN = 0.4  # around the boxes in a picture, as a share of their longer side
WIDTH, HEIGHT, PAD = 640, 240, 44  # of the curve


@dataclass(frozen=True)
class Prediction:
    """A labeled sample with its prediction, in pixels of the image."""

    path: str
    box: np.ndarray  # (4,) x1 y1 x2 y2
    labels: np.ndarray  # (K, 2)
    visible: np.ndarray  # (K,) bool: is labeled
    points: np.ndarray  # (K, 2), predicted
    dataset: str = ''  # its name

    @property
    def side(self) -> float:
        """The longer side of the box."""
        return max(float(np.max(self.box[2:] - self.box[:2])), 1e-6)

    @property
    def distances(self) -> np.ndarray:
        """The errors (K,)."""
        return np.linalg.norm(self.points - self.labels, axis=-1)


def write_report(
    file: Path,
    config: Path,
    score: str,
    meta: dict[str, Any],
    held_out: list[Prediction],
    trained: list[Prediction],
    dataset: str | None = None,
) -> None:
    """Write the report of a run into its work directory, atomically.

    `score` is the name of the score that chooses the best checkpoint, `meta` the parsed metainfo of the dataset;
    `dataset` names it if the model has several.
    """
    curve = read_curve(file.parent, score)
    images: dict[str, list[Prediction]] = {}
    for row in held_out:
        images.setdefault(row.path, []).append(row)
    # first the image with the largest mean error relative to the side of the box
    ranked = sorted(images.items(), key=lambda item: -max(r.distances[r.visible].mean() / r.side for r in item[1]))
    start = max((len(ranked) - SHOWN_IMAGES) // 2, 0)
    groups = {f'{kind} held-out images': ranked[i : i + SHOWN_IMAGES] for kind, i in (('Worst', 0), ('Median', start))}
    sets = {f'{len(held_out):,} held-out instances': held_out, f'{len(trained):,} of the training instances': trained}
    tables = [f'<h3>{title}</h3>{_table(keypoint_names(meta), rows)}' for title, rows in sets.items() if rows]
    tables += [] if held_out else ['<p>No held-out labels: is the validation set of detected boxes (bbox_file)?</p>']
    shown = {title: ''.join(_figure(*g, meta) for g in group) for title, group in groups.items() if group}
    pictures = [f'<h2>{title}</h2>{figures}' for title, figures in shown.items()]
    commands = '\n'.join(next_commands(config, best_checkpoint(file.parent, score), dataset))
    notes = [f'<li>{escape(note)}</li>' for note in read_notes(config, dataset)]
    lists = dict(tables=tables, pictures=pictures, notes=notes)
    state = f'{len(curve.score)} validations; {score} of the last one: {curve.score[-1][1]:.3f}' if curve.score else ''
    template = Template(Path(__file__).with_suffix('.html').read_text(encoding='utf-8'))
    page = template.substitute(
        {key: ''.join(parts) for key, parts in lists.items()},
        title=escape(f'{meta["dataset_name"]}: training'),
        state=escape(state),
        curve=draw_curve(curve.loss, curve.score, score),
        commands=escape(commands),
    )
    write_text(file, page)


def read_notes(config: Path, dataset: str | None = None) -> list[str]:
    """Return what `vitpose dataset` derived: the lines of notes.txt, or else config.py's docstring and comments.

    Each of several datasets has its notes in a folder beside the config.
    """
    for file in (config.parent / (dataset or '') / NOTES, config.with_name(NOTES)):
        if file.is_file():
            return file.read_text(encoding='utf-8').splitlines()
    text = config.read_text(encoding='utf-8')
    return [ast.get_docstring(ast.parse(text)) or '', *(line for line in text.splitlines() if '  # ' in line)]


def measure_errors(names: Sequence[str], rows: Sequence[Prediction]) -> dict[str, dict[str, Any]]:
    """Return the `keypoint_errors` of predictions, and those of all keypoints as 'all'."""
    columns = zip(*((row.visible, row.distances, [row.side]) for row in rows), strict=True)
    errors = keypoint_errors(names, *map(np.array, columns))
    known = [values for values in errors.values() if values['labeled']]
    count = sum(values['labeled'] for values in known)
    whole = {key: float(np.mean([values[key] for values in known])) for key in known[0] if key.startswith('PCK')}
    mean = sum(values['EPE'] * values['labeled'] for values in known) / count
    return errors | {'all': {'labeled': count, 'EPE': mean, **whole}}


def _table(names: Sequence[str], rows: Sequence[Prediction]) -> str:
    lines = [[name, *map(score_text, values.values())] for name, values in measure_errors(names, rows).items()]
    body = ''.join('<tr>' + ''.join(f'<td>{escape(cell)}</td>' for cell in line) + '</tr>' for line in lines)
    return '<table><tr>' + ''.join(f'<th>{heading}</th>' for heading in KEYPOINT_HEADINGS) + f'</tr>{body}</table>'


def _figure(path: str, rows: Sequence[Prediction], meta: Mapping[str, Any]) -> str:
    """Draw labels and predictions side by side, around the boxes of an image."""
    image, boxes = read_image(path), np.array([row.box for row in rows])
    margin = MARGIN * max(row.side for row in rows)
    low = np.clip(boxes[:, :2].min(0) - margin, 0, np.array(image.shape[1::-1]) - 1).astype(int)
    high = np.clip(boxes[:, 2:].max(0) + margin, low + 1, image.shape[1::-1]).astype(int)
    image = image[low[1] : high[1], low[0] : high[0]]
    scale = SIDE_PX / max(image.shape[:2])
    image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    panels, visible = [], np.array([row.visible for row in rows], float)
    for name, shown in ('labels', visible), ('points', np.ones_like(visible)):
        points = (np.array([getattr(row, name) for row in rows]) - low + 0.5) * scale - 0.5
        poses = Poses(points, shown, (boxes - np.tile(low, 2)) * scale, shown[:, 0], np.arange(len(rows)))
        panels.append(draw_poses(image, poses, meta, DrawStyle(boxes=False, thickness=2)))
    data = cv2.imencode('.jpg', np.concatenate(panels, 1), (cv2.IMWRITE_JPEG_QUALITY, QUALITY))[1].tobytes()
    error = max(row.distances[row.visible].mean() for row in rows)
    caption = escape(f'{Path(path).name}: {error:.1f} pixels. Left the labels, right the prediction')
    source = f'data:image/jpeg;base64,{base64.b64encode(data).decode()}'
    return f'<figure><img src="{source}" alt=""><figcaption>{caption}</figcaption></figure>'


def draw_curve(loss: Sequence[tuple[float, float]], score: Sequence[tuple[float, float]], name: str) -> str:
    """Draw loss (logarithmic) and score over minutes as SVG; each fills the height, between its written limits."""
    last = max((x for x, _ in (*loss, *score)), default=0) or 1
    parts = [f'<text x="{WIDTH / 2}" y="{HEIGHT - 8}" text-anchor="middle">{last:.1f} minutes of training</text>']
    logarithms = [(x, math.log10(y)) for x, y in loss if 0 < y < math.inf]
    finite = [(x, y) for x, y in score if math.isfinite(y)]
    for i, (title, color, points) in enumerate((('loss', '#2a7de1', logarithms), (name, '#e8730c', finite))):
        low, high = (pick((y for _, y in points), default=0) for pick in (min, max))
        x_scale, y_scale = (WIDTH - 2 * PAD) / last, (HEIGHT - 2 * PAD) / ((high - low) or 1)
        places = [(f'{PAD + x * x_scale:.1f}', f'{HEIGHT - PAD - (y - low) * y_scale:.1f}') for x, y in points]
        dots = ''.join(f'<circle cx="{x}" cy="{y}" r="3"/>' for x, y in places if i)
        parts.append(f'<g fill="{color}"><polyline points="{" ".join(map(",".join, places))}" fill="none" ')
        parts.append(f'stroke="{color}"/>{dots}')
        for y, value in ((PAD - 22, high), (HEIGHT - PAD + 18, low)):
            place = f'x="{WIDTH - PAD if i else PAD}" y="{y}" text-anchor="{"end" if i else "start"}"'
            parts.append(f'<text {place}>{escape(title)} {value if i else 10**value:.3g}</text>')
        parts.append('</g>')
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="learning curve">{"".join(parts)}</svg>'
