"""What a run says when it fails, and a watch on the other processes of a distributed run."""

import os
import re
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from mmengine.dist import all_gather_object, get_rank, get_world_size
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmpose.registry import HOOKS
from torch.distributed import PrefixStore, distributed_c10d

LOST = 76  # exit code after another process is lost
BEAT = 1.0  # seconds between two signs of life
SILENT = 4.0  # seconds without one, after which an error is put down to that process
MEMORY = (
    'A data worker was killed. The usual reason is that memory ran out (the log of the kernel, `dmesg`, then names the '
    'process): use fewer workers (train_dataloader.num_workers), a smaller prefetch_factor, or ask for more memory.'
)


@HOOKS.register_module()
class FailureReportHook(Hook):
    """Says which process failed, where, and how to continue; ends a distributed run that has lost a process.

    When a run ends with an error, a few lines on stderr say in which iteration, from which checkpoint it continues,
    and, if the error is that of another process that no longer responds, which process that is.

    In a distributed run, a thread of each process counts up in the store of the process group. If the count of
    another process stands still for `timeout` seconds, since it or its machine is dead, this process names it and
    ends with exit code 76, even if it waits for the other in a collective operation. A process that is alive but does
    not train is not noticed.

    Args:
        timeout: seconds.

    Raises:
        ValueError: `timeout` is not a number > 4.
    """

    def __init__(self, timeout: float = 60):
        if isinstance(timeout, bool) or not isinstance(timeout, int | float) or timeout <= SILENT:
            raise ValueError(f'FailureReportHook: timeout={timeout!r}, expected a number of seconds > {SILENT:g}')
        self.timeout = timeout
        self._watch: Watch | None = None
        self._runner: Any = None

    def before_train(self, runner: Runner) -> None:
        """Start to watch."""
        self._runner, self._rank = runner, get_rank()
        if get_world_size() > 1:
            names = all_gather_object(f'rank {self._rank} ({socket.gethostname()}, process {os.getpid()})')
            attempt = os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')  # torchrun may keep the store
            store = PrefixStore(f'vitpose_mm/{attempt}', distributed_c10d._get_default_store())
            self._watch = Watch(store, self._rank, names, self.timeout, self._lost)
            self._watch.start()
        self._previous, sys.excepthook = sys.excepthook, self._report

    def after_train(self, runner: Runner) -> None:
        """Stop to watch."""
        sys.excepthook = self._previous
        if self._watch is not None:
            self._watch.leave()

    def _report(self, kind: type[BaseException], error: BaseException, trace: Any) -> None:
        self._previous(kind, error, trace)
        lines = []
        if self._watch is not None and kind is not KeyboardInterrupt:
            time.sleep(SILENT + 2 * BEAT)  # another process may be the cause: is it silent?
            silent = self._watch.silent(SILENT)
            lines += [f'{name} does not respond: it ended first, look for its error' for name in silent]
        if re.search(r'DataLoader worker .*(killed by signal|exited unexpectedly)', str(error)):
            lines.append(MEMORY)
        self._say(lines)

    def _lost(self, names: list[str]) -> None:
        self._say([f'{name} has not responded for {self.timeout:g} s; this process ends, too' for name in names])
        os._exit(LOST)

    def _say(self, lines: list[str]) -> None:
        runner = self._runner
        last = runner.message_hub.runtime_info.get('last_ckpt')
        lines += [
            f'rank {self._rank} stopped in epoch {runner.epoch + 1}, iteration {runner.iter + 1}.',
            f'The last checkpoint is {last}: continue with --resume.' if last else 'There is no checkpoint yet.',
        ]
        sys.stderr.write('\n' + '\n'.join(lines) + '\n')
        sys.stderr.flush()


class Watch(threading.Thread):
    """A thread that counts up for its own process and looks at the counts of the others.

    Args:
        store: of the process group.
        rank: of this process.
        names: of all processes.
        timeout: seconds.
        lost: called with the names of processes whose count stands still for `timeout` seconds.
    """

    def __init__(self, store: Any, rank: int, names: list[str], timeout: float, lost: Callable[[list[str]], None]):
        super().__init__(daemon=True)
        self.store, self.rank, self.names, self.timeout, self.lost = store, rank, names, timeout, lost
        self.counts = dict.fromkeys(range(len(names)), 0)
        # in turns of this thread, not by the clock: a job that is suspended as a whole has lost nobody
        self.turns = 0
        self.changed = dict.fromkeys(range(len(names)), 0)
        self.left = threading.Event()

    def run(self) -> None:
        """Count and look until this process leaves."""
        while not self.left.wait(BEAT):
            self.turns += 1
            try:
                self.store.add(f'beat/{self.rank}', 1)
                for other in self.counts:
                    self._look(other)
            except RuntimeError:  # the process that holds the store is gone: nothing changes any more
                pass
            silent = self.silent(self.timeout)
            if silent and not self.left.is_set():
                self.lost(silent)

    def leave(self) -> None:
        """Say that this process ends as it should."""
        self.left.set()
        self.store.add(f'left/{self.rank}', 1)

    def silent(self, seconds: float) -> list[str]:
        """Names of the other processes whose count has not changed for some seconds."""
        return [
            self.names[other]
            for other, turn in self.changed.items()
            if other != self.rank and (self.turns - turn) * BEAT > seconds
        ]

    def _look(self, other: int) -> None:
        count = self.store.add(f'beat/{other}', 0)
        if count != self.counts[other] or self.store.add(f'left/{other}', 0):
            self.counts[other], self.changed[other] = count, self.turns
