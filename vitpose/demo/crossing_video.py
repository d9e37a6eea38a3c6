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
    """Render a video, and write its person boxes to a .jsonl file next to it, for `vitpose predict --boxes`.

    The video has the seed, kind and size of the training images, but none of their people.
    """
    rng = np.random.default_rng([settings.seed, len('video')])
    table, frame_count = keypoint_set(settings.kind), FRAMES_PER_S * DURATION_S
    frames = render_clip(rng, table, frame_count, height=settings.height, width=settings.width)
    writer, lines = VideoWriter(path), []
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
    command = [sys.executable, '-m', 'vitpose', 'predict', str(clip), '--config', str(config)]
    options = ['--checkpoint', str(checkpoint), '--boxes', str(clip.with_suffix('.jsonl')), '--flip-test']
    if find_spec('trackers'):
        options.append('--track')
    run_logged([*command, *options, '--out', str(out / 'video')], out / 'predict.log')
    return out / 'video/drawn/clip.mp4'
