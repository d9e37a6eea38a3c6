"""The page of `vitpose app`: takes an upload, boxes and a threshold; shows drawn poses and offers JSON."""

import math
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import gradio as gr
from starlette.middleware import Middleware

from ..errors import one_line, printable
from ..predict.detection.two_pass import TwoPassDetector
from ..predict.inputs.sources import IMAGES, VIDEOS
from ..predict.outputs.results import LINES
from ..predict.poses import score_name
from ..predict.predictor import PosePredictor
from .sessions import Sessions, end_uploads
from .uploads import parse_boxes, predict_upload, write_first_image

MAX_UPLOAD_SIZE = '200mb'
KEPT_S = 3600  # how long uploads and results stay on disk
BOXES_INFO = 'One object per line: x1 y1 x2 y2 in pixels, or two clicks in the image; in a video for all frames. Empty:'


def build_page(predictor: PosePredictor, title: str, sessions: Sessions) -> gr.Blocks:
    """Build the page, which `serve` starts; `title` is the model's. Text from files only appears in text boxes."""
    without_boxes = 'the detector finds people.'
    if predictor.detector is None:
        without_boxes = 'the whole image is one object.'
    elif isinstance(predictor.detector, TwoPassDetector):
        without_boxes = 'the model looks for one object.'
    model = predictor.model
    title = printable(f'{title}: keypoints of {model.metainfo["dataset_name"]}, {model.num_keypoints} per object')
    with gr.Blocks(title='ViTPose', analytics_enabled=False, delete_cache=(KEPT_S, KEPT_S)) as page:
        gr.Markdown('# ViTPose')
        gr.Textbox(title, label='Model', interactive=False, elem_id='model')
        with gr.Row():
            with gr.Column():
                upload = gr.File(label='Image or video', file_types=sorted(IMAGES | VIDEOS), elem_id='upload')
                shown = gr.Image(label='Input', interactive=False, format='jpeg', buttons=[], elem_id='shown')
                boxes = gr.Textbox(label='Boxes', info=f'{BOXES_INFO} {without_boxes}', lines=2, elem_id='boxes')
                label = f'Lowest {score_name(model.metainfo)} of a drawn keypoint'
                threshold = gr.Slider(0, 1, 0.3, step=0.05, label=label, elem_id='score')
                button = gr.Button('Predict', variant='primary', elem_id='predict')
            with gr.Column():
                drawn = gr.Image(label='Poses', interactive=False, format='jpeg', buttons=[], elem_id='drawn')
                video = gr.Video(label='Poses', visible=False, elem_id='video')
                lines = gr.File(label='Download', elem_id='json')
                notes = gr.Textbox(label='Notes', interactive=False, elem_id='notes')

        @_reporting()
        def show(file: str | None, request: gr.Request) -> tuple[str | None, str]:
            if file is None:
                return None, ''
            with sessions.results(str(request.session_hash), file) as folder:
                return str(write_first_image(file, folder)), ''

        @_reporting()
        def predict(file: str | None, text: str, lowest: float, request: gr.Request) -> tuple:
            if file is None:
                raise ValueError('drop an image or a video first')
            session = str(request.session_hash)
            with sessions.results(session, file) as folder:
                boxes = parse_boxes(text)
                path, problems = predict_upload(predictor, file, boxes, lowest, folder, lambda: sessions.check(session))
            is_image = path.suffix == '.jpg'
            shown_image = gr.Image(str(path) if is_image else None, visible=is_image)
            shown_video = gr.Video(None if is_image else str(path), visible=not is_image)
            return shown_image, shown_video, str(folder / LINES), '\n'.join(map(printable, problems))

        def leave(request: gr.Request) -> None:
            sessions.end(str(request.session_hash))

        upload.change(show, upload, [shown, boxes])
        shown.select(_click, boxes, boxes)
        button.click(predict, [upload, boxes, threshold], [drawn, video, lines, notes])
        page.unload(leave)
    page.queue(max_size=16, default_concurrency_limit=1)
    return page


def serve(page: gr.Blocks, host: str, port: int) -> str:
    """Serve the page in a thread until `page.close()`, and return its address. OSError if the port is in use.

    Gradio only serves the files in GRADIO_TEMP_DIR: images and videos, and anything else for download.
    """
    theme = gr.themes.Default(font=['system-ui', 'sans-serif'], font_mono=['monospace'])
    options: dict[str, Any] = dict.fromkeys(('share', 'ssr_mode', 'pwa', 'mcp_server', 'enable_monitoring'), False)
    options |= dict(server_name=host, server_port=port, quiet=True, prevent_thread_lock=True, footer_links=[])
    options |= dict(max_file_size=MAX_UPLOAD_SIZE, state_session_capacity=100)
    return page.launch(theme=theme, app_kwargs=dict(middleware=[Middleware(end_uploads)]), **options)[1]


def _click(text: str, event: gr.SelectData) -> str:
    """Add a line with a corner at the first click in the image, and complete it to a box at the second."""
    x, y = event.index
    *lines, last = ['', *text.rstrip().splitlines()]
    added = [last, f'{x} {y}']  # after a complete box, or something that cannot be completed
    with suppress(ValueError):
        left, top = map(float, last.replace(',', ' ').split())
        if math.isfinite(left + top):
            added = [' '.join(f'{side:.10g}' for side in (min(left, x), min(top, y), max(left, x), max(top, y)))]
    return '\n'.join(filter(None, (*lines, *added)))


@contextmanager
def _reporting() -> Iterator[None]:
    """Show a ValueError or OSError as a message on the page, with Markdown and HTML escaped, as in names of files."""
    try:
        yield
    except (ValueError, OSError) as problem:
        text = ''.join(f'&#{ord(c)};' if c in '<>&"`*_[]\\!#|' else c for c in one_line(problem))
        raise gr.Error(text, print_exception=False) from problem
