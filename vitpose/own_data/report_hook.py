"""The hook of `vitpose train`: an estimate before the training, and report.html at each validation."""

import time
import timeit
from collections.abc import Sequence
from copy import copy
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dataset import pseudo_collate
from mmengine.device import get_device
from mmengine.dist import gather_object, get_rank, get_world_size, is_main_process
from mmengine.hooks import Hook, LoggerHook
from mmengine.registry import VISBACKENDS
from mmengine.runner import Runner
from mmpose.datasets.datasets.base import BaseCocoStyleDataset
from mmpose.models.pose_estimators import TopdownPoseEstimator
from torch.utils.data import ConcatDataset

from vitpose_mm.cost.measure import make_step
from vitpose_mm.datasets.combined import find_members
from vitpose_mm.hooks.bare_model import bare_model

from ..errors import one_line
from ..runs.table import minutes
from ..runs.training import ESTIMATE, MEASURED_BATCHES, report_name
from .training_report import Prediction, write_report

MIN_LOGGED = 20  # lines in the log per epoch, if it has as many steps
MAX_TRAINED = 100  # training samples in the report
ESTIMATED_STEPS = 3  # of which the fastest counts


class TrainingReportHook(Hook):
    """Estimate the time, log more often, add TensorBoard where it is installed, and write report.html.

    The report has the predictions of each validation, and with the same pipeline those of at most `MAX_TRAINED`
    training samples at even intervals. A report that cannot be written is a warning. `score` is the name of the score
    that chooses the best checkpoint.
    """

    priority = 'LOWEST'  # after the best checkpoint is saved

    def __init__(self, score: str):
        self.score, self._held_out = score, list[Prediction]()

    def before_train(self, runner: Runner) -> None:
        """Log the estimate: the time of a step without loading, with a model of its own."""
        steps, model = len(runner.train_dataloader), bare_model(runner)
        for hook in runner.hooks:
            if isinstance(hook, LoggerHook):
                hook.interval = max(min(hook.interval, steps // MIN_LOGGED), 1)
        if is_main_process() and find_spec('tensorboard'):
            backend = dict(type='TensorboardVisBackend', save_dir=f'{runner.log_dir}/vis_data')
            runner.visualizer._vis_backends['TensorboardVisBackend'] = VISBACKENDS.build(backend)
        if is_main_process() and isinstance(model, TopdownPoseEstimator):
            dtype = 'bfloat16' if getattr(runner.optim_wrapper, 'enabled', False) else 'float32'
            try:
                seconds = estimate_step(runner.cfg.model, runner.train_dataloader.batch_size, get_device(), dtype)
            except Exception as problem:  # it must not end the training
                runner.logger.warning(f'no estimate of the time: {type(problem).__name__}: {one_line(problem)}')
                return
            seconds *= steps
            total = minutes(seconds * (runner.max_epochs - runner.epoch))
            runner.logger.info(f'{ESTIMATE}about {minutes(seconds)} per epoch, {total} in all: training steps alone')

    def after_val_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Keep the predictions of a batch."""
        self._held_out += read_outputs(outputs or ())

    def after_val_epoch(self, runner: Runner, metrics: Any = None) -> None:
        """Write the report."""
        readers = _find_readers(runner.val_dataloader.dataset)
        detected = {each.metainfo['dataset_name'] for each in readers if each.bbox_file}  # MMPose labels them (0, 0)
        held_out, self._held_out = [row for row in self._held_out if row.dataset not in detected], []
        try:
            sample = self._predict_sample(runner)
        except Exception as problem:  # it must not end the training
            sample = []
            runner.logger.warning(f'training samples: {type(problem).__name__}: {one_line(problem)}')
        gathered = [gather_object(rows) for rows in (held_out, sample)]
        if is_main_process() and any(map(any, gathered)):
            sets = [[row for rows in ranks for row in rows] for ranks in gathered]
            config, meta = Path(runner.cfg.filename), runner.val_dataloader.dataset.metainfo
            for name, its_meta in (meta.get('members') or {None: meta}).items():
                file = Path(runner.work_dir, report_name(name))
                held_out, trained = ([row for row in rows if name in (None, row.dataset)] for rows in sets)
                try:
                    write_report(file, config, self.score, its_meta, held_out, trained, name)
                except Exception as problem:  # it must not end the training
                    runner.logger.warning(f'{file} was not written: {type(problem).__name__}: {one_line(problem)}')

    def _predict_sample(self, runner: Runner) -> list[Prediction]:
        """Predict this process's share of the training samples."""
        if not isinstance(bare_model(runner), TopdownPoseEstimator):
            return []
        samples, rows = open_as_validation(runner.train_dataloader.dataset, runner.val_dataloader.dataset), []
        count, size = len(samples), runner.val_dataloader.batch_size
        indices = np.linspace(0, count - 1, min(count, MAX_TRAINED)).astype(int)[get_rank() :: get_world_size()]
        with torch.no_grad():
            for start in range(0, len(indices), size):
                batch = pseudo_collate([samples[int(i)] for i in indices[start : start + size]])
                rows += read_outputs(bare_model(runner).val_step(batch))
        return rows


def open_as_validation(train: Any, val: Any) -> Any:
    """Return the samples of a training set, with the pipeline of the validation set of the same name.

    Of combined sets, these are the samples of all members that have such a validation set.
    """
    pipelines = {member.metainfo['dataset_name']: member.pipeline for member in _find_readers(val)}
    parts = [copy(member) for member in _find_readers(train) if member.metainfo['dataset_name'] in pipelines]
    for part in parts:
        part.pipeline, part.test_mode = pipelines[part.metainfo['dataset_name']], True
    return ConcatDataset(parts) if parts else []


def _find_readers(dataset: Any) -> list[BaseCocoStyleDataset]:
    """Return the datasets that read annotations, of MMPose's classes; the others have no pipeline of their own."""
    return [member for member in find_members(dataset) if isinstance(member, BaseCocoStyleDataset)]


def estimate_step(model: Any, batch: int, device: str, dtype: str) -> float:
    """Return the seconds of a training step; on the CPU, those of smaller batches are measured and extrapolated.

    The arguments are those of `make_step`; random numbers stay as they are.
    """
    sizes = sorted({min(batch, size) for size in MEASURED_BATCHES}) if device == 'cpu' else [batch]
    seconds = []
    with torch.random.fork_rng():
        for size in sizes:
            step = make_step(model, 'train', size, device, dtype)
            step()
            times = timeit.repeat(step, timer=time.perf_counter, repeat=ESTIMATED_STEPS, number=1)
            seconds.append(min(times))  # other work makes steps slower, and extrapolation multiplies it
    if len(sizes) == 1:
        return seconds[0]
    per_sample = max(seconds[1] - seconds[0], 0) / (sizes[1] - sizes[0])
    return seconds[1] + per_sample * (batch - sizes[1])


def read_outputs(samples: Sequence[Any]) -> list[Prediction]:
    """Read the labeled samples of a batch of a top-down model, in image pixels."""
    rows = []
    for sample in samples:
        truth, found = sample.get('gt_instances', {}), sample.get('pred_instances')
        if 'keypoints' in truth and np.shape(truth.keypoints) == np.shape(found.keypoints):
            visible = np.asarray(truth.keypoints_visible).reshape(truth.keypoints.shape[1], -1)[:, 0] > 0
            if visible.any():
                box = np.asarray(truth.bboxes[0])
                points = truth.keypoints[0], visible, found.keypoints[0]
                rows.append(Prediction(sample.img_path, box, *points, sample.get('dataset_name', '')))
    return rows
