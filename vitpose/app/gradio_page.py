"""The page of `vitpose app`: takes an upload, boxes and a threshold; shows drawn poses and offers JSON."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from ..predict.inputs.sources import IMAGES, VIDEOS
from ..predict.predictor import PosePredictor
from .uploads import LINES, first_image, parse_boxes, predict_upload

MAX_UPLOAD_SIZE = '200mb'
KEPT_S = 3600  # how long uploads and results stay on disk
BOXES_INFO = (
    'One person per line: x1 y1 x2 y2 in pixels; or click two opposite corners in the image. In a video they apply \
to all frames. Empty: '
)


def build_page(predictor: PosePredictor, title: str, folder: Path) -> gr.Blocks:
    """Build the page, which `serve` starts; `title` is the model's, and results are written below `folder`."""
    without_boxes = 'the whole image is one person.' if predictor.detector is None else 'the detector finds people.'
    names = [predictor.model.metainfo['keypoint_id2name'][i] for i in range(predictor.model.num_keypoints)]
    with gr.Blocks(title='ViTPose', analytics_enabled=False, delete_cache=(KEPT_S, KEPT_S)) as page:
        gr.Markdown(f'# ViTPose\n{title}: {len(names)} keypoints of {predictor.model.metainfo["dataset_name"]}')
        with gr.Row():
            with gr.Column():
                upload = gr.File(label='Image or video', file_types=sorted(IMAGES | VIDEOS), elem_id='upload')
                shown = gr.Image(label='Input', interactive=False, format='jpeg', buttons=[], elem_id='shown')
                boxes = gr.Textbox(label='Boxes', info=BOXES_INFO + without_boxes, lines=2, elem_id='boxes')
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
            path, problems = predict_upload(predictor, file, parse_boxes(text), lowest, place)
            is_image = path.suffix == '.jpg'
            shown_image = gr.Image(str(path) if is_image else None, visible=is_image)
            shown_video = gr.Video(None if is_image else str(path), visible=not is_image)
            return shown_image, shown_video, str(place / LINES), '\n'.join(f'- {_literal(note)}' for note in problems)

        button.click(_reporting(predict), [upload, boxes, threshold], [drawn, video, lines, notes])
    page.queue(max_size=16, default_concurrency_limit=1)
    return page


def serve(page: gr.Blocks, folder: Path, host: str, port: int) -> str:
    """Serve the page in a thread until `page.close()`, and return its address; OSError if the port is in use."""
    theme = gr.themes.Default(font=['system-ui', 'sans-serif'], font_mono=['monospace'])
    limits: dict[str, Any] = dict(max_file_size=MAX_UPLOAD_SIZE, state_session_capacity=100)
    off: dict[str, Any] = dict.fromkeys(('share', 'ssr_mode', 'pwa', 'mcp_server', 'enable_monitoring'), False)
    server: dict[str, Any] = dict(server_name=host, server_port=port, quiet=True, prevent_thread_lock=True)
    return page.launch(theme=theme, footer_links=[], allowed_paths=[str(folder)], **limits, **off, **server)[1]


def _show(file: str | None) -> tuple[np.ndarray | None, str]:
    """Return the first image in RGB, and no boxes."""
    return None if file is None else first_image(file)[..., ::-1], ''


def _click(text: str, event: gr.SelectData) -> str:
    """Add a line with a corner at the first click in the image, and complete it to a box at the second."""
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
    """Escape Markdown and HTML, as in the names of files."""
    return ''.join(f'&#{ord(letter)};' if letter in '<>&"`*_[]\\!#|' else letter for letter in text)
