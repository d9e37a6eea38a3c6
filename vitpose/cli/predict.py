"""`vitpose predict`: poses in images and videos."""

import argparse
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from ..errors import InputError, printable, started
from ..models.names import DEFAULT, is_name
from ..shipped import find_config
from . import input_options
from .paths import check_detector, check_model, check_readable
from .shared_options import ONNX_DEVICES, add_config_options, add_device, check_positive, parse_config_options

DESCRIPTION = """Predict poses in images and videos, draw them and write them as JSON:

  OUT/predictions.jsonl  a header, then a line per image or video frame as it is
                         predicted: boxes, keypoints, scores, or why there are
                         none
  OUT/keypoints.json     COCO keypoint results, for COCO.loadRes of pycocotools,
  OUT/images.json        and the images, unless a COCO file of --boxes has them
  OUT/drawn/             the images, or H.264 videos, with poses

INPUT is an image, a video, a folder (searched with all folders below), a
quoted glob such as 'photos/**/*.jpg', the index of a camera, such as 0, a URL
of an image, a video or a stream (http, https, rtsp, rtmp, srt, udp), or a .txt
file with one of these per line. For cameras and streams, the newest frame is
predicted; a stream that breaks off and does not return is a broken input.

For a model of people, such as tiny, a detector finds the people: MMPose's
RTMDet with MMDetection, or yolox or nanodet from the cache, or nanodet, which
is downloaded. Without a network, the model itself finds one person per image; a
model of `vitpose dataset` for one object per image finds it in the same way.
For all other models, each image is one person.

After Ctrl-C, SIGTERM, SIGHUP or a crash, --resume continues: frames in
predictions.jsonl are kept, an unfinished video starts again. Without it, an
earlier prediction in OUT is replaced as soon as there is a first result. The
exit code is 1 if an input was broken; the others are still predicted."""

