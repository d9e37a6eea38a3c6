"""Predict the poses of many images with Ray Data: an exported file in several worker processes, Parquet shards out."""

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import ray
from ray.data import ActorPoolStrategy

from vitpose.cli.input_options import add_box_options, read_box_options
from vitpose.predict.inputs.boxes import read_boxes
from vitpose.predict.inputs.sources import find_sources, read_frames
from vitpose.predict.outputs.results import line_of
from vitpose.predict.poses import Frame
from vitpose.predict.predictor import PosePredictor

NUMBERS, BOXES = pa.list_(pa.float64()), pa.list_(pa.list_(pa.float64()))
LIST = pa.schema([('file', pa.string()), ('boxes', BOXES), ('scores', NUMBERS), ('error', pa.string())])
ROWS = pa.schema(  # the lines of `vitpose predict`, for images
    [
        ('file', pa.string()),
        ('size', pa.list_(pa.int64())),
        ('error', pa.string()),
        ('boxes', BOXES),
        ('scores', NUMBERS),
        ('keypoints', pa.list_(BOXES)),
        ('keypoint_scores', BOXES),
        ('dropped', pa.list_(pa.string())),
    ]
)


class Worker:
    """One predictor, in a process of its own.

    Args:
        model: exported file, at the same path on all machines.
        folder: absolute, that relative names of images start from: workers have another working directory.
    """

    def __init__(self, model: str, folder: str):
        self.folder = folder
        self.predictor = PosePredictor.load(model)

    def __call__(self, batch: pa.Table) -> pa.Table:
        """Rows of `LIST` -> rows of `ROWS`, in the same order."""
        frames = []
        for row in batch.to_pylist():
            path = os.path.join(self.folder, row['file'])
            frames.append(Frame(path, None, boxes=row['boxes'], box_scores=row['scores'], error=row['error']))
        lines = [line_of(*found) for found in self.predictor.stream(frames)]
        for line, name in zip(lines, batch['file'].to_pylist(), strict=True):
            if line['error'] is not None:
                line['error'] = line['error'].replace(line['file'], name)
            line['file'] = name  # as it was given
        return pa.Table.from_pylist(lines, schema=ROWS)


def list_images(inputs: list[str], boxes: Path | None = None, **box_options: Any) -> pa.Table:
    """The images to predict.

    Args:
        inputs: images, folders and globs, as for `vitpose predict`; or one Parquet file, with a text column `file` and,
            unless the whole image is one person, `boxes`, a list of lists x1 y1 x2 y2 per image.
        boxes: boxes of the people, as for `vitpose predict`; not with a Parquet file.
        box_options: the other arguments of `read_boxes`.

    Returns:
        Rows of `LIST`.

    Raises:
        OSError: a file does not exist.
        ValueError: a file cannot be used, or a video is among the inputs.
    """
    if any(text.endswith('.parquet') for text in inputs):
        if len(inputs) > 1 or boxes:
            raise ValueError(f'{" ".join(inputs)}: expected one Parquet file alone, with a column `boxes` for boxes')
        return _read_list(Path(inputs[0]))
    sources = find_sources(inputs)
    videos = [source.name for source in sources if source.kind != 'image']
    if videos:
        raise ValueError(f'{videos[0]}: expected images; `vitpose predict` predicts videos')
    given = read_boxes(boxes, sources, **box_options) if boxes else None
    frames = read_frames(sources, given.missing if given else None)
    rows = []
    for frame in given.fill(frames) if given else frames:
        corners, scores = (None if each is None else each.tolist() for each in (frame.boxes, frame.box_scores))
        rows.append(dict(file=frame.name, boxes=corners, scores=scores, error=frame.error))
    return pa.Table.from_pylist(rows, schema=LIST)


