"""Trainings in processes that start in less than a second, since they are forked after MMPose is imported."""

import gc
import multiprocessing
import os
import signal
import threading
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from vitpose.runs.command import failure, python_path

# what a training imports, directly or when it builds the optimizer and describes the machine
PRELOADED = (
    'vitpose_mm',
    'mmpose.engine',
    'torch._dynamo',
    'torch.utils.cpp_extension',
    'projects.studies.forked_training',
)
# multiprocessing asks all children whether they live when one starts, which two threads must not do at a time
_LOCK = threading.Lock()


def train(config: Path, folder: Path) -> None:
    """Train a config as `mim train mmpose CONFIG --work-dir FOLDER` does; the output is in FOLDER/train.log.

    An interrupted run in the folder is continued. A new run starts from the config's `load_from`, which MMPose's option
    `--resume` would drop.

    If this process ends, the training does so, too, as with SIGTERM: it saves a checkpoint after the current step.

    Raises:
        RuntimeError: the training fails; the message holds the error lines of its output.
    """
    os.environ['PYTHONPATH'] = python_path()
    # MMEngine asks for GPUs when it is imported: with CUDA's runtime, forked processes could not use them any more
    os.environ['PYTORCH_NVML_BASED_CUDA_CHECK'] = '1'
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload(list(PRELOADED))
    log = folder / 'train.log'
    process = context.Process(target=_train, args=(config, folder, log))
    with _LOCK:
        process.start()
    wait([process.sentinel])
    with _LOCK:
        process.join()
    if process.exitcode:
        raise failure(f'training {config}', process.exitcode, log)


def continued(file: Path, folder: Path) -> Any:
    """Return the config (mmengine's) of a training in a folder, which continues an interrupted one there."""
    from mmengine import Config
    from mmengine.runner import find_latest_checkpoint

    config = Config.fromfile(file, format_python_code=False)  # formatting takes seconds, and is done several times
    config.update(work_dir=str(folder), launcher='none')
    if find_latest_checkpoint(str(folder)):
        config.update(resume=True, load_from=None)
    return config


def _train(config: Path, folder: Path, log: Path) -> None:
    """The process of a training."""
    gc.freeze()  # MMEngine collects garbage after each dataset, which would touch and copy all modules' memory
    with log.open('w', encoding='utf-8') as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=_end_after, args=(parent.sentinel,), daemon=True).start()
    run(continued(config, folder))


def run(config: Any) -> None:
    """Train a config (mmengine's); if it says `test_at_end`, then test, too, and write the scores next to the log."""
    from mmengine.runner import Runner

    runner = Runner.from_cfg(config)
    runner.train()
    if config.get('test_at_end'):
        runner.test()


def _end_after(parent: int) -> None:
    """Wait for the parent's end, then send this process SIGTERM."""
    wait([parent])
    os.kill(os.getpid(), signal.SIGTERM)
