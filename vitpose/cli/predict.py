"""`vitpose predict`: poses in images and videos."""

import argparse
import sys
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from ..errors import InputError, started
from .paths import check_detector, check_readable

DESCRIPTION = """Predict poses in images and videos, draw them and write them as JSON:

  OUT/predictions.jsonl  one line per image or video frame, as it is predicted:
                         boxes, keypoints and scores, or why there are none
  OUT/keypoints.json     COCO keypoint results, for COCO.loadRes of pycocotools
  OUT/images.json        the images with the ids in them; not if --boxes is a
                         COCO file, whose ids are used then
  OUT/drawn/             the images, or H.264 videos without sound, with poses
  OUT/index.html         with --html: a page to look through them

INPUT is an image, a video, a folder (searched with all folders below), a
quoted glob such as 'photos/**/*.jpg', or the index of a camera, such as 0.

Where people are is said by one of
  --boxes FILE  a COCO annotation file (bbox: x y width height); or COCO
                detections, a list of {image_id, bbox, score}, with
                --images-json FILE, a COCO file with their images; or
                JSON lines (.jsonl), {"file": NAME, "boxes": [[x1, y1, x2, y2]]}
                with "scores", and with "frame": INDEX for videos. A file name
                there and an input match if one path ends with the other.
  --detector    a detector of MMDetection, by its config and checkpoint, or by
                a name that MMPoseInferencer accepts; or FILE.onnx of YOLOX,
                which rtmlib runs without torch
  --whole-image each image is one person (default)

Keypoints are x y in pixels of the upright image; the centre of the first pixel
is 0 0. Ctrl-C keeps what is finished, in valid files."""

EPILOG = """examples:
  vitpose predict photos/ --config CONFIG --checkpoint FILE.pth --out poses
  vitpose predict photos/ --model FILE.onnx --out poses
  vitpose predict walk.mp4 --config CONFIG --checkpoint FILE.pth --track \\
      --detector rtmdet-m --out poses
  vitpose predict val2017/ --config CONFIG --checkpoint FILE.pth --flip-test \\
      --boxes annotations/person_keypoints_val2017.json --no-draw --out poses

CONFIG is the config that the model was trained with, for example
configs/coco/vitpose-base_coco-256x192.py. FILE.onnx, or FILE.xml of OpenVINO,
is what `vitpose export` writes; it needs neither torch nor MMPose.

exit code: 0 if all is well; 1 if an input was broken (the others are
predicted all the same) or writing failed; 2 if nothing was started; 130 after
Ctrl-C"""


def add_parser(subparsers: Any) -> None:
    """Add the parser of `vitpose predict`."""
    parser = subparsers.add_parser('predict', description=DESCRIPTION, epilog=EPILOG)
    parser.add_argument('inputs', nargs='+', metavar='INPUT', help='images, videos, folders, globs or a camera index')
    parser.add_argument('--config', type=Path, help='config of the model')
    parser.add_argument('--checkpoint', type=Path, metavar='FILE', help='checkpoint of the model')
    parser.add_argument('--model', type=Path, metavar='FILE', help='exported file, instead of both')
    parser.add_argument('--out', required=True, type=Path, metavar='DIR', help='folder to write')
    people = parser.add_mutually_exclusive_group()
    people.add_argument('--boxes', type=Path, metavar='FILE', help='boxes of the people, see above')
    people.add_argument(
        '--detector', nargs='+', metavar=('CONFIG', 'CHECKPOINT'), help='detector of the people, see above'
    )
    people.add_argument('--whole-image', action='store_true', help='each image is one person')
    parser.add_argument('--images-json', type=Path, metavar='FILE', help='COCO file with the images of --boxes')
    parser.add_argument('--device', default='auto', help="'cpu' or 'cuda' (default: cuda if there is one)")
    parser.add_argument(
        '--precision', choices=('fp32', 'bf16', 'fp16'), help="of the network (default fp32; an exported file's own)"
    )
    parser.add_argument('--batch-size', type=int, metavar='N', help='people per batch (default 16, on a GPU 64)')
    parser.add_argument('--flip-test', action='store_true', help='average with the mirrored image: slower, better')
    parser.add_argument('--dataset', metavar='NAME', help='which keypoints, if the model has those of several datasets')
    parser.add_argument('--track', action='store_true', help='give people ids that they keep from frame to frame')
    parser.add_argument(
        '--draw', action=argparse.BooleanOptionalAction, default=True, help='write drawn images (default: yes)'
    )
    parser.add_argument('--html', action='store_true', help='write a page to look through the predictions')


