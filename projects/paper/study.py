"""The paper's tables 2 to 8 at small scale, on real photographs, with a verdict per claim.

    python projects/paper/study.py --data FOLDER --everyday FOLDER --weights FOLDER --out work_dirs/paper
    python projects/paper/study.py ... --table 8 5            # these tables
    python projects/paper/study.py ... --jobs 16 --minutes 8  # a sitting on a GPU; repeated, it does the rest
    python projects/paper/study.py ... --out DIR --results DIR --steps 2 --people 48 --seeds 1   # a trial

README.md says what the folders hold. The command first prints how long the runs will take; the most wanted come first.

Each finished run is a small file in projects/paper/results and is not repeated; an interrupted run continues from its
last checkpoint in OUT. At the end the page is written from these files.
"""

import argparse
import os
import sys
import time
from pathlib import Path

import torch
from mmengine import Config
from mmengine.registry import init_default_scope

sys.path.append(str(Path(__file__).resolve().parents[2]))  # for the imports from `projects`

import vitpose_mm  # noqa: F401
from projects.paper import costs
from projects.paper.changes import DINOV2
from projects.paper.photographs import prepare, prepare_members
from projects.paper.report import write_report
from projects.paper.runs import Run, config_of, needs, steps_per_epoch
from projects.paper.tables import TABLES
from projects.studies.study import is_finished, run_all, run_config
from vitpose.cli.main import main as vitpose
from vitpose_mm.optim.autocast import has_bfloat16

HERE = Path(__file__).resolve().parent
SCORES = {'coco/AP': 'AP', 'coco/AP .5': 'AP50', 'PCK': 'PCK@0.1'}


TOKEN = Run(8, 'teacher with token', 0)