def predict(images: pa.Table, model: Path, out: Path, workers: int, rows: int = 64) -> list[str]:
    """Predict with `workers` processes and write Parquet files of `rows` rows each.

    Ray restarts a worker that dies and gives its images to another one; a file of `out` is written as a whole.

    Args:
        images: rows of `LIST`.
        model: exported file.
        out: folder that is empty or does not exist.
        workers: processes, one core each.
        rows: images per task and per file.

    Returns:
        One line per image that could not be predicted: its name and the reason.

    Raises:
        RuntimeError: an image is missing in `out`, or is there twice.
    """
    tasks = [images.slice(start, rows) for start in range(0, len(images), rows)]
    found = ray.data.from_arrow(tasks).map_batches(
        Worker,
        fn_constructor_args=(str(model.absolute()), os.getcwd()),
        batch_format='pyarrow',
        batch_size=None,  # a whole task
        compute=ActorPoolStrategy(size=workers),
        num_cpus=1,
    )
    found.write_parquet(str(out.absolute()))
    table = pq.read_table(out, columns=['file', 'error'])
    written = table['file'].to_pylist()
    if sorted(written) != sorted(images['file'].to_pylist()):
        raise RuntimeError(f'{out}: {len(written)} rows with {len(set(written))} images; expected {len(images)}')
    rows = [row for row in table.to_pylist() if row['error'] is not None]
    return [f'{row["file"]}: {row["error"].removeprefix(row["file"] + ": ")}' for row in rows]


def start_ray(workers: int, address: str | None = None) -> None:
    """Connect to a cluster, or start Ray on this computer, with one core more than workers, which writes."""
    os.environ.setdefault('RAY_USAGE_STATS_ENABLED', '0')
    options: dict[str, Any] = dict(address=address) if address else dict(num_cpus=workers + 1, include_dashboard=False)
    ray.init(logging_level='warning', **options)


def _read_list(path: Path) -> pa.Table:
    if not path.is_file():
        raise FileNotFoundError(f'{path}: no such file')
    try:
        table = pq.read_table(path)
        names = [name for name in ('file', 'boxes', 'scores') if name in table.column_names]
        columns = {name: table[name].cast(LIST.field(name).type) for name in names}
    except pa.ArrowException as problem:
        raise ValueError(f'{path}: expected Parquet with a text `file` and lists `boxes` ({problem})') from problem
    if 'file' not in columns or columns['file'].null_count:
        raise ValueError(f'{path}: expected a text in a column `file` in every row; columns: {table.column_names}')
    rest = {name: pa.nulls(len(table), LIST.field(name).type) for name in LIST.names if name not in columns}
    return pa.table({**columns, **rest}).select(LIST.names)


def main() -> int:
    """Predict what the command line says; return 1 if an image is broken, 2 if nothing was started."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('inputs', nargs='+', metavar='INPUT', help='images, folders, globs; or one LIST.parquet')
    parser.add_argument('--model', required=True, type=Path, metavar='FILE', help='file of `vitpose export`')
    parser.add_argument('--out', required=True, type=Path, metavar='DIR', help='new folder for the Parquet files')
    parser.add_argument('--boxes', type=Path, metavar='FILE', help='boxes of the people, as for `vitpose predict`')
    add_box_options(parser)
    parser.add_argument('--workers', type=int, default=2, metavar='N', help='processes, one core each (default 2)')
    parser.add_argument('--rows', type=int, default=64, metavar='N', help='images per task and file (default 64)')
    parser.add_argument('--address', help="of a Ray cluster, such as 'auto' (default: this computer)")
    args = parser.parse_args()
    try:
        if args.workers < 1 or args.rows < 1:
            raise ValueError(f'--workers {args.workers} --rows {args.rows}: expected at least 1 each')
        if args.out.exists() and (not args.out.is_dir() or any(args.out.iterdir())):
            raise FileExistsError(f'{args.out}: expected an empty or new folder')
        images = list_images(args.inputs, args.boxes, **read_box_options(args))
        PosePredictor.load(args.model)  # a file that cannot be run fails here, once
    except (ValueError, OSError) as problem:
        print(f'ray_predict: {problem}', file=sys.stderr)
        return 2
    start_ray(args.workers, args.address)
    start = time.perf_counter()
    broken = predict(images, args.model, args.out, args.workers, args.rows)
    seconds = time.perf_counter() - start
    print(f'{len(images)} images in {seconds:.1f} s with the start of {args.workers} workers')
    if broken:
        print(f'{len(broken)} of them broken or without boxes:', *sorted(broken), sep='\n  ')
    return int(bool(broken))


if __name__ == '__main__':
    sys.exit(main())
