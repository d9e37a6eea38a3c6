"""The paper's tables 2, 4, 5, 7 and 8 at small scale, on real photographs, with a verdict per claim.

    python projects/paper/study.py --data FOLDER --out work_dirs/paper --pretrained FILE
    python projects/paper/study.py --data FOLDER --out work_dirs/paper --table 5       # one table
    python projects/paper/study.py --data FOLDER --out DIR --results DIR --steps 2 --people 48 --seeds 1   # a trial

FOLDER holds train.json, val.json and images/, as in projects/pretrain/README.md. FILE is a pre-trained backbone of 6
blocks of width 192, a checkpoint of projects/pretrain/study.py, from which table 8's teacher starts; without it the
teacher starts from scratch, as all other rows do.

Each finished run is a small file in projects/paper/results and is not repeated; an interrupted run continues from its
last checkpoint in OUT. At the end the page is written from these files.
"""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import NamedTuple

import torch
from mmengine import Config
from mmengine.registry import init_default_scope

sys.path.append(str(Path(__file__).resolve().parents[2]))  # for the imports from `projects`

import vitpose_mm  # noqa: F401
from projects.paper.changes import SEEDS, rendered_folder, steps_per_epoch
from projects.paper.photographs import prepare
from projects.paper.report import write_report
from projects.paper.tables import TABLES, checkpoint_of, config_of, folder_of
from projects.studies.study import check_finished, run_all, run_config
from vitpose.cli.main import main as vitpose
from vitpose.runs.table import machine
from vitpose_base.files import write_text
from vitpose_mm.cost import Count, count, measure
from vitpose_mm.optim.autocast import has_bfloat16

HERE = Path(__file__).resolve().parent
SCORES = {'coco/AP': 'AP', 'coco/AP .5': 'AP50', 'PCK': 'PCK@0.1'}
COUNTS: dict[str, Count] = {}  # by model, as JSON
MEASURED = {4: ('inference', 32), 5: ('train', 24)}  # of these tables: what, and images per step
TEACHER_MACS = 162e6  # of 6 blocks of width 192 at 128x96
# Seconds on two cores of a processor with avx512_bf16, in bf16: of loading 24 photographs, and of a step with 24 of
# them per MAC of the network for one. Together they give the measured 0.145 s of the 6 blocks of width 192 at 128x96.
LOADING, PER_MAC = 0.045, 0.1 / TEACHER_MACS
HELD_OUT, START = 3 * LOADING / 24, 3  # seconds per held-out photograph without the network, and per run


class Run(NamedTuple):
    """One training."""

    table: int
    name: str
    seed: int


TEACHER, TOKEN = (Run(8, name, 0) for name in TABLES[8].prerequisites)


def planned_seconds(config: Config, macs: int, args: argparse.Namespace) -> float:
    """Roughly how long a run takes on both cores of the processor above."""
    batch, loop = config.train_dataloader.batch_size, config.train_cfg
    step = (LOADING + PER_MAC * macs) * batch / 24 + (PER_MAC * TEACHER_MACS / 3 if 'teacher' in config.model else 0)
    test = args.held_out * (HELD_OUT + PER_MAC / 24 * macs * 2 * 2 / 3)  # a third of a step, twice, in float32
    return START + loop.max_epochs * steps_per_epoch(args) * step + loop.max_epochs // loop.val_interval * test


def counted(config: Config) -> Count:
    """Parameters and MACs of a config's model; models that occur in several runs are counted once."""
    key = json.dumps(config.model.to_dict())
    if key not in COUNTS:
        COUNTS[key] = count(config.model)
    return COUNTS[key]


def measure_costs(table: int, args: argparse.Namespace) -> None:
    """Measure time and memory of a table's rows, one thread, and write them to a file; a finished file is kept."""
    result = args.results / f'table{table}_cost.json'
    if result.exists():
        return
    mode, batch = MEASURED[table]
    models = [config_of(table, name, 0, args).model for name in TABLES[table].rows]
    print(f'table {table}: measuring time and memory of {len(models)} rows', flush=True)
    found = [
        dict(seconds=each.seconds, bytes=each.peak_bytes) for each in measure(models, mode, batch, dtype=args.dtype)
    ]
    rows = dict(zip(TABLES[table].rows, found, strict=True))
    about = dict(mode=mode, batch=batch, dtype=args.dtype, machine=machine())
    write_text(result, json.dumps(about | {'rows': rows}, indent=1) + '\n')


