"""The page: an upload, boxes and a threshold in; drawn poses and JSON out."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from ..predict.inputs.sources import IMAGES, VIDEOS
from ..predict.predictor import PosePredictor
from .uploads import first_image, parse_boxes, predict_upload

LARGEST = '200mb'  # per upload
KEPT = 3600  # seconds that uploads and results stay on the disk
BOXES = 'One person per line: x1 y1 x2 y2 in pixels; or click two opposite corners in the image. In a video they hold \
for all frames. Empty: '


def build_page(predictor: PosePredictor, title: str, folder: Path) -> gr.Blocks:
    """Build the page.

    Args:
        predictor: what predicts, one upload at a time.
        title: what the model is called on the page.
        folder: where results are written; the page serves only files below it.

    Returns:
        The page; `serve` starts it.
    """
    nobody = 'the whole image is one person.' if predictor.detector is None else 'the detector finds people.'
    names = [predictor.model.metainfo['keypoint_id2name'][i] for i in range(predictor.model.num_keypoints)]
    with gr.Blocks(title='ViTPose', analytics_enabled=False, delete_cache=(KEPT, KEPT)) as page:
        gr.Markdown(f'# ViTPose\n{title}: {len(names)} keypoints of {predictor.model.metainfo["dataset_name"]}')
        with gr.Row():
            with gr.Column():
                upload = gr.File(label='Image or video', file_types=sorted(IMAGES | VIDEOS), elem_id='upload')
                shown = gr.Image(label='Input', interactive=False, format='jpeg', buttons=[], elem_id='shown')
                boxes = gr.Textbox(label='Boxes', info=BOXES + nobody, lines=2, elem_id='boxes')
                threshold = gr.Slider(0, 1, 0.3, step=0.05, label='Lowest score of a drawn keypoint', elem_id='score')
                button = gr.Button('Predict', variant='primary', elem_id='predict')
            with gr.Column():
                drawn = gr.Image(label='Poses', interactive=False, format='jpeg', buttons=[], elem_id='drawn')
                video = gr.Video(label='Poses', visible=False, elem_id='video')
                lines = gr.File(label='Download', elem_id='json')
                notes = gr.Markdown(elem_id='notes')
        upload.change(_reporting(_show), upload, [shown, boxes])
        shown.select(_click, boxes, boxes)

        def predict(file: str | None, text: str, lowest: float) -> tuple:
            if file is None:
                raise ValueError('drop an image or a video first')
            place = Path(tempfile.mkdtemp(dir=folder))
            found = predict_upload(predictor, file, parse_boxes(text), lowest, place)
            image, path = found.drawn.suffix == '.jpg', str(found.drawn)
            return (
                gr.Image(path if image else None, visible=image),
                gr.Video(None if image else path, visible=not image),
                str(found.lines),
                '\n'.join(f'- {_literal(note)}' for note in found.notes),
            )

        outputs = [drawn, video, lines, notes]
        button.click(_reporting(predict), [upload, boxes, threshold], outputs)
    page.queue(max_size=16, default_concurrency_limit=1)
    return page


def serve(page: gr.Blocks, folder: Path, host: str, port: int) -> str:
    """Serve the page in a thread, until `page.close()`.

    Returns:
        The address.

    Raises:
        OSError: the port is in use.
    """
    _, address, _ = page.launch(
        server_name=host,
        server_port=port,
        allowed_paths=[str(folder)],
        max_file_size=LARGEST,
        theme=gr.themes.Default(font=['system-ui', 'sans-serif'], font_mono=['monospace']),
        footer_links=[],
        share=False,
        ssr_mode=False,
        pwa=False,
        mcp_server=False,
        enable_monitoring=False,
        state_session_capacity=100,
        quiet=True,
        prevent_thread_lock=True,
    )
    return address


def _show(file: str | None) -> tuple[np.ndarray | None, str]:
    """The first image in RGB, and no boxes."""
    return None if file is None else first_image(file)[..., ::-1], ''


def _click(text: str, event: gr.SelectData) -> str:
    """The first click in the image adds a line with a corner; the second one completes it to a box."""
    x, y = event.index
    *lines, last = ['', *text.rstrip().splitlines()]
    corner = last.split()
    if len(corner) != 2:
        return '\n'.join(filter(None, (*lines, last, f'{x} {y}')))
    (left, right), (top, bottom) = sorted((int(corner[0]), x)), sorted((int(corner[1]), y))
    return '\n'.join(filter(None, (*lines, f'{left} {top} {right} {bottom}')))


def _reporting(function: Callable) -> Callable:
    """Show a ValueError or OSError as a message on the page."""

    def wrapped(*arguments: Any) -> Any:
        try:
            return function(*arguments)
        except (ValueError, OSError) as problem:
            raise gr.Error(_literal(' '.join(str(problem).split())), print_exception=False) from problem

    return wrapped


def _literal(text: str) -> str:
    """Text in which nothing is Markdown or HTML: a file's name may be in it."""
    return ''.join(f'&#{ord(letter)};' if letter in '<>&"`*_[]\\!#|' else letter for letter in text)