EPILOG = """examples:
  vitpose predict photo.jpg
  vitpose predict walk.mp4 --model base --track
  vitpose predict photos/ --config CONFIG --checkpoint FILE.pth --out poses
  vitpose predict walk.mp4 --model FILE.onnx --detector rtmdet-m --track

CONFIG is what the model was trained with, for example
configs/coco/vitpose-base_coco-256x192.py. FILE.onnx, or FILE.xml of OpenVINO,
is written by `vitpose export`; it needs neither torch nor MMPose. --model
CHECKPOINT --dataset coco needs torch alone."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add, people = parser.add_argument, parser.add_mutually_exclusive_group()
    add('inputs', nargs='+', metavar='INPUT', help='images, videos, folders, globs, URLs or a camera')
    add('--config', type=find_config, help='config of the model')
    add('--checkpoint', type=Path, metavar='FILE', help='checkpoint of the model')
    add_config_options(parser)
    text = 'name of `vitpose models` or of the hub, exported file, or checkpoint of a ViTPose (default: tiny)'
    add('--model', metavar='NAME|FILE', help=text)
    add('--out', type=Path, default=Path('poses'), metavar='DIR', help='folder to write (default: poses)')
    text = 'person boxes: COCO annotations, COCO detections, or JSON lines, {"file": NAME, "boxes": [[x1, y1, x2, y2]]}'
    people.add_argument('--boxes', type=Path, metavar='FILE', help=text)
    words, text = ('CONFIG', 'CHECKPOINT'), 'auto, nanodet, yolox, FILE.onnx of NanoDet or YOLOX, or one of MMDetection'
    people.add_argument('--detector', nargs='+', metavar=words, help=f'person detector: {text} (default: auto)')
    people.add_argument('--whole-image', action='store_true', help='each image is one person')
    input_options.add_box_options(parser)
    input_options.add_detector_options(parser)
    text = 'detect in every Nth frame of a video; in between, boxes follow the keypoints (default 1, for one object 30)'
    add('--det-every', type=int, metavar='N', help=text)
    add_device(parser, names=ONNX_DEVICES)
    text = 'precision of the network (default fp32, or that of an exported file); auto: bf16 or fp16 on a GPU'
    add('--precision', choices=('fp32', 'bf16', 'fp16', 'auto'), help=text)
    text = 'people per batch, or auto: what fits in a GPU (default 16, on a GPU 64); 1: bitwise reproducible'
    add('--batch-size', type=batch_size, metavar='N', help=text)
    add('--flip-test', action='store_true', help='average with the mirrored image: slower, more accurate')
    text = 'dataset whose keypoints a multi-dataset model predicts; with --model CHECKPOINT, the one it was trained on'
    add('--dataset', metavar='NAME', help=text)
    add('--draw', action=argparse.BooleanOptionalAction, default=True, help='write drawn images (default: yes)')
    text = 'comma-separated: jsonl, coco, csv (of DeepLabCut), openpose, yolo, npz; as labels dlc, cvat (COCO), slp'
    add('--save', default='jsonl,coco', metavar='LIST', help=f'{text} (default: %(default)s)')
    add('--uncertain', type=int, metavar='N', help='list the N frames with the lowest scores: label them next')
    add('--save-crops', action='store_true', help='write the part of each box inside the image')
    add('--html', action='store_true', help='write a page to look through the predictions')
    add('--resume', action='store_true', help='continue an earlier run with the same inputs, options and --out')
    input_options.add_input_options(parser)
    style = parser.add_argument_group('drawing')
    add = style.add_argument
    add('--show', action='store_true', help='show poses in a window, or without a display on a local page; q ends')
    text = 'draw keypoints, and label them with --save yolo, dlc, cvat or slp, from this score on: the probability '
    text += 'that they are right if the model is calibrated, else the peak of the heatmap (default 0.3)'
    add('--kpt-score', type=float, default=0.3, metavar='S', help=text)
    add('--uncertainty', action='store_true', help='write and draw the spread of each keypoint, as an ellipse')
    add('--names', action='store_true', help='write the name of each keypoint beside it')
    add('--thickness', type=float, metavar='PX', help='thickness of links (default: by the size of the box)')
    add('--radius', type=float, metavar='PX', help='radius of keypoints (default: by the thickness)')
    add('--no-boxes', action='store_true', help='draw neither boxes nor track ids')
    add('--blank', action='store_true', help='draw on black')


def batch_size(text: str) -> int | str:
    return text if text == 'auto' else int(text)


def run(args: argparse.Namespace) -> int:
    sources, boxes, total, tracker, settings, record, outputs_options, read_options = _prepare(args)
    from ..predict.inputs.images import report_range
    from ..predict.inputs.sources import read_frames
    from ..predict.outputs.output_files import Outputs
    from ..predict.outputs.viewer import Viewer
    from ..predict.predictor import PosePredictor
    from ..predict.smoothing import smooth

    names = ('device', 'precision', 'flip_test', 'dataset', 'batch_size', 'cfg_options', 'det_every', 'uncertainty')
    options = {name: getattr(args, name) for name in names} | input_options.open_given_detector(args)
    options |= {'detector': None} if args.whole_image or boxes else {}
    predictor = PosePredictor.load(args.model or args.config, args.checkpoint, **options)
    if not (boxes or args.whole_image or predictor.detector):
        name = printable(predictor.model.metainfo.get('category') or 'person')
        print(f'no --boxes and no --detector: each image is one {name}', file=sys.stderr)
    if predictor.detector:
        threshold = predictor.detector.score_threshold  # chooses a detector now, before the progress bar
        if tracker:
            tracker.score_threshold = threshold
    if args.resume:
        print(f'{len(record.done):,} of {len(sources):,} inputs were predicted before', file=sys.stderr)
    report_range.cache_clear()
    left = [source for source in sources if source.name not in record.done]
    frames = read_frames(left, boxes.missing if boxes else None, **read_options)
    frames = boxes.fill(frames) if boxes else frames
    with started(), ExitStack() as ending:
        metainfo, viewer = predictor.model.metainfo, Viewer() if args.show else None
        outputs_options |= {'show': viewer.put} if viewer else {}
        outputs = Outputs(args.out, sources, metainfo, args.draw, args.html, boxes, record, settings, **outputs_options)
        ending.callback(_summarize, outputs, args.out, boxes, args.uncertain)
        ending.callback(_close, outputs)
        try:
            for frame, poses in record.frames() if tracker else ():
                tracker.update(frame, poses)
            with closing(predictor.stream(frames, any(source.kind == 'live' for source in left))) as stream:
                results = _tracked(stream, tracker) if tracker else stream
                results = smooth(results, args.max_gap) if args.smooth else results
                _predict(results, outputs, total, viewer)
            outputs.finished = True
        except KeyboardInterrupt:
            raise KeyboardInterrupt('finished frames are kept') from None
    return int(bool(outputs.broken))


def _tracked(stream: Any, tracker: Any) -> Iterator[Any]:
    for frame, poses in stream:
        tracker.update(frame, poses)
        yield frame, poses


def _predict(results: Any, outputs: Any, total: int | None, viewer: Any) -> None:
    """Write, and show, the poses of all frames, with a progress bar."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = ('{task.description}', BarColumn(), MofNCompleteColumn(), '{task.fields[rate]}', TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task('predicting', total=total, rate='')
        for frame, poses in results:
            outputs.write(frame, poses)
            if viewer:
                viewer.refresh()
            seconds = max(bar.tasks[task].elapsed or 0, 1e-3)
            rate = f'{outputs.frames / seconds:.1f} frames/s, {outputs.people / seconds:.1f} people/s'
            bar.update(task, advance=frame.error is None or frame.index is None, rate=rate)


