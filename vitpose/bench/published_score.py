"""Measure the score of a published model on its dataset, as its publisher did."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from mmengine.config import Config

from vitpose_mm.estimators.plain_model import split_config

from ..errors import InputError, MissingFileError
from ..models.catalogue import NamedModel
from ..predict.models.torch_model import PoseModel, head_names, read_config
from ..runs.command import mim_command, run_logged


def measure_score(named: NamedModel, data: Path, metric: str, on_line: Callable[[str], None]) -> float:
    """Run `mim test` with flip test on a dataset in the layout of MMPose, and return a metric, 'AP' or 'PCKh', 0 to 1.

    `data` is the folder of the dataset, instead of the `data_root` in the config's test set; `on_line` is called with
    each line that the test prints. OSError if a file of annotations or boxes does not exist, RuntimeError, with the
    errors in its output, if the test failed, ValueError if the test set has no data_root or the test no such metric.
    """
    assert named.config is not None
    cfg, _ = read_config(named.config, dict(named.cfg_options))
    model = PoseModel(cfg, named.file, 'cpu', dataset=named.dataset).model
    plain = split_config(cfg, str(named.dataset)) if head_names(cfg) else cfg
    root = plain.test_dataloader.dataset.get('data_root') or ''
    if not root:
        raise InputError(f'{named.config}: its test set has no data_root, which --data replaces')
    training = 'train_', 'val_', 'optim_', 'param_'
    content = {key: value for key, value in plain.to_dict().items() if not key.startswith(training)}
    content = _moved(content, root, f'{data.resolve()}/')
    dataset = content['test_dataloader']['dataset']
    for file in filter(None, (dataset['ann_file'], dataset.get('bbox_file'))):
        if not (path := data / file).is_file():  # an absolute path stays
            raise MissingFileError(f'--data {data}: no {path}; expected the layout of MMPose, as below {root}')
    content['model']['test_cfg'] = {**(content['model'].get('test_cfg') or {}), 'flip_test': True}
    with TemporaryDirectory(prefix='vitpose-verify-') as name:
        folder = Path(name)
        Config(content).dump(folder / 'config.py')
        torch.save(dict(state_dict=model.state_dict(), meta={}), folder / 'model.pth')
        files = ('--checkpoint', str(folder / 'model.pth'), '--out', str(folder / 'metrics.json'))
        command = mim_command('test', folder / 'config.py', folder / 'run', *files)
        run_logged(command, log := Path(f'{name}.log'), on_line)  # which is left if the test fails
        log.unlink()
        metrics: dict[str, float] = json.loads((folder / 'metrics.json').read_text('utf-8'))
    scores = [value for key, value in metrics.items() if re.search(rf'(^|/){metric}$', key)]
    if not scores:
        raise InputError(f'no {metric} among the metrics of {named.config}: {", ".join(metrics)}')
    return scores[0] if metric == 'AP' else scores[0] / 100


def _moved(node: Any, old: str, new: str) -> Any:
    """Copy a config, with the paths below the folder `old` moved below `new`."""
    if isinstance(node, dict):
        return {key: _moved(value, old, new) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [_moved(value, old, new) for value in node]
    return new + node.removeprefix(old) if isinstance(node, str) and node.startswith(old) else node
