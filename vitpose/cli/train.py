"""`vitpose train`: train a config, see how it goes, and judge the result."""

import argparse
import ctypes
import math
import os
import shlex
from pathlib import Path
from typing import Any

from ..errors import FailedError, InputError, one_line, started, warn
from ..shipped import find_config
from .paths import check_readable
from .shared_options import add_config_options, check_positive, parse_config_options

DESCRIPTION = """Train a config as `mim train mmpose CONFIG` does, with one line of progress.
Written to the work directory, by default the config's:

  report.html     learning curve, error in pixels per keypoint, worst images;
                  written at each validation; with several datasets
                  report_NAME.html for each
  best_*.pth      the checkpoint with the best score; epoch_*.pth the last one
  train.log       the whole output
  */vis_data/     scalars, and TensorBoard's files where it is installed

It ends by calibrating the best checkpoint, whose scores are then probabilities
(docs/scores.md), if the validation set has at least 50 labeled instances.

Ctrl-C saves a checkpoint after the current step; --resume continues there."""

EPILOG = """examples:
  vitpose train my_mice/config.py
  vitpose train my_mice/config.py --epochs 200 --patience 3 --device 0,1
  vitpose train my_mice/config.py --resume

The exit code is 2 if nothing was started, 1 if the training failed."""
VISIBLE = 'CUDA_VISIBLE_DEVICES'
REPORT_HOOK = 'vitpose.own_data.report_hook.TrainingReportHook'
MIN_DELTA = 1e-4  # by which a score must improve to count, with --patience


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add('config', type=find_config, metavar='CONFIG', help='config of `vitpose dataset`, or any that trains by epochs')
    add('--epochs', type=int, metavar='N', help='train for N epochs: schedule, warm-up and validation interval follow')
    add('--resume', action='store_true', help='continue the run in the work directory')
    text = "'cpu', or GPUs: 0 or 0,1 (default: the first, if there is one)"
    add('--device', default='auto', metavar='NAME', help=text)
    text = "samples per step on each device; 'auto': the config's, or as many as fit into its memory"
    add('--batch', metavar='N', help=text)
    add('--patience', type=int, metavar='N', help='stop after N validations without a better score')
    add('--work-dir', type=Path, metavar='DIR', help="where to write (default: the config's)")
    add_config_options(parser)


