"""What `vitpose train` reads of a config, and what it changes for another number of epochs."""

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import InputError, MissingFileError, one_line

MAX_WARM_UP = 100  # steps, unless the config has more
MIN_WARM_UP = 2  # steps, or epochs: MMEngine's warm-up of a single one would never end
SCALED = ('begin', 'end', 'T_max', 'milestones', 'step_size', 'total_steps', 'periods')  # keys of schedules
NEEDED = ('model', 'train_dataloader', 'val_dataloader', 'val_evaluator', 'optim_wrapper')


def read_training_config(path: Path, options: dict[str, Any]) -> tuple[Any, str]:
    """Read a config with changes by dotted key, but not the modules that it imports; return it and its score's name.

    InputError if it cannot be read, or is not a config that trains by epochs and chooses a best checkpoint.
    """
    from mmengine.config import Config

    try:  # a config is a program, and may raise anything
        config = Config.fromfile(path, import_custom_modules=False)
        config.merge_from_dict(options)
        score = config.get('default_hooks', {}).get('checkpoint', {}).get('save_best')
        missing = [name for name in NEEDED if not config.get(name)]
        missing += [] if score else ['default_hooks.checkpoint.save_best']
        missing += [] if config.get('train_cfg', {}).get('max_epochs') else ['train_cfg.max_epochs']
    except Exception as problem:
        raise InputError(f'{path}: {type(problem).__name__}: {one_line(problem)}') from problem
    if missing:
        raise InputError(f'{path}: expected a training config, but it has no {", ".join(missing)}')
    score = score[0] if isinstance(score, list | tuple) else score
    # MMEngine removes spaces in options, such as --patience sets
    if not isinstance(score, str) or score == 'auto' or ' ' in score:
        expected = "expected the name of a score, without spaces, such as 'coco/AP'"
        raise InputError(f'{path}: default_hooks.checkpoint.save_best={score!r}: {expected}')
    return config, score


def count_samples(config: Any) -> int:
    """Count the instances with labeled keypoints in the COCO files of the training set, or the entries of other files.

    InputError if a file is not JSON, MissingFileError if it does not exist. What is wrong in a file is left to the
    checks of the datasets.
    """
    total = 0
    for member in members(config.train_dataloader.dataset):
        file = Path(member.get('data_root') or '', member.get('ann_file') or '')
        if not file.is_file():
            raise MissingFileError(f'{file}: no such annotation file (train_dataloader)')
        try:
            content = json.loads(file.read_bytes())
        except ValueError as problem:
            raise InputError(f'{file}: not a JSON file: {problem}') from problem
        is_coco = isinstance(content, dict)
        rows = content.get('annotations') if is_coco else content
        total += sum(not is_coco or _is_labeled(row) for row in rows) if isinstance(rows, list) else 0
    return total


def _is_labeled(row: Any) -> bool:
    points = row.get('keypoints') if isinstance(row, dict) else None
    return isinstance(points, list) and any(points[2::3])


def members(settings: Any) -> Iterator[Any]:
    """Yield a dataset's config, or those of the datasets that it combines."""
    for member in settings.get('datasets') or [settings.get('dataset')]:
        yield from members(member) if isinstance(member, dict) else [settings]


def plan_schedule(epochs: int, steps: int, max_warm_up: int = MAX_WARM_UP) -> tuple[int, int]:
    """Return the epochs between validations, of which there are ten, and the steps of the warm-up, a tenth of all.

    `steps` are those of an epoch; the warm-up has at least `MIN_WARM_UP` and at most `max_warm_up`.
    """
    return max(epochs // 10, 1), max(min(max_warm_up, steps * epochs // 10), MIN_WARM_UP)


def epoch_options(config: Any, epochs: int, steps: int) -> dict[str, Any]:
    """Return the options, by dotted key, with which a config trains for `epochs` epochs of `steps` steps.

    Schedules keep their shape; validation and a warm-up in steps are those of `plan_schedule`.
    """
    interval, saving = plan_schedule(epochs, steps)[0], config.get('default_hooks', {}).get('checkpoint', {})
    options: dict[str, Any] = {'train_cfg.max_epochs': epochs, 'train_cfg.val_interval': interval}
    if saving.get('by_epoch', True):
        options['default_hooks.checkpoint.interval'] = interval
    scale = epochs / config.train_cfg.max_epochs
    for name, schedule in _schedules(config.get('param_scheduler') or [], 'param_scheduler'):
        is_warm_up, by_epoch = schedule['type'] == 'LinearLR', schedule.get('by_epoch', True)
        if is_warm_up and not by_epoch:
            options[f'{name}.end'] = plan_schedule(epochs, steps, max(schedule['end'], MAX_WARM_UP))[1]
            continue
        scaled = {key: _scale(schedule[key], scale) for key in SCALED if schedule.get(key)}
        if 'end' in scaled:
            begin = scaled['begin'] = min(scaled.get('begin', 0), scaled['end'] - 1)
            if is_warm_up and not schedule.get('convert_to_iter_based'):
                scaled['end'] = max(scaled['end'], begin + MIN_WARM_UP)
        options |= {f'{name}.{key}': value for key, value in scaled.items() if value != schedule.get(key, 0)}
    return options


def _schedules(settings: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Yield each schedule with its dotted key: there may be one, a list of them, or a dict of these per optimizer."""
    if isinstance(settings, dict) and 'type' in settings:
        yield name, settings
    else:
        for key, each in settings.items() if isinstance(settings, dict) else enumerate(settings):
            yield from _schedules(each, f'{name}.{key}')


def _scale(value: Any, scale: float) -> Any:
    """Scale epochs or steps, at least to 1, or each in a list or tuple."""
    return [_scale(each, scale) for each in value] if isinstance(value, list | tuple) else max(round(value * scale), 1)


def next_commands(config: Path, checkpoint: Path, dataset: str | None = None) -> list[str]:
    """Return what to run after a training, with the exact name of its best checkpoint; `dataset` of several."""
    files = [shlex.quote(str(path)) for path in (config, checkpoint)]
    which, name = f' --dataset {dataset}' if dataset else '', dataset or shlex.quote(config.resolve().parent.name)
    return [
        f'vitpose predict NEW_IMAGES --config {files[0]} --checkpoint {files[1]}{which} --out poses',
        f'vitpose export {" ".join(files)}{which} --to onnx --out {name}.onnx',
    ]
