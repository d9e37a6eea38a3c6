"""MMEngine's checkpoints, each complete or absent, and the checkpoint from which a run continues."""

from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.dist import broadcast_object_list, gather_object, get_rank, get_world_size, is_main_process
from mmengine.fileio import LocalBackend, get_file_backend, register_backend
from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner
from mmpose.registry import HOOKS
from torch.nn.modules.batchnorm import _BatchNorm

from vitpose_base.files import PART, replacing, write_text

from ..checkpoints.mmengine_loading import RESUME_SCHEME
from ..checkpoints.run_checkpoints import RUN_ID, find_resume_checkpoint, list_checkpoints


class AtomicFileBackend(LocalBackend):
    """MMEngine's local files, written atomically; files to delete are collected in `removed`."""

    def __init__(self) -> None:
        self.removed: list[Path] = []

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write a temporary file, sync it to the disk, and rename it."""
        try:
            with replacing(Path(filepath), durable=True) as part:
                part.write_bytes(obj)
        except OSError as problem:
            raise OSError(f'{filepath} was not saved: {problem}; the run continues with --resume') from problem

    def remove(self, filepath: str | Path) -> None:
        """Collect a file to delete."""
        self.removed.append(Path(filepath))


register_backend('complete', AtomicFileBackend, force=True)


@HOOKS.register_module()
class CompleteCheckpointHook(CheckpointHook):
    """MMEngine's `CheckpointHook`, with all its options, whose checkpoints are complete or absent.

    A checkpoint is written to a temporary file, synced to the disk and renamed; then `last_checkpoint` is written, and
    only then are older checkpoints deleted. So a killed process leaves the complete checkpoint of its last save or of
    the one before. A failed save, for example on a full disk, ends the run with an OSError and deletes nothing.

    A run keeps its id when it is resumed, in the file `run_id` in the work_dir and in the meta of checkpoints.
    `--resume` continues the run that started last in the work_dir, see `run_checkpoints.find_resume_checkpoint`. In
    distributed runs checkpoints also contain the running statistics of batch norm of each process, which differ.
    """

    file_backend: Any
    filename_tmpl: str
    max_keep_ckpts: int
    _run, _saved = '', -1  # id, '' if the run resumed from a checkpoint without an id; iteration of the last save
    _replace = False  # whether the run resumed from a checkpoint of `save_now`
    _batch_norm: list[dict] | None = None

    def before_run(self, runner: Runner) -> None:
        """Find the checkpoint to continue from."""
        set_resume_checkpoint(runner)

    def before_train(self, runner: Runner) -> None:
        """Prepare as MMEngine does, identify the run, and delete what an interrupted save left behind."""
        super().before_train(runner)
        if self.file_client_args is None and type(self.file_backend) is LocalBackend:
            self.backend_args = dict(backend='complete')
            self.file_backend = get_file_backend(backend_args=self.backend_args)
        out_dir = Path(self.out_dir).resolve()
        start = Path(str(runner._load_from).removeprefix(RESUME_SCHEME)).resolve()
        if self._replace and start.parent == out_dir and isinstance(self.file_backend, AtomicFileBackend):
            self.file_backend.remove(start)
        self._run = self._run if runner._resume else runner.experiment_name  # same in all processes; contains the time
        if not is_main_process():
            return
        for part in out_dir.glob(f'*.pth{PART}'):
            part.unlink()
        write_text(Path(runner.work_dir, RUN_ID), self._run)
        files = ', '.join(path.name for path in list_checkpoints(out_dir, [self.filename_tmpl, 'iter_{}.pth']))
        if files and not runner._resume:
            runner.logger.warning(f'{out_dir} holds checkpoints of an earlier run, which ends here: {files}')
        if runner._resume and runner.epoch >= runner.max_epochs:
            runner.logger.warning(f'the run has reached max_epochs={runner.max_epochs}: there is nothing left to train')

    def save_now(self, runner: Runner, epoch: int, iteration: int) -> str:
        """Save and return the path; `epoch` and `iteration` are complete. A resumed run replaces this checkpoint."""
        if iteration != self._saved:
            options = self.filename_tmpl, self.max_keep_ckpts
            self.filename_tmpl, self.max_keep_ckpts = 'iter_{}.pth', -1
            self._save_checkpoint_with_step(runner, iteration, dict(epoch=epoch, iter=iteration, temporary=True))
            self.filename_tmpl, self.max_keep_ckpts = options
        return self.last_ckpt

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Add the run's id and the running statistics of every process."""
        checkpoint['meta'][RUN_ID] = self._run
        if self._batch_norm is not None:
            checkpoint['batch_norm'] = self._batch_norm

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Restore the id of a resumed run and the running statistics of this process."""
        if runner._resume:
            self._run, self._replace = checkpoint['meta'].get(RUN_ID, ''), checkpoint['meta'].get('temporary', False)
            states = checkpoint.get('batch_norm', ())
            checkpoint['state_dict'].update(states[get_rank()] if len(states) == get_world_size() else {})

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict) -> None:
        if get_world_size() > 1:
            norms = {name: part for name, part in runner.model.named_modules() if isinstance(part, _BatchNorm)}
            buffers = {f'{name}.{k}': v.cpu() for name, norm in norms.items() for k, v in norm.named_buffers()}
            self._batch_norm = gather_object({key.removeprefix('module.'): v for key, v in buffers.items()})
        super()._save_checkpoint_with_step(runner, step, meta)
        self._saved, self._batch_norm = meta['iter'], None
        removed = getattr(self.file_backend, 'removed', [])
        while removed and is_main_process():
            removed.pop().unlink(missing_ok=True)


def set_resume_checkpoint(runner: Runner) -> None:
    """Resume from the result of `find_resume_checkpoint` with `--resume` and no file; without one, start anew."""
    hooks = runner.hooks if runner._resume and runner._load_from is None else ()
    hook = next((hook for hook in hooks if isinstance(hook, CompleteCheckpointHook)), None)
    if hook is None:
        return
    work_dir = Path(runner.work_dir)
    out_dir = Path(hook.out_dir, work_dir.name) if hook.out_dir else work_dir
    templates = [hook.filename_tmpl or 'epoch_{}.pth', 'iter_{}.pth']
    path, skipped = find_resume_checkpoint(work_dir, out_dir, templates) if is_main_process() else (None, [])
    for text in skipped:
        runner.logger.warning(f'not resumed from: {text}')
    file = runner.cfg.filename if path is None and is_main_process() else None  # train.py has removed `load_from`
    start = Config.fromfile(file, import_custom_modules=False).get('load_from') if file else None
    if path is None:
        runner.logger.warning(f'{out_dir} has no checkpoint: the run starts from {start or "the beginning"}')
    chosen = [str(path) if path else start, bool(path)]
    broadcast_object_list(chosen)
    runner._load_from, runner._resume = chosen
