"""Many independent tasks in worker processes, surviving the death of one and an interruption.

A worker that dies (out of memory, a crash inside a reference program) takes the whole pool of the standard library with
it. Here the pool is started again; the tasks that were in flight are run anew one at a time, and one that kills its
worker twice while alone is given up: the others are not held responsible, and an accident may happen once.
"""

import os
import signal
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, ProcessPoolExecutor, wait
from contextlib import suppress
from multiprocessing import active_children, connection, get_context, parent_process
from threading import Thread
from typing import Any

from cambrian.errors import UserError

ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
DIED = "the worker process died: out of memory, or a crash inside the reference program"
Finish = Callable[[int, Any], None]


def run_here(work: Callable, tasks: Sequence, finish: Finish) -> None:
    """Call `finish(k, work(tasks[k]))` for every task, in this process and in order."""
    for k, task in enumerate(tasks):
        finish(k, work(task))


def run_with(
    executor: Executor, work: Callable, tasks: Sequence, finish: Finish, *, lost: Callable[[str], Any]
) -> None:
    """The same through an executor of the caller, which gets all tasks at once, as queues of a cluster want them.

    A task that the executor itself fails on finishes with `lost(reason)`. Raises UserError when the executor breaks;
    what was finished has been handed to `finish`.
    """
    running = {executor.submit(work, task): k for k, task in enumerate(tasks)}
    try:
        _drain(running, finish, lost=lost)
    except BrokenExecutor as error:
        _hand_over(running, finish)
        raise UserError(f"the executor broke ({error}); what was finished is kept, so start again") from error
    except BaseException:
        _hand_over(running, finish)
        for future in running:
            future.cancel()
        raise


def run_in_processes(
    work: Callable, tasks: Sequence, finish: Finish, *, n_workers: int, lost: Callable[[str], Any]
) -> None:
    """The same in `n_workers` processes of one thread each; a task that kills its worker finishes with `lost(reason)`.

    On KeyboardInterrupt everything that was finished is handed to `finish` first, and the workers end. Raises UserError
    where no worker can start.
    """
    waiting, suspects = deque(range(len(tasks))), deque()
    with _Workers(n_workers) as workers:
        while waiting:
            suspects.extend(workers.run(work, tasks, waiting, finish, window=2 * n_workers))
        for k in suspects:
            if all(workers.run(work, tasks, deque([k]), finish, window=1) for _ in range(2)):
                finish(k, lost(DIED))


class _Workers:
    """A process pool that starts anew after it broke, and whose processes never outlive it."""

    def __init__(self, n_workers: int):
        self.n_workers = n_workers

    def __enter__(self) -> "_Workers":
        self._environment = {name: os.environ.get(name) for name in ONE_THREAD}
        os.environ.update(dict.fromkeys(ONE_THREAD, "1"))  # read by the workers when they start
        self._others = set(active_children())
        self._start()
        return self

    def __exit__(self, kind, *_) -> None:
        if kind is not None:
            self._kill()
        self._executor.shutdown(wait=kind is None, cancel_futures=True)
        for name, value in self._environment.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})

    def run(self, work: Callable, tasks: Sequence, queue: deque, finish: Finish, *, window: int) -> list[int]:
        """Work through `queue` with at most `window` tasks under way; those under way when the pool broke."""
        running: dict[Future, int] = {}
        try:
            while queue:
                while queue and len(running) < window:
                    running[self._executor.submit(work, tasks[queue[0]])] = queue[0]
                    queue.popleft()
                _drain(running, finish, until=window - 1 if queue else 0)
        except BrokenExecutor:
            _hand_over(running, finish)
            self._executor.shutdown(wait=True)
            self._start()
            return sorted(running.values())
        except BaseException:
            _hand_over(running, finish)
            raise
        return []

    def _start(self) -> None:
        self._executor = ProcessPoolExecutor(self.n_workers, mp_context=get_context("spawn"), initializer=_begin)
        try:
            self._executor.submit(os.getpid).result()
        except BrokenExecutor as error:
            raise UserError(
                "no worker process could start; in a script put the call below `if __name__ == '__main__':`, "
                "or label with workers=0, in this process"
            ) from error

    def _kill(self) -> None:
        for process in set(active_children()) - self._others:
            _end_group(process.pid)


def _drain(
    running: dict[Future, int], finish: Finish, *, until: int = 0, lost: Callable[[str], Any] | None = None
) -> None:
    """Hand over results as they come, until `until` tasks are still under way; with `lost` failed tasks too."""
    while len(running) > until:
        done, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in done:
            error = future.exception()
            if lost is not None and isinstance(error, Exception) and not isinstance(error, BrokenExecutor):
                finish(running[future], lost(f"the executor failed ({type(error).__name__}): {error}"))
            else:
                finish(running[future], future.result())
            del running[future]


def _hand_over(running: dict[Future, int], finish: Finish) -> None:
    """Hand over what is finished at this moment, before giving the rest up."""
    for future in list(running):
        if future.done() and not future.cancelled() and future.exception() is None:
            finish(running.pop(future), future.result())


def _begin() -> None:
    """In a worker: leave Ctrl-C to the parent, and end when the parent ends, with the programs that were started."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "setpgid"):  # not on Windows
        os.setpgid(0, 0)
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        _end_group(os.getpid())
        os._exit(1)


def _end_group(pid: int | None) -> None:
    """End a worker and what runs under it, such as an MPI program."""
    if pid is None:
        return
    with suppress(ProcessLookupError):
        if hasattr(os, "killpg") and os.getpgid(pid) == pid:
            os.killpg(pid, signal.SIGTERM)
        else:
            os.kill(pid, signal.SIGTERM)