def _close(outputs: Any) -> None:
    """Finish the files even if a signal arrives meanwhile; it is raised afterwards."""
    with ThreadPoolExecutor(1, 'finish') as finishing:
        finishing.submit(outputs.close).result()


def _prepare(args: argparse.Namespace) -> tuple:
    """Check options, find the inputs, match their boxes and make the output folder, before anything slow is done."""
    if args.config is None and args.checkpoint is None:
        args.model = args.model or DEFAULT
    elif args.model or args.config is None or args.checkpoint is None:
        raise InputError('expected --config with --checkpoint, or --model with a name or a file')
    check_positive(args, *([] if args.batch_size == 'auto' else ['batch_size']), 'det_every', 'uncertain')
    check_readable(args.config, 'config file', option='--config')
    check_readable(args.checkpoint, 'checkpoint', folder=True, option='--checkpoint')
    check_model(args.model, '--model')
    if args.cfg_options and args.model and (args.model == DEFAULT or not is_name(args.model)):
        words = ' '.join(args.cfg_options)
        raise InputError(f'--cfg-options {words}: only with --config, or a name of published weights')
    if (input_options.read_detector_options(args) or args.det_every) and (args.boxes or args.whole_image):
        raise InputError('--det-score, --det-nms, --det-class, --det-every: only without --boxes and --whole-image')
    box_options = input_options.read_box_options(args)
    check_detector(args.detector, 'INPUT')
    args.cfg_options = parse_config_options(args.cfg_options) if args.cfg_options else None
    from ..predict.drawing import DrawStyle
    from ..predict.inputs.boxes import read_boxes
    from ..predict.inputs.sources import count_frames, find_sources
    from ..predict.optional_imports import import_optional
    from ..predict.outputs.output_files import prepare_folder
    from ..predict.outputs.pose_formats import choose_formats
    from ..predict.outputs.results import LINES, Record, comparable, read_record
    from ..predict.tracking import Tracker

    style = DrawStyle(args.kpt_score, args.names, args.thickness, args.radius, not args.no_boxes, args.blank)
    outputs_options = dict(style=style, save=choose_formats(args.save), crops=args.save_crops, sound=True)
    sources = find_sources(args.inputs, args.out)
    if {'dlc', 'cvat'} & {*outputs_options['save']} and all(source.kind != 'image' for source in sources):
        raise InputError(f'--save {args.save}: dlc and cvat label images, but none of the inputs is an image')
    read_options = input_options.read_input_options(args, {source.kind for source in sources})
    if args.draw and 'every_frame' in read_options:
        import_optional('av', 'writing videos')
    boxes = read_boxes(args.boxes, sources, **box_options) if args.boxes else None
    settings = comparable(vars(args) | {'model': args.model and Path(args.model)})
    record = read_record(args.out, sources, settings) if args.resume else Record(args.out / LINES)
    done = {*record.done, *(boxes.missing if boxes else ())}
    total = count_frames([source for source in sources if source.name not in done], **read_options['part'])
    tracker = Tracker() if args.track else None
    prepare_folder(args.out)
    return sources, boxes, total, tracker, settings, record, outputs_options, read_options


def _summarize(outputs: Any, out: Path, boxes: Any, uncertain: int | None) -> None:
    from ..predict.outputs.results import count_objects, write_uncertain

    def count(number: int, noun: str, plural: str = '') -> str:
        return f'{number:,} {noun if number == 1 else plural or noun + "s"}'

    print(printable(f'{count(outputs.frames, "frame")}, {count_objects(outputs.people, outputs.metainfo)}'))
    if uncertain and outputs.frames:
        print('lowest mean scores of keypoints:', *map(printable, write_uncertain(out, uncertain)), sep='\n  ')
    print(printable(f'{out}: {", ".join(outputs.written())}'))
    text = 'dropped to predict the newest; --every-frame keeps all'
    lines = [f'{name}: {count(number, "frame")} {text}' for name, number in outputs.left_out.items() if number]
    for line in [*lines, *(boxes.notes() if boxes else ())]:
        print(printable(line))
    if outputs.dropped:
        print(f'{count(outputs.dropped, "box", "boxes")} not predicted, with the reason in predictions.jsonl')
    if outputs.broken:
        broken = (printable(f'{name}: {error.removeprefix(f"{name}: ")}') for name, error in outputs.broken.items())
        print(f'{count(len(outputs.broken), "input")} broken or without boxes:', *broken, sep='\n  ')