def run(args: argparse.Namespace) -> None:
    check_positive(args, 'epochs', 'patience')
    check_readable(args.config, 'config file')
    if args.batch not in (None, 'auto') and not (args.batch.isdecimal() and int(args.batch)):
        raise InputError(f"--batch {args.batch}: expected an integer >= 1, or 'auto'")
    count, changes = choose_devices(args.device), parse_config_options(args.cfg_options)
    if args.epochs and (given := changes.get('train_cfg.max_epochs')):
        raise InputError(f'--epochs {args.epochs} and --cfg-options train_cfg.max_epochs={given}: pass one of them')
    from ..runs import training_config as configs

    config, score = configs.read_training_config(args.config, changes)
    work_dir = args.work_dir or Path(config.get('work_dir') or f'work_dirs/{args.config.stem}')
    if (has_run := any(work_dir.glob('*.pth'))) != args.resume:
        problem = 'has checkpoints of an earlier run: pass --resume' if has_run else 'has no checkpoint: omit --resume'
        raise InputError(f'{work_dir} {problem}, or another --work-dir')
    if args.resume and (written := work_dir / args.config.name).is_file():  # by MMEngine
        planned = configs.read_training_config(written, {})[0].train_cfg.max_epochs
        asked, configured = args.epochs or changes.get('train_cfg.max_epochs'), config.train_cfg.max_epochs
        run = f'{work_dir} has a run of {planned} epochs, whose schedule --resume keeps'
        if asked and asked < planned:
            raise InputError(f'{run}: {asked} epochs would end before it; omit --epochs, or use another --work-dir')
        if asked and asked > planned:
            warn(f'{run}: after them the learning rate stays at its last value; another --work-dir starts anew')
        if not asked and planned != configured:
            warn(f'{run}: it continues to these, not to the {configured} of {args.config}')
            args.epochs = planned
    epochs = args.epochs or config.train_cfg.max_epochs
    samples, batch = configs.count_samples(config), config.train_dataloader.get('batch_size', 1)
    if args.batch not in (None, 'auto') and (batch := int(args.batch)) * count > samples:
        raise InputError(f'--batch {batch} on {count} devices: the training set has {samples:,} samples')
    from ..runs import training
    from ..runs.training_log import best_checkpoint, read_curve

    with started():
        if args.batch == 'auto':
            print('measuring the memory of a training step', flush=True)
            batch = training.find_batch(config, batch)
        rule = config.default_hooks.checkpoint.get('rule') or 'greater'
        rule = rule if isinstance(rule, str) else rule[0]  # of the score, as the first one of save_best
        options = configs.epoch_options(config, args.epochs, -(-samples // (batch * count))) if args.epochs else {}
        options = {key: value for key, value in options.items() if key not in changes}
        options |= {'train_dataloader.batch_size': batch, **_hook('training_report', type=REPORT_HOOK, score=score)}
        if args.patience:
            stopping = dict(monitor=score, rule=rule, patience=args.patience, min_delta=MIN_DELTA)
            options |= _hook('early_stopping', type='EarlyStoppingHook', **stopping)
        words = [f'{key}={value}'.replace(' ', '') for key, value in options.items()]
        words = ['--resume'] * args.resume + ['--cfg-options', *args.cfg_options, *words]
        print(f'{samples:,} samples, {epochs} epochs, batch size {batch}; log: {work_dir / training.LOG}', flush=True)
        try:
            with training.progress_line(epochs, score, rule) as show:
                training.train(training.train_command(args.config, work_dir, count, words), work_dir, show)
        except MemoryError as problem:
            remedy = 'use a smaller network'
            if batch > 1:
                try:
                    remedy = f'--batch {training.find_batch(config, batch - 1)} fits'
                except FailedError as unknown:
                    remedy = one_line(unknown)
            raise FailedError(f'out of memory with a batch size of {batch}: {remedy}') from problem
        best, curve = best_checkpoint(work_dir, score), read_curve(work_dir, score)
        scores = [value for _, value in curve.score if not math.isnan(value)]
        print(f'best: {best}, {score} {(min if rule == "less" else max)(scores):.3f}', flush=True)
        if config.get('default_scope') == 'mmdet':  # of `vitpose dataset`
            print(
                'next:\n  add to `vitpose predict ...`: --detector',
                *(shlex.quote(str(file)) for file in (args.config, best)),
            )
            return
        from ..own_data.calibrating import calibrate_trained

        for name in (config.model.get('head') or {}).get('heads') or [None]:  # of several datasets
            report = work_dir / training.report_name(name)
            print(calibrate_trained(args.config, changes, best, report, name))
            print(f'report: {report}\nnext:', *configs.next_commands(args.config, best, name), sep='\n  ')


def _hook(name: str, **settings: Any) -> dict[str, Any]:
    return {f'default_hooks.{name}.{key}': value for key, value in settings.items()}


def choose_devices(name: str) -> int:
    """Show the GPUs of --device to torch, which is not imported yet, and return their number, or 1.

    InputError if CUDA's driver does not know one.
    """
    gpus = [] if name in ('auto', 'cpu') else name.split(',')
    if not all(map(str.isdecimal, gpus)) or len(set(gpus)) < len(gpus):
        raise InputError(f"--device {name}: expected 'cpu', or numbers of GPUs, such as 0 or 0,1")
    if gpus and max(map(int, gpus)) >= (count := count_gpus()):
        raise InputError(f'--device {name}: CUDA sees {count} GPUs here')
    if name != 'auto':
        shown = os.environ.get(VISIBLE, '').split(',')
        os.environ[VISIBLE] = ','.join(shown[int(gpu)] if any(shown) else gpu for gpu in gpus)
    return len(gpus) or 1


def count_gpus() -> int:
    """Count the GPUs that CUDA's driver shows: importing torch takes seconds."""
    count = ctypes.c_int()
    try:
        driver = ctypes.CDLL('nvcuda.dll' if os.name == 'nt' else 'libcuda.so.1')
    except OSError:
        return 0
    return count.value if driver.cuInit(0) == driver.cuDeviceGetCount(ctypes.byref(count)) == 0 else 0