def parse() -> argparse.Namespace:
    """Read and check the options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--data', type=Path, required=True, help='folder of the photographs')
    parser.add_argument('--out', type=Path, required=True, help='folder of runs and checkpoints')
    parser.add_argument('--results', type=Path, default=HERE / 'results', help='folder of the finished results')
    parser.add_argument('--table', type=int, choices=TABLES, help='run this table alone')
    parser.add_argument('--pretrained', type=Path, help="pre-trained backbone of table 8's teacher")
    parser.add_argument('--dtype', choices=('bfloat16', 'float32'), default='bfloat16', help='default bfloat16')
    parser.add_argument('--seeds', type=int, default=3, help='seeds per row (default 3)')
    parser.add_argument('--jobs', type=int, default=2, help='runs at the same time, one thread each (default 2)')
    parser.add_argument('--steps', type=int, help='of every run, to try the command')
    parser.add_argument('--people', type=int, help='use the first photographs alone, to try the command')
    parser.add_argument('--page', action='store_true', help='train nothing, write the page from the results there are')
    args = parser.parse_args()
    for name, least in dict(seeds=1, jobs=1, steps=1, people=2).items():
        value = getattr(args, name)
        if value is not None and value < least:
            parser.error(f'--{name} {value}: expected at least {least}')
    if args.pretrained is not None:
        args.pretrained = args.pretrained.resolve()
        if not args.pretrained.is_file():
            parser.error(f'--pretrained {args.pretrained}: no such file')
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    if args.dtype == 'bfloat16' and not has_bfloat16(device) and not args.page:
        parser.error(
            '--dtype bfloat16: this processor only emulates it; --dtype float32 trains in float32, more slowly than '
            'planned. One folder of results holds one precision'
        )
    args.data, args.out, args.results = args.data.resolve(), args.out.resolve(), args.results.resolve()
    try:
        prepare(args)
    except (ValueError, OSError) as problem:
        parser.error(f'--data {args.data}: {problem}')
    return args


def needs(run: Run) -> list[Run]:
    """What a run waits for: the token for its teacher, students for both."""
    if run == TOKEN:
        return [TEACHER]
    return [TEACHER, TOKEN] if run.table == 8 and run.name.startswith('+') else []


class Study:
    """The runs of the study and their state.

    Attributes:
        args: the options, and what `prepare` adds to them.
        configs: of each run.
        seconds: planned for each run.
    """

    def __init__(self, args: argparse.Namespace):
        self.args = args
        self.paths = {args.data: 'DATA', args.out: 'OUT'} | ({args.pretrained: 'PRETRAINED'} if args.pretrained else {})
        args.token = args.out / 'token.npz'
        args.teacher = checkpoint_of(self.folder(TEACHER), config_of(*TEACHER, args))
        rows = [Run(table, name, seed) for seed in range(args.seeds) for table in TABLES for name in TABLES[table].rows]
        # students last, since they wait for the teacher
        self.runs = [TEACHER, TOKEN, *sorted(rows, key=lambda run: bool(needs(run)))]
        self.configs = {run: config_of(*run, args) for run in self.runs}
        self.counted = {run: counted(self.configs[run]) for run in self.runs}
        self.seconds = {run: planned_seconds(self.configs[run], self.macs(run), args) for run in self.runs}

    def macs(self, run: Run) -> int:
        """MACs of the network for one image."""
        return sum(self.counted[run].macs.values())

    def folder(self, run: Run) -> Path:
        """The folder of a run."""
        return self.args.out / folder_of(*run)

    def result(self, run: Run) -> Path:
        """The result file of a run."""
        return self.args.results / f'{folder_of(*run)}.json'

    def planned(self) -> dict[int, tuple[int, float]]:
        """Steps of each run and hours of all runs, by table."""
        found = {}
        for number, table in TABLES.items():
            seconds = sum(seconds for run, seconds in self.seconds.items() if run.table == number)
            found[number] = (table.epochs * steps_per_epoch(self.args), seconds / 3600)
        return found

    def missing(self) -> list[Run]:
        """The runs of the chosen tables without a result; teacher and token if a student needs them.

        Raises:
            ValueError: a result is of a run with other settings.
        """
        chosen = [run for run in self.runs if self.args.table in (None, run.table)]
        missing = [run for run in chosen if not check_finished(self.result(run), self.configs[run], self.paths)]
        missing = [run for run in missing if run not in (TEACHER, TOKEN)]
        needed = {each for run in missing for each in needs(run)}
        made = {TEACHER: self.args.teacher, TOKEN: self.args.token}
        return [
            run for run in made if run in needed and not (made[run].exists() and self.result(run).exists())
        ] + missing

    def train(self, run: Run) -> None:
        """Run one training; one whose checkpoint is lost is repeated."""
        config, row = self.configs[run], TABLES[run.table].rows.get(run.name)
        about = dict(table=run.table, row=run.name, dtype=self.args.dtype, macs=self.macs(run))
        about |= dict(parameters=self.counted[run].parameters, pretrained=run == TEACHER and bool(self.args.pretrained))
        about |= dict(photographs=self.args.few if row and row.few else self.args.labels)
        if run in (TEACHER, TOKEN):
            self.result(run).unlink(missing_ok=True)
        run_config(config, self.folder(run), self.result(run), SCORES, self.paths, **about)
        if run == TOKEN:
            source = checkpoint_of(self.folder(run), config)
            if vitpose(['token', 'extract', str(source), '--out', str(self.args.token)]):
                raise RuntimeError('the token could not be read: the error is printed above')


def render(args: argparse.Namespace) -> None:
    """Render the datasets of table 7 that are missing."""
    for kind, seed in SEEDS.items():
        folder = rendered_folder(kind, args)
        images = str(args.labels // 2 + 8)  # about 2.5 people in each
        command = ['synth', '--kind', kind, '--out', str(folder), '--train', images, '--val', '1', '--seed', str(seed)]
        if not folder.exists() and vitpose([*command, '--workers', str(args.jobs)]):
            sys.exit(1)  # the error is already printed


def main() -> None:
    """Train what is missing and write the page."""
    os.environ['OMP_NUM_THREADS'] = '1'
    torch.set_num_threads(1)
    init_default_scope('mmpose')
    args = parse()
    study = Study(args)
    try:
        missing = [] if args.page else study.missing()
    except ValueError as problem:
        sys.exit(f'study.py: {problem}')
    if missing:
        hours = sum(study.seconds[run] for run in missing) / 3600
        print(f'{len(missing)} runs, about {hours:.2g} h on two cores with avx512_bf16', flush=True)
        if any(run.table == 7 for run in missing):
            render(args)
        run_all('paper', study.train, missing, args.jobs, study.seconds.__getitem__, needs)
    for table in () if args.page else MEASURED:
        if args.table in (None, table):
            measure_costs(table, args)
    write_report(args.results, HERE if args.results == HERE / 'results' else args.results, study.planned())


if __name__ == '__main__':
    main()
