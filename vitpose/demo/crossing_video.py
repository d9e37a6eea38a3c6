"""Render a video of people who cross, and predict and draw their poses."""

import json
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from vitpose_base.files import write_text

from ..predict.inputs.video import VideoWriter
from ..runs.command import run_logged
from ..synthetic.clip import render_clip
from ..synthetic.keypoints import keypoint_set
from ..synthetic.render_settings import RenderSettings

FRAMES_PER_S, DURATION_S = 25, 4


def write_video(path: Path, settings: RenderSettings) -> None:
    """Render a video like the training images, and write its person boxes to a .jsonl file next to it."""
    rng = np.random.default_rng([settings.seed, len('video')])  # none of the people of the training images
    size = dict(height=settings.height, width=settings.width)
    writer, lines = VideoWriter(path), []
    frames = render_clip(rng, keypoint_set(settings.kind), FRAMES_PER_S * DURATION_S, **size)
    for index, (image, people) in enumerate(frames):
        writer.write(image, index / FRAMES_PER_S)
        boxes = [(x, y, x + w, y + h) for x, y, w, h in (person['bbox'] for person in people.values())]
        lines.append(json.dumps({'file': path.name, 'frame': index, 'boxes': boxes}) + '\n')
    writer.close()
    write_text(path.with_suffix('.jsonl'), ''.join(lines))


def predict_video(config: Path, checkpoint: Path, out: Path, settings: RenderSettings) -> Path:
    """Render a video, predict it with `vitpose predict`, with ids if the tracker is installed, and return its path."""
    clip = out / 'clip.mp4'
    write_video(clip, settings)
    command: list[str | Path] = [sys.executable, '-m', 'vitpose', 'predict', clip, '--out', out / 'video']
    command += ['--flip-test', '--config', config, '--checkpoint', checkpoint, '--boxes', clip.with_suffix('.jsonl')]
    if find_spec('trackers'):
        command.append('--track')
    run_logged(command, out / 'predict.log')
    return out / 'video/drawn/clip.mp4'