def parse() -> argparse.Namespace:
    """Read and check the options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add('--data', type=Path, required=True, help='folder of the photographs')
    add('--everyday', type=Path, help="folder of everyday's photographs, for table 7")
    add('--weights', type=Path, required=True, help=f'folder of {DINOV2}')
    add('--out', type=Path, required=True, help='folder of runs and checkpoints')
    add('--results', type=Path, default=HERE / 'results', help='folder of the finished results')
    add('--table', type=int, nargs='+', choices=sorted(TABLES), default=list(TABLES), help='run these tables alone')
    add('--dtype', choices=('bfloat16', 'float32'), default='bfloat16', help='default bfloat16')
    add('--seeds', type=int, help='seeds per row (default 3, and 5 in table 8)')
    add('--jobs', type=int, default=2, help='runs at the same time, one thread each (default 2)')
    add('--minutes', type=float, help='start no run that would end later')
    add('--steps', type=int, help='of every run, to try the command')
    add('--people', type=int, help="use each file's first people alone, to try the command")
    add('--page', action='store_true', help='train nothing, write the page from the results there are')
    args = parser.parse_args()
    for name, least in dict(seeds=1, jobs=1, minutes=0, steps=1, people=2).items():
        value = getattr(args, name)
        if value is not None and value < least:
            parser.error(f'--{name} {value}: expected at least {least}')
    if args.dtype == 'bfloat16' and not has_bfloat16(costs.DEVICE) and not args.page:
        parser.error(
            '--dtype bfloat16: this processor only emulates it; --dtype float32 trains in float32, more slowly than '
            'planned. One folder of results holds one precision'
        )
    for name in ('data', 'everyday', 'weights', 'out', 'results'):
        value = getattr(args, name)
        setattr(args, name, value and value.resolve())
    if not (args.weights / DINOV2).is_file():
        parser.error(f'--weights {args.weights}: no {DINOV2} there; README.md says where it comes from')
    if 7 in args.table and not args.everyday and not args.page:
        parser.error("--everyday: table 7 needs everyday's photographs; --table trains the others without them")
    args.photographs = args.out / ('photographs' if args.people is None else f'photographs_{args.people}')
    args.rendered = args.photographs / 'rendered'
    try:
        prepare(args, max(args.seeds or table.seeds for table in TABLES.values()))
    except (ValueError, OSError) as problem:
        parser.error(f'--data: {problem}')
    return args


class Study:
    """The runs of the study and their state.

    Attributes:
        args: the options, and what `prepare` adds to them.
        runs: all runs, the most wanted tables first, prerequisites before what needs them.
        configs: of each run.
    """

    def __init__(self, args: argparse.Namespace):
        self.args, self.paths = args, {args.out: 'OUT', args.weights: 'WEIGHTS'}
        args.files = {}
        self.runs: list[Run] = []
        for number, table in TABLES.items():
            first = [Run(number, name, 0) for name in table.prerequisites]
            for run in first:  # each may need the one before
                epochs = config_of(*run, args).train_cfg.max_epochs
                args.files[run.name] = self.folder(run) / f'epoch_{epochs}.pth'
            rows = [(seed, name) for seed in range(args.seeds or table.seeds) for name in table.rows]
            self.runs += first
            self.runs += [Run(number, name, seed) for seed, name in rows if not seed or table.rows[name].longer == 1]
        self.configs: dict[Run, Config] = {run: config_of(*run, args) for run in self.runs}

    def folder(self, run: Run) -> Path:
        """The folder of a run."""
        name = '-'.join(run.name.replace('+', 'with').replace(',', '').split())
        return self.args.out / f'table{run.table}_{name}_seed{run.seed}'

    def result(self, run: Run) -> Path:
        """The result file of a run."""
        return self.args.results / f'{self.folder(run).name}.json'

    def steps(self, run: Run) -> int:
        """Steps of a run; only a masked autoencoder has its own people and batch."""
        config, epoch = self.configs[run], steps_per_epoch(run.table, self.args.labels)
        if 'head' not in config.model:
            epoch = -(-self.args.unlabeled // config.train_dataloader.batch_size)
        return config.train_cfg.max_epochs * epoch

    def seconds(self, run: Run, speed: float = 1) -> float:
        """Roughly how long a run takes on one thread; see `costs.planned_seconds`."""
        return costs.planned_seconds(self.configs[run], self.steps(run), speed)

    def planned(self) -> dict[int, tuple[int, float]]:
        """Steps of each run, and hours of all runs on two cores of the processor above, by table."""
        found = {}
        for number in sorted(TABLES):
            seconds = sum(self.seconds(run) for run in self.runs if run.table == number)
            found[number] = (TABLES[number].epochs * steps_per_epoch(number, self.args.labels), seconds / 7200)
        return found

    def missing(self) -> list[Run]:
        """The runs of the chosen tables without a result of these settings (else ValueError), and what they need."""
        chosen = [run for run in self.runs if run.table in self.args.table]
        missing = {run for run in chosen if not is_finished(self.result(run), self.configs[run], self.paths)}
        wanted = {run for run in missing if run.name in TABLES[run.table].rows}
        for run in reversed(chosen):  # what needs others stands behind them
            if run in wanted:
                made = [(each, self.made(each)) for each in needs(run)]
                wanted |= {each for each, file in made if each in missing or not file.exists()}
        return [run for run in chosen if run in wanted]

    def made(self, run: Run) -> Path:
        """The file that a prerequisite leaves."""
        return self.args.out / 'token.npz' if run == TOKEN else self.args.files[run.name]

    def train(self, run: Run) -> None:
        """Run one training; a prerequisite whose file is lost is repeated."""
        config, is_row = self.configs[run], run.name in TABLES[run.table].rows
        about = dict(table=run.table, row=run.name, dtype=self.args.dtype, macs=costs.macs(config))
        about |= dict(parameters=costs.counted(config).parameters)
        if not is_row:
            self.result(run).unlink(missing_ok=True)
        run_config(config, self.folder(run), self.result(run), SCORES, self.paths, **about)
        extract = ['token', 'extract', str(self.args.files.get(run.name)), '--out', str(self.made(TOKEN))]
        if run == TOKEN and vitpose([*extract, '--overwrite']):
            raise RuntimeError('the token could not be read: the error is printed above')
        if is_row:  # with AdamW's state they would fill a disk
            for file in self.folder(run).glob('*.pth'):
                file.unlink()


def render(args: argparse.Namespace) -> None:
    """Render table 7's people, and write the files of its datasets."""
    images = str(args.labels // 2 + 8)  # about 2.5 people in each
    command = ['synth', '--kind', 'coco', '--out', str(args.rendered), '--train', images, '--val', '1', '--seed', '0']
    if not args.rendered.exists() and vitpose([*command, '--workers', str(args.jobs)]):
        sys.exit(1)  # the error is already printed
    prepare_members(args)


def estimate(study: Study, missing: list[Run]) -> dict[Run, float]:
    """Measure a step of each table, print how long its runs take, and return the seconds of each run."""
    found, jobs = {}, study.args.jobs
    for number in dict.fromkeys(run.table for run in missing):
        runs = [run for run in missing if run.table == number]
        first = Run(number, next(iter(TABLES[number].rows)), 0)
        config = study.configs[first]
        speed = costs.measured_speed(config, study.args.dtype)
        found |= {run: study.seconds(run, speed) for run in runs}
        step = speed * costs.PER_MAC * costs.macs(config) * config.train_dataloader.batch_size
        hours = sum(found[run] for run in runs) / 3600 / jobs
        print(
            f'table {number}: {len(runs)} runs, {study.steps(first):,} steps each; a step of the first row takes '
            f'{step:.3f} s without loading: about {hours:.2f} h, {jobs} at a time',
            flush=True,
        )
    print(f'all: {len(missing)} runs, about {sum(found.values()) / 3600 / jobs:.2f} h', flush=True)
    return found


def run_missing(study: Study, missing: list[Run]) -> None:
    """Train what is missing, for as long as there is time."""
    begin, seconds = time.monotonic(), estimate(study, missing)
    done = {'planned': 0.0, 'passed': 0.0}

    def train(run: Run) -> None:
        start = time.monotonic()
        study.train(run)
        done['planned'] += seconds[run]
        done['passed'] += time.monotonic() - start

    def may_start(run: Run) -> bool:
        if study.args.minutes is None:
            return True
        ratio = done['passed'] / done['planned'] if done['planned'] else 1
        return time.monotonic() - begin + ratio * seconds[run] <= 60 * study.args.minutes

    if any('datasets' in study.configs[run].train_dataloader.dataset for run in missing):
        render(study.args)
    run_all('paper', train, missing, study.args.jobs, seconds.__getitem__, needs, may_start)


def main() -> None:
    """Train what is missing and write the page."""
    os.environ['OMP_NUM_THREADS'] = '1'
    torch.set_num_threads(1)
    init_default_scope('mmpose')
    args = parse()
    study = Study(args)
    try:
        missing = [] if args.page else study.missing()
        if missing:
            run_missing(study, missing)
        left = [] if args.page else study.missing()
    except ValueError as problem:
        sys.exit(f'study.py: {problem}')
    for table in () if args.page or left else costs.MEASURED:
        if table in args.table:
            costs.measure_costs(table, args)
    write_report(args.results, HERE if args.results == HERE / 'results' else args.results, study.planned())
    if left:
        print(f'{len(left)} runs are left: run the same command again')


if __name__ == '__main__':
    main()
