"""`vitpose app`: a page on which to drop images and videos."""

import argparse
import os
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

from .demo import CONFIG

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
    parser = subparsers.add_parser('app', description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter)
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
    """Serve until Ctrl-C; return 2 if nothing was started."""
    os.environ.setdefault('OPENCV_IO_MAX_IMAGE_PIXELS', str(PIXELS))  # OpenCV reads it when it is imported
    os.environ['GRADIO_ANALYTICS_ENABLED'] = 'False'
    warnings.filterwarnings('ignore', module=r'gradio\.')  # about Starlette: nobody can do anything about it
    with tempfile.TemporaryDirectory(prefix='vitpose_app_') as folder:
        os.environ['GRADIO_TEMP_DIR'] = folder
        try:
            from ..predict.extras import need

            if args.detector and len(args.detector) > 2:
                raise ValueError(f'--detector {" ".join(args.detector)}: expected one or two words; put FILE before it')
            need('gradio', 'the page')
            predictor, title = load(args)
            from ..app.page import build_page, serve

            page = build_page(predictor, title, Path(folder))
            serve(page, Path(folder), args.host, args.port)
        except (ValueError, KeyError, OSError) as problem:
            message = problem.args[0] if isinstance(problem, KeyError) else problem
            print('vitpose app:', ' '.join(str(message).split()), file=sys.stderr)
            return 2
    return 0


def load(args: argparse.Namespace) -> tuple[Any, str]:
    """The predictor and its name.

    Raises:
        OSError: a file does not exist.
        ValueError: a file cannot be used.
    """
    from ..predict.predictor import PosePredictor
    from ..shipped import shipped

    if args.file is None and not CHECKPOINT.is_file():
        raise FileNotFoundError(
            f'{CHECKPOINT}: no such file; `vitpose demo` trains this model in about twelve minutes. Or pass a file '
            'that `vitpose export` wrote: vitpose app FILE'
        )
    if args.file is not None and not args.file.is_file():
        raise FileNotFoundError(f'{args.file}: no such file')
    detector = None
    if args.detector:
        from ..predict.detector_file import open_detector

        detector = open_detector(args.detector[0], (*args.detector, None)[1], args.device)
    if args.file is None:
        return PosePredictor(shipped(CONFIG), CHECKPOINT, args.device, detector=detector), str(CHECKPOINT)
    return PosePredictor(args.file, device=args.device, detector=detector), args.file.name
