"""Knowledge distillation and partial fine-tuning on synthetic people.

    python projects/transfer/study.py      # renders, trains, writes results.md and curves.png to work_dirs/transfer

The teacher (6 blocks of width 192) is trained once, then its knowledge token. The student (4 blocks of width 96) is
trained alone, with the token, with the teacher's heatmaps and with both, for the same number of iterations and with the
same seeds. Partial fine-tuning starts from a model trained on other, harder images; one row trains from scratch
instead. Runs that have finished in OUT are skipped; `--part` runs only one of the two parts.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from mmengine import Config
from rich.progress import Progress

sys.path.append(str(Path(__file__).resolve().parents[2]))  # for the imports from `projects`

from projects.studies.study_report import draw_curves, seed_table
from vitpose.cli.main import main as vitpose
from vitpose.runs.command import mim_command, run_logged
from vitpose.runs.table import machine
from vitpose.runs.training_log import Curve, read_curve
from vitpose_base.files import write_text

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
TEACHER = 'synthetic/vitpose-mini_synthetic-128x96.py'
STAGE_1 = 'transfer/vitpose-mini-token-stage1_synthetic-128x96.py'
TRANSFER = {
    'student alone': 'transfer/vitpose-micro_synthetic-128x96.py',
    '+ token': 'transfer/vitpose-micro-from-mini-token_synthetic-128x96.py',
    '+ output': 'transfer/vitpose-micro-from-mini-output_synthetic-128x96.py',
    '+ both': 'transfer/vitpose-micro-from-mini-both_synthetic-128x96.py',
}
PARTIAL = {
    'from scratch': TEACHER,
    'all': TEACHER,
    'attention frozen': 'transfer/vitpose-mini-freeze-attention_synthetic-128x96.py',
    'FFN frozen': 'transfer/vitpose-mini-freeze-ffn_synthetic-128x96.py',
}
HELD_OUT = 150
STAGE_1_EPOCHS = 2


def render(data: Path, images: int, *options: str) -> None:
    """Render a dataset unless it exists."""
    command = ['synth', '--out', str(data), '--train', str(images), '--val', str(HELD_OUT), *options]
    if not data.exists() and vitpose(command):
        sys.exit(1)  # the error is already printed


def train(
    run: Path,
    leaf: str,
    data: Path,
    epochs: int,
    seed: int = 0,
    start: Path | None = None,
    change: Callable[[Config], None] = lambda config: None,
    val_interval: int = 1,
) -> Path:
    """Train a config, unless the run has finished, and return its last checkpoint.

    `leaf` is relative to configs/, `data` a rendered dataset, `start` a checkpoint whose weights are loaded before, and
    `change` applies further changes to the config in place.
    """
    checkpoint = run / f'epoch_{epochs}.pth'
    if not checkpoint.exists():
        config = Config.fromfile(CONFIGS / leaf)
        for part in ('train', 'val', 'test'):
            config[f'{part}_dataloader'].dataset.data_root = f'{data}/'
            if part != 'train':
                config[f'{part}_evaluator'].ann_file = f'{data}/annotations/val.json'
        config.train_cfg.update(max_epochs=epochs, val_interval=val_interval)
        config.param_scheduler[-1].update(T_max=epochs, end=epochs)
        config.randomness.seed = seed
        if start:
            config.load_from = str(start)
        change(config)
        run.mkdir(parents=True, exist_ok=True)
        config.dump(run / 'run.py')
        run_logged(mim_command('train', run / 'run.py', run), run / 'train.log')
    return checkpoint


def transfer(out: Path, args: argparse.Namespace, progress: Progress) -> dict[str, list[Curve]]:
    """Train teacher, token and students; return the curves of each setting, one per seed."""
    data = out / 'data'
    render(data, args.images)
    task = progress.add_task('transfer', total=2 + args.seeds * len(TRANSFER))
    teacher = train(out / 'teacher', TEACHER, data, args.teacher_epochs, val_interval=args.teacher_epochs)
    progress.advance(task)
    stage_1 = train(out / 'stage1', STAGE_1, data, STAGE_1_EPOCHS, start=teacher)
    progress.advance(task)
    if vitpose(['token', 'extract', str(stage_1), '--out', str(out / 'token.npz'), '--overwrite']):
        sys.exit(1)

    def change(config: Config) -> None:
        if config.model.get('teacher'):
            config.model.teacher.checkpoint = str(teacher)
        if config.model.backbone.get('knowledge_token'):
            config.model.backbone.knowledge_token.init = str(out / 'token.npz')

    curves: dict[str, list[Curve]] = {name: [] for name in TRANSFER}
    for seed in range(args.seeds):
        for name, leaf in TRANSFER.items():
            run = out / f'{Path(leaf).stem}_seed{seed}'
            train(run, leaf, data, args.epochs, seed, change=change)
            curves[name].append(read_curve(run))
            progress.advance(task)
    return {'teacher': [read_curve(out / 'teacher')], 'teacher + token': [read_curve(out / 'stage1')], **curves}


def partial(out: Path, args: argparse.Namespace, progress: Progress) -> dict[str, list[Curve]]:
    """Train on harder images, then fine-tune fully and partially; return the curves of each setting, one per seed."""
    render(out / 'hard', args.images, '--difficulty', 'hard', '--seed', '7')
    render(out / 'data', args.images)
    task = progress.add_task('partial fine-tuning', total=1 + args.seeds * len(PARTIAL))
    epochs = args.pretrain_epochs
    pretrained = train(out / 'pretrained', TEACHER, out / 'hard', epochs, val_interval=epochs)
    progress.advance(task)
    curves: dict[str, list[Curve]] = {name: [] for name in PARTIAL}
    for seed in range(args.seeds):
        for name, leaf in PARTIAL.items():
            run = out / f'partial_{name.split()[0]}_seed{seed}'
            train(run, leaf, out / 'data', args.epochs, seed, None if name == 'from scratch' else pretrained)
            curves[name].append(read_curve(run))
            progress.advance(task)
    return curves


def draw(parts: dict[str, dict[str, list[Curve]]], path: Path) -> None:
    """Draw the held-out AP after each epoch."""
    panels, levels = dict[str, dict](), dict[str, dict]()
    for title, curves in parts.items():
        panels[title], levels[title] = {}, {}
        for name, runs in curves.items():
            if name.startswith('teacher'):  # trained for another number of epochs
                levels[title][name] = runs[0].score[-1][1]
                continue
            scores = ([{'epoch': i, 'COCO AP': ap} for i, (_, ap) in enumerate(curve.score, 1)] for curve in runs)
            panels[title][name] = [dict(scores=each) for each in scores]
    draw_curves(panels, 'COCO AP', path, levels)


def main() -> None:
    """Render, train, and write the tables and the plot."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add('--out', type=Path, default=Path('work_dirs/transfer'), help='output folder (default %(default)s)')
    add('--part', choices=('transfer', 'partial'), help='run only this part')
    add('--seeds', type=int, default=3, help='runs per setting (default 3)')
    add('--images', type=int, default=1600, help='number of training images (default 1600)')
    add('--epochs', type=int, default=3, help='epochs of students and of fine-tuning (default 3)')
    add('--teacher-epochs', type=int, default=12, help='epochs of the teacher (default 12)')
    add('--pretrain-epochs', type=int, default=6, help='epochs of pre-training (default 6)')
    args = parser.parse_args()
    out, studies = args.out.resolve(), {'transfer': transfer, 'partial': partial}
    with Progress() as progress:
        parts = {name: study(out, args, progress) for name, study in studies.items() if args.part in (None, name)}
    lines: list[str] = []
    for name, curves in parts.items():
        iterations = next(reversed(curves.values()))[0].iterations
        scores = {setting: [curve.score[-1][1] for curve in runs] for setting, runs in curves.items()}
        lines += [f'## {name}: held-out COCO AP after {iterations} iterations', '', *seed_table('', scores), '']
    write_text(out / 'results.md', '\n'.join([*lines, f'Measured on {machine()}.', '']))
    draw(parts, out / 'curves.png')
    print((out / 'results.md').read_text(encoding='utf-8'))


if __name__ == '__main__':
    main()
