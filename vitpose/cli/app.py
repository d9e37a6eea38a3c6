"""`vitpose app`: a web page that predicts and draws poses."""

import argparse
import os
import tempfile
import warnings
from contextlib import ExitStack, closing
from pathlib import Path

from ..app import MAX_IMAGE_PIXELS
from ..errors import InputError
from ..models.names import DEFAULT
from .input_options import add_detector_options, open_given_detector, read_detector_options
from .paths import check_detector, check_model
from .shared_options import ONNX_DEVICES, add_device

DESCRIPTION = """Serve a web page on this computer that accepts an image or a video, draws the
poses and offers them as JSON lines, as `vitpose predict` writes them. Person
boxes are typed or clicked, or come from a detector, as in `vitpose predict`.
FILE is written by `vitpose export`, or is a checkpoint of a ViTPose, with
--dataset; NAME is one of `vitpose models`, by default the shipped one.

Nothing leaves this computer. Uploads, up to 200 MB each, and results are
deleted when their tab is closed, and when the page ends."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    text = 'name of a model, exported file or checkpoint (default: tiny)'
    add('file', nargs='?', default=DEFAULT, metavar='NAME|FILE', help=text)
    add('--dataset', metavar='NAME', help='dataset whose keypoints a checkpoint predicts, such as coco')
    add('--detector', nargs='+', metavar=('CONFIG', 'CHECKPOINT'), help='as for `vitpose predict`; put FILE before it')
    add_detector_options(parser)
    add_device(parser, names=ONNX_DEVICES)
    add('--host', default='127.0.0.1', help='address (default %(default)s: localhost only)')
    add('--port', type=int, default=7860, metavar='N', help='port (default %(default)s)')


def run(args: argparse.Namespace) -> None:
    check_detector(args.detector, 'FILE')
    check_model(args.file)
    read_detector_options(args)
    if not 1 <= args.port <= 65_535:
        raise InputError(f'--port {args.port}: expected 1 to 65535')
    os.environ.setdefault('OPENCV_IO_MAX_IMAGE_PIXELS', str(MAX_IMAGE_PIXELS))  # OpenCV reads it when it is imported
    os.environ['GRADIO_ANALYTICS_ENABLED'] = 'False'
    warnings.filterwarnings('ignore', module=r'gradio\.')  # about Starlette
    with tempfile.TemporaryDirectory(prefix='vitpose_app_') as name, ExitStack() as ending:
        ending.callback(setattr, tempfile, 'tempdir', tempfile.tempdir)
        tempfile.tempdir = name  # where Gradio writes uploads until they are complete
        folder = Path(name, 'files')
        folder.mkdir()
        os.environ['GRADIO_TEMP_DIR'] = str(folder)
        from ..predict.optional_imports import import_optional

        import_optional('gradio', 'the page')
        from ..app.gradio_page import build_page, serve
        from ..app.sessions import Sessions
        from ..predict.predictor import PosePredictor

        predictor = PosePredictor.load(args.file, device=args.device, dataset=args.dataset, **open_given_detector(args))
        sessions = Sessions(folder)
        page = build_page(predictor, Path(args.file).name, sessions)
        with closing(sessions):
            print(f'{serve(page, args.host, args.port)} (Ctrl-C stops)', flush=True)
            page.block_thread()
