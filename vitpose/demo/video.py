"""Render a video of people who cross, and predict and draw their poses."""

import json
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from vitpose_mm.files import write_text

from ..predict.video import VideoWriter
from ..runs.command import run_logged
from ..synthetic.clip import render_clip
from ..synthetic.keypoints import keypoint_set
from ..synthetic.render_settings import RenderSettings

RATE, SECONDS = 25, 4


def write_video(path: Path, settings: RenderSettings) -> None:
    """Render a video, and write the boxes of the people beside it as JSON lines, for `vitpose predict --boxes`.

    Args:
        path: of the video; the boxes get the suffix .jsonl.
        settings: with the seed and kind of the training images and their size. No figure of the video is in them.
    """
    rng = np.random.default_rng([settings.seed, len('video')])
    frames = render_clip(rng, keypoint_set(settings.kind), RATE * SECONDS, height=settings.height, width=settings.width)
    writer, lines = VideoWriter(path), []
    for index, (image, people) in enumerate(frames):
        writer.write(image, index / RATE)
        boxes = [(x, y, x + w, y + h) for x, y, w, h in (person['bbox'] for person in people.values())]
        lines.append(json.dumps({'file': path.name, 'frame': index, 'boxes': boxes}) + '\n')
    writer.close()
    write_text(path.with_suffix('.jsonl'), ''.join(lines))


def predict_video(config: Path, checkpoint: Path, out: Path, settings: RenderSettings) -> Path:
    """Render a video and predict it with `vitpose predict`; people get ids if the tracker is installed.

    Args:
        config: of the model.
        checkpoint: of the model.
        out: output folder of the demo.
        settings: see `write_video`.

    Returns:
        The drawn video.

    Raises:
        RuntimeError: if the prediction fails.
    """
    clip = out / 'clip.mp4'
    write_video(clip, settings)
    command = [sys.executable, '-m', 'vitpose', 'predict', str(clip), '--config', str(config)]
    options = ['--checkpoint', str(checkpoint), '--boxes', str(clip.with_suffix('.jsonl')), '--flip-test']
    if find_spec('trackers'):
        options.append('--track')
    run_logged([*command, *options, '--out', str(out / 'video')], out / 'predict.log')
    return out / 'video/drawn/clip.mp4'
