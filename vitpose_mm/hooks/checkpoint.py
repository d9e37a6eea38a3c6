"""MMEngine's checkpoints, complete or absent."""

import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from pathlib import Path
from typing import Any

from mmengine.dist import broadcast_object_list, gather_object, get_rank, get_world_size, is_main_process
from mmengine.fileio import LocalBackend, get_file_backend, register_backend
from mmengine.hooks import CheckpointHook
from mmengine.logging import print_log
from mmengine.runner import Runner
from mmpose.registry import HOOKS

from ..checkpoints.complete import fault, newest_complete, remove_parts, write_checkpoint, write_pointer
from .batch_norm import batch_norm_state

BACKEND = 'complete'  # name of `CompleteFileBackend` among MMEngine's file backends
TEMPLATES = ('epoch_{}.pth', 'iter_{}.pth')
# what a failed save must not change
STATE = ('last_ckpt', 'best_ckpt_path', 'best_ckpt_path_dict', 'keep_ckpt_ids')


class CompleteFileBackend(LocalBackend):
    """MMEngine's local files; written completely or not at all, deleted only when the caller says so.

    Attributes:
        removals: files and folders to delete.
    """

    def __init__(self) -> None:
        self.removals: list[Path] = []

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write a checkpoint, read it back, and give it its name."""
        write_checkpoint(Path(filepath), obj)

    def remove(self, filepath: str | Path) -> None:
        """Delete a file in `remove_now`."""
        self.removals.append(Path(filepath))

    def rmtree(self, dirpath: str | Path) -> None:
        """Delete a folder in `remove_now`."""
        self.removals.append(Path(dirpath))

    def remove_now(self, keep: set[Path]) -> None:
        """Delete what was removed, but for `keep`."""
        for path in set(self.removals) - keep:
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        self.removals.clear()


register_backend(BACKEND, CompleteFileBackend, force=True)


@HOOKS.register_module()
class CompleteCheckpointHook(CheckpointHook):
    """MMEngine's ``CheckpointHook``, with all its options, whose checkpoints are complete or absent.

    A checkpoint is written to a temporary file, read back (its checksums are compared), synced to the disk and
    renamed; then `last_checkpoint` is replaced in the same way; only then old checkpoints are deleted. So whenever
    the process is killed, the newest complete checkpoint is that of the last save or of the one before.

    A save that fails, such as on a full disk, logs a warning, and training goes on with the last good checkpoint; if
    the last save of a run fails, the run ends with an error after validation.

    With `--resume`, the run continues from the complete checkpoint with the highest iteration in the work_dir, and
    names those that it skipped. In a distributed run a checkpoint also holds the buffers of every process, such as the
    running statistics of batch norm, which differ between processes during an epoch.

    FSDP and storage backends other than the local disk write as in MMEngine.

    Raises:
        OSError: the last checkpoint of the run could not be written.
    """

    file_backend: Any
    filename_tmpl: str
    max_keep_ckpts: int
    last_ckpt: str | None

    def before_run(self, runner: Runner) -> None:
        """Choose the checkpoint to continue from."""
        choose_checkpoint(runner)

    def before_train(self, runner: Runner) -> None:
        """Prepare as MMEngine does, and delete what an interrupted save left."""
        self._failed: OSError | None = None  # of the last save
        self._saved = -1  # iteration of the last save, also a failed one
        self._open = False  # whether a save is in progress
        self._batch_norm: list[dict] | None = None
        super().before_train(runner)
        if self.file_client_args is None and type(self.file_backend) is LocalBackend:
            self.backend_args = dict(backend=BACKEND)
            self.file_backend = get_file_backend(self.out_dir, backend_args=self.backend_args)
            if is_main_process():
                remove_parts(Path(self.out_dir))

    def save_now(self, runner: Runner, epoch: int, iteration: int) -> str | None:
        """Save between the regular checkpoints, the next of which replaces this one.

        Args:
            runner: the runner.
            epoch: number of finished epochs.
            iteration: number of finished iterations.

        Returns:
            The path of the checkpoint of this iteration; None in the first process if it could not be written.
        """
        if iteration != self._saved:
            options = self.filename_tmpl, self.max_keep_ckpts
            self.filename_tmpl, self.max_keep_ckpts = TEMPLATES[1], -1
            try:
                self._save_checkpoint_with_step(runner, iteration, dict(epoch=epoch, iter=iteration), temporary=True)
            finally:
                self.filename_tmpl, self.max_keep_ckpts = options
        return None if self._failed else self.last_ckpt

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Add the running statistics of every process."""
        if self._batch_norm is not None:
            checkpoint['batch_norm'] = self._batch_norm

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Give each process its own running statistics."""
        states = checkpoint.get('batch_norm')
        if runner._resume and isinstance(states, list) and len(states) == get_world_size():
            checkpoint['state_dict'].update(states[get_rank()])

    def after_train(self, runner: Runner) -> None:
        """Publish as MMEngine does.

        Raises:
            OSError: the last checkpoint could not be written.
        """
        if self._failed is not None:
            raise OSError(
                f'training is finished, but its last checkpoint could not be written: {self._failed}. The last good '
                f'checkpoint is {self._last_good(runner)}: make room, then continue with --resume'
            ) from self._failed
        super().after_train(runner)

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict, temporary: bool = False) -> None:
        path = self.file_backend.join_path(self.out_dir, self.filename_tmpl.format(step))
        info = runner.message_hub
        self._saved = meta['iter']
        if get_world_size() > 1:
            self._batch_norm = gather_object(batch_norm_state(runner.model))
        with self._undoing(runner, path):
            self._replace_old(runner, step, path)
            if temporary:
                info.update_info('temporary_ckpt', path)
            self.last_ckpt = path
            info.update_info('last_ckpt', path)
            runner.save_checkpoint(
                self.out_dir,
                self.filename_tmpl.format(step),
                self.file_client_args,
                save_optimizer=self.save_optimizer,
                save_param_scheduler=self.save_param_scheduler,
                meta=meta,
                by_epoch=self.by_epoch and not temporary,
                backend_args=self.backend_args,
                **self.args,
            )
            if is_main_process():
                if not isinstance(runner, Runner) and Path(path).is_file():  # FSDP does not use the backend
                    problem = fault(Path(path))
                    if problem:
                        raise OSError(f'{path} {problem}')
                write_pointer(Path(runner.work_dir), path)
            self._failed = None
        self._batch_norm = None

    def _save_best_checkpoint(self, runner: Runner, metrics: dict) -> None:
        with self._undoing(runner, 'the best checkpoint'):
            super()._save_best_checkpoint(runner, metrics)

    def _replace_old(self, runner: Runner, step: int, path: str) -> None:
        """Remove the checkpoints that this one replaces."""
        temporary = runner.message_hub.runtime_info.get('temporary_ckpt')
        if temporary:
            runner.message_hub.pop_info('temporary_ckpt')
            if is_main_process():
                self.file_backend.remove(temporary)
        if self.max_keep_ckpts > 0:
            if not self.keep_ckpt_ids or self.keep_ckpt_ids[-1] != step:
                if len(self.keep_ckpt_ids) == self.max_keep_ckpts:
                    old = self.file_backend.join_path(self.out_dir, self.filename_tmpl.format(self.keep_ckpt_ids[0]))
                    if is_main_process() and self.file_backend.exists(old):
                        self.file_backend.remove(old)
                self.keep_ckpt_ids.append(step)  # the deque drops the oldest
            runner.message_hub.update_info('keep_ckpt_ids', list(self.keep_ckpt_ids))

    @contextmanager
    def _undoing(self, runner: Runner, what: str) -> Iterator[None]:
        """Remove old checkpoints if the block succeeds; after an OSError undo what it changed, and log a warning.

        A block inside another is a part of it.
        """
        if self._open:
            yield
            return
        info = runner.message_hub.runtime_info
        before, state = dict(info), {name: copy(getattr(self, name)) for name in STATE if hasattr(self, name)}
        removals = getattr(self.file_backend, 'removals', [])
        self._open = True
        try:
            yield
            if removals and is_main_process():
                self.file_backend.remove_now(self._kept())
        except OSError as problem:
            written = self._kept()
            info.clear()
            info.update(before)
            self.__dict__.update(state)
            if isinstance(self.file_backend, LocalBackend):
                for path in written - self._kept():
                    path.unlink(missing_ok=True)
            self._failed = problem
            print_log(
                f'{what} was not saved: {problem}. Training goes on; the last good checkpoint is '
                f'{self._last_good(runner)}',
                logger='current',
                level=logging.WARNING,
            )
        finally:
            removals.clear()
            self._open = False

    def _kept(self) -> set[Path]:
        best = [getattr(self, 'best_ckpt_path', None), *getattr(self, 'best_ckpt_path_dict', {}).values()]
        return {Path(path) for path in (self.last_ckpt, *best) if path}

    def _last_good(self, runner: Runner) -> str:
        return runner.message_hub.runtime_info.get('last_ckpt') or 'absent'


def choose_checkpoint(runner: Runner) -> None:
    """With `--resume` and no file, make the run continue from the newest complete checkpoint of the work_dir.

    Raises:
        ValueError: there are checkpoints, but none is complete.
    """
    if not runner._resume or runner._load_from is not None:
        return
    hook: Any = next((hook for hook in runner.hooks if isinstance(hook, CompleteCheckpointHook)), None)
    if hook is None:
        return
    chosen: list[str | None] = [None]
    if is_main_process():
        work_dir = Path(runner.work_dir)
        folders = [work_dir, *([Path(hook.out_dir) / work_dir.name] if hook.out_dir else [])]
        found = newest_complete(folders, (hook.filename_tmpl, *TEMPLATES))
        for text in found.skipped:
            print_log(f'not resumed from: {text}', logger='current', level=logging.WARNING)
        if found.path is None and found.skipped:
            raise ValueError(
                f'none of the checkpoints in {work_dir} is complete: {"; ".join(found.skipped)}. Delete them to start '
                'from the beginning, or name a file with --resume FILE'
            )
        chosen = [None if found.path is None else str(found.path)]
    broadcast_object_list(chosen)
    runner._load_from = chosen[0]