def run(args: argparse.Namespace) -> int:
    """Predict, write and print a summary; see EPILOG for the exit code."""
    sources, given, total, tracker = _check(args)
    predictor = _load(args)
    from ..predict.inputs.sources import read_frames
    from ..predict.outputs.output_files import Outputs

    if not (given or args.detector or args.whole_image):
        print('no --boxes and no --detector: each image is predicted as one person', file=sys.stderr)
    frames = read_frames(sources, given.missing if given else None)
    frames = given.fill(frames) if given else frames
    with started(), ExitStack() as ending:
        outputs = Outputs(args.out, sources, predictor.model.metainfo, args.draw, args.html, given)
        ending.callback(_summarize, outputs, args.out)
        ending.callback(outputs.close)
        try:
            _predict(predictor.stream(frames), outputs, tracker, total)
        except KeyboardInterrupt:
            raise KeyboardInterrupt('finished frames are kept') from None
    return int(bool(outputs.broken))


def _predict(stream: Any, outputs: Any, tracker: Any, total: int | None) -> None:
    """Write the poses of all frames, with a progress bar."""
    with _progress() as bar, closing(stream):
        task = bar.add_task('predicting', total=total, rate='')
        for frame, poses in stream:
            if tracker:
                tracker.update(frame, poses)
            outputs.write(frame, poses)
            seconds = max(bar.tasks[task].elapsed or 0, 1e-3)
            rate = f'{outputs.frames / seconds:.1f} frames/s, {outputs.people / seconds:.1f} people/s'
            bar.update(task, advance=frame.error is None or frame.index is None, rate=rate)


def _check(args: argparse.Namespace) -> tuple:
    """Find the inputs, match their boxes and check the output folder, before anything slow is done."""
    if (args.config is None, args.checkpoint is None) != (args.model is not None,) * 2:
        raise InputError('expected --config with --checkpoint, or --model with an exported file')
    if args.batch_size is not None and args.batch_size < 1:
        raise InputError(f'--batch-size {args.batch_size}: expected at least 1')
    if args.images_json and not args.boxes:
        raise InputError(f'--images-json {args.images_json}: only with --boxes FILE, a list of COCO detections')
    check_readable(args.config, 'config file', option='--config')
    check_readable(args.checkpoint, 'checkpoint', folder=True, option='--checkpoint')
    check_readable(args.model, 'exported file', option='--model')
    check_readable(args.boxes, option='--boxes')
    check_readable(args.images_json, option='--images-json')
    check_detector(args.detector, 'INPUT')
    from ..predict.extras import need
    from ..predict.inputs.boxes import read_boxes
    from ..predict.inputs.sources import count_frames, find_sources
    from ..predict.outputs.output_files import prepare_folder

    sources = find_sources(args.inputs, args.out)
    if args.draw and any(source.kind == 'camera' for source in sources):
        need('av', 'writing videos')
    given = read_boxes(args.boxes, sources, args.images_json) if args.boxes else None
    total = count_frames([source for source in sources if not (given and source.name in given.missing)])
    tracker = None
    if args.track:
        from ..predict.tracking import Tracker

        tracker = Tracker()
    prepare_folder(args.out)
    return sources, given, total, tracker


def _load(args: argparse.Namespace) -> Any:
    """Load the model, and the detector if there is one."""
    from ..predict.detector_file import open_detector
    from ..predict.predictor import PosePredictor

    detector = open_detector(*args.detector, device=args.device) if args.detector else None
    return PosePredictor.load(
        args.model or args.config,
        args.checkpoint,
        device=args.device,
        precision=args.precision,
        flip_test=args.flip_test,
        dataset=args.dataset,
        detector=detector,
        batch_size=args.batch_size,
    )


def _progress() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn('{task.description}'),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn('{task.fields[rate]}'),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )


def _summarize(outputs: Any, out: Path) -> None:
    def count(number: int, noun: str, plural: str = '') -> str:
        return f'{number:,} {noun if number == 1 else plural or noun + "s"}'

    print(f'{count(outputs.frames, "frame")}, {count(outputs.people, "person", "people")}')
    print(f'{out}: {", ".join(outputs.written())}')
    if outputs.dropped:
        print(f'{count(outputs.dropped, "box", "boxes")} not predicted, with the reason in predictions.jsonl')
    if outputs.broken:
        print(f'{count(len(outputs.broken), "input")} broken or without boxes:')
        for name, error in outputs.broken.items():
            print(f'  {name}: {error}')
