"""Memory and open files of each process of a long training on rendered people."""

import argparse
import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from statistics import mean

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / 'configs' / 'synthetic' / 'vitpose-mini_synthetic-128x96.py'
IMAGES, BATCH, WORKERS = 240, 4, 2
LIMIT = 1.02  # of the last third, relative to the middle one
# the same hooks, loaders and transforms with a network that takes milliseconds
SMALL = [
    'model.backbone.arch.depth=1',
    'model.backbone.arch.embed_dim=24',
    'model.backbone.arch.num_heads=1',
    'model.head.in_channels=24',
    'model.head.deconv_channels=8',
    'default_hooks.logger.interval=20',
    f'train_dataloader.batch_size={BATCH}',
    f'train_dataloader.num_workers={WORKERS}',
]


def processes() -> dict[str, tuple[float, int]]:
    """Resident memory in MB and open files of the training and of its data workers."""
    (mim,) = _children(os.getpid())
    (training,) = _children(mim)
    result = {}
    for number, pid in enumerate([training, *_children(training)[:WORKERS]]):
        with suppress(FileNotFoundError):  # it ended meanwhile
            pages, files = int(Path(f'/proc/{pid}/statm').read_text().split()[1]), len(os.listdir(f'/proc/{pid}/fd'))
            name = f'worker {number}' if number else 'training'
            result[name] = (pages * os.sysconf('SC_PAGE_SIZE') / 2**20, files)
    return result


def _children(pid: int) -> list[int]:
    files = Path(f'/proc/{pid}/task').glob('*/children')
    return sorted(int(child) for file in files for child in file.read_text().split())


def train(data: Path, folder: Path, iterations: int, persistent: bool) -> dict[str, list]:
    """Train; return for each process [iteration, MB, open files] every 20 iterations."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from vitpose.demo.pipeline import data_options
    from vitpose.runs.command import mim_command, run_logged
    from vitpose.runs.training_log import parse_step

    people = len(json.loads((data / 'annotations/train.json').read_text())['annotations'])
    epochs = -(-iterations // (people // BATCH))
    options = [*data_options(data), *SMALL, f'train_cfg.max_epochs={epochs}', 'train_cfg.val_interval=5']
    options += [f'param_scheduler.1.{key}={epochs}' for key in ('T_max', 'end')]
    options.append(f'train_dataloader.persistent_workers={persistent}')
    found: dict[str, list] = {}
    columns = (TextColumn('{task.description}'), BarColumn(), TextColumn('{task.completed}'), TimeRemainingColumn())
    with Progress(*columns) as progress:
        task = progress.add_task('persistent workers' if persistent else 'workers', total=iterations)

        def sample(line: str) -> None:
            step = parse_step(line)
            if step is None:
                return
            done = (step.epoch - 1) * step.iterations + step.iteration
            progress.update(task, completed=done)
            for name, state in processes().items():
                found.setdefault(name, []).append([done, *state])

        run_logged(mim_command('train', CONFIG, folder, *options), folder.with_suffix('.log'), sample)
    return found


def thirds(samples: list, iterations: int, column: int) -> list[float]:
    """Means of a column of the samples in each third of the iterations."""
    parts = [[row[column] for row in samples if i < 3 * row[0] / iterations <= i + 1] for i in range(3)]
    return [mean(part) for part in parts]


def main() -> int:
    """Render, train twice, print; 1 if memory or open files grew."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--out', type=Path, default=Path('work_dirs/memory'))
    parser.add_argument('--iterations', type=int, default=3000)
    args = parser.parse_args()
    from vitpose.cli.main import main as vitpose
    from vitpose.runs.table import machine

    data = args.out / 'data'
    args.out.mkdir(parents=True, exist_ok=True)
    if not data.exists() and vitpose(['synth', '--out', str(data), '--train', str(IMAGES), '--val', '20']):
        return 1
    print(machine())
    grew = False
    for persistent in (False, True):
        name = 'persistent' if persistent else 'workers'
        result = args.out / f'{name}.json'
        if not result.exists():  # a second call continues
            result.write_text(json.dumps(train(data, args.out / name, args.iterations, persistent)))
        for process, samples in json.loads(result.read_text()).items():
            for column, unit in ((1, 'MB'), (2, 'open files')):
                first, middle, last = thirds(samples, args.iterations, column)
                grew |= last > LIMIT * middle
                print(f'{name:10} {process:9} {first:7.1f} {middle:7.1f} {last:7.1f} {unit}, {last / middle - 1:+.2%}')
    return int(grew)


if __name__ == '__main__':
    sys.exit(main())
