"""`vitpose app`: a page on which to drop images and videos."""

import argparse
import os
import tempfile
import warnings
from pathlib import Path
from typing import Any

from ..errors import MissingFileError
from .demo import CONFIG
from .paths import check_detector, check_readable

CHECKPOINT = Path('demo/model.pth')
PIXELS = 100_000_000  # of an image; a small file may claim to have many more

DESCRIPTION = """Serve a page on this computer on which to drop an image or a video. It shows
the poses drawn and offers them as JSON lines, as `vitpose predict` writes them.
People are in boxes that are typed or clicked into the image, or found by
--detector; or else the whole image is one person.

FILE is what `vitpose export` wrote. Without FILE the page predicts with the
model of `vitpose demo`, demo/model.pth.

Nothing leaves this computer. Uploads, up to 200 MB each, and results are
deleted after an hour or two, and when the page is closed with Ctrl-C."""


def add_parser(subparsers: Any) -> None:
    """Add the parser of `vitpose app`."""
    parser = subparsers.add_parser('app', description=DESCRIPTION)
    parser.add_argument('file', nargs='?', type=Path, metavar='FILE', help='exported file (default: demo/model.pth)')
    parser.add_argument(
        '--detector',
        nargs='+',
        metavar=('CONFIG', 'CHECKPOINT'),
        help='detector of the people, as for `vitpose predict`; put FILE before it',
    )
    parser.add_argument('--device', default='auto', help="'cpu' or 'cuda' (default: cuda if there is one)")
    parser.add_argument(
        '--host', default='127.0.0.1', help='address to listen at (default 127.0.0.1: only this computer)'
    )
    parser.add_argument('--port', type=int, default=7860, metavar='N', help='port to listen at (default 7860)')


def run(args: argparse.Namespace) -> int:
    """Serve until Ctrl-C."""
    if args.file is None and not CHECKPOINT.is_file():
        raise MissingFileError(
            f'{CHECKPOINT}: no such file; `vitpose demo` trains this model in about ten minutes. Or pass a file '
            'that `vitpose export` wrote: vitpose app FILE'
        )
    check_readable(args.file)
    check_detector(args.detector, 'FILE')
    os.environ.setdefault('OPENCV_IO_MAX_IMAGE_PIXELS', str(PIXELS))  # OpenCV reads it when it is imported
    os.environ['GRADIO_ANALYTICS_ENABLED'] = 'False'
    warnings.filterwarnings('ignore', module=r'gradio\.')  # about Starlette: nobody can do anything about it
    with tempfile.TemporaryDirectory(prefix='vitpose_app_') as folder:
        os.environ['GRADIO_TEMP_DIR'] = folder
        from ..predict.extras import need

        need('gradio', 'the page')
        from ..app.page import build_page, serve

        title = args.file.name if args.file else str(CHECKPOINT)
        page = build_page(_load(args.file, args.detector, args.device), title, Path(folder))
        address = serve(page, Path(folder), args.host, args.port)
        print(f'{address} (Ctrl-C stops)', flush=True)
        page.block_thread()
    return 0


def _load(file: Path | None, detector: list[str] | None, device: str) -> Any:
    """The predictor of a file, or of the demo's model."""
    from ..predict.detector_file import open_detector
    from ..predict.predictor import PosePredictor
    from ..shipped import shipped

    finder = open_detector(*detector, device=device) if detector else None
    files = (shipped(CONFIG), CHECKPOINT) if file is None else (file,)
    return PosePredictor.load(*files, device=device, detector=finder)
