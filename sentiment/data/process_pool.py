"""Work on blocks in several processes, with results in order: what comes out never depends on how many there are."""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from multiprocessing import resource_tracker
from types import TracebackType
from typing import TypeVar

from sentiment.terminal.errors import UserError

WORKERS_VARIABLE = "SENTIMENT_WORKERS"

_ALONE = 2  # blocks done in this process first: starting others takes about as long
_MOST = 16  # reading and writing, which one process does, then take as long as the work

Item = TypeVar("Item")
Result = TypeVar("Result")


class ProcessPool:
    """Worker processes that start when there is enough to do, and end with the ``with`` block.

    Parameters
    ----------
    processes : int, optional
        How many; by default the value of ``SENTIMENT_WORKERS``, else the number of CPUs this
        process may use (16 at most). With one, nothing is started.
    """

    def __init__(self, processes: int | None = None) -> None:
        self._processes = _wanted() if processes is None else processes
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> "ProcessPool":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Yield the result for each item, in the items' order.

        Parameters
        ----------
        function : callable
            Of one item; a module's own function (or a `functools.partial` of one), as it is sent to
            other processes.
        items : iterable
            Taken as they are needed: few more than there are processes are held at once.

        Raises
        ------
        Exception
            The first one in the items' order, whether `function` raises it or `items` does.
        UserError
            Where a worker process was killed.
        """
        source = iter(items)
        yield from map(function, islice(source, _ALONE))
        if self._processes == 1:
            yield from map(function, source)
            return
        yield from self._in_parallel(function, source)

    def _in_parallel(self, function: Callable[[Item], Result], source: Iterator[Item]) -> Iterator[Result]:
        waiting: deque[Future[Result]] = deque()
        failure: Exception | None = None  # of `source`: what was taken from it before comes first
        exhausted = False
        try:
            while not exhausted or waiting:
                while not exhausted and len(waiting) <= self._processes:
                    try:
                        item = next(source)
                    except StopIteration:
                        exhausted = True
                    except Exception as error:
                        failure, exhausted = error, True
                    else:
                        with _signals_wait():
                            waiting.append(self._started().submit(function, item))
                if waiting:
                    yield waiting.popleft().result()
        except BrokenProcessPool:
            raise UserError(
                f"a worker process was killed (out of memory?): run this again, with fewer of them if it happens again ({WORKERS_VARIABLE}=1)"
            ) from None
        if failure is not None:
            raise failure

    def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            # spawn: a fork would copy whatever state Arrow's threads are in.
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self._processes, context, initializer=_begin)
        return self._pool


@contextmanager
def _signals_wait() -> Iterator[None]:
    """Keep Ctrl-C from a worker that starts, until it ignores it: in its imports it would print a traceback of its own."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # its start, otherwise the first worker's, would let the signal through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # inherited by the worker; here it is only late
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _wanted() -> int:
    told = os.environ.get(WORKERS_VARIABLE)
    if told is None:
        there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return min(there, _MOST)
    if not (told.isascii() and told.isdecimal() and 1 <= len(told) <= 4 and int(told) >= 1):
        raise UserError(f"{WORKERS_VARIABLE} = {told!r}: must be a whole number from 1 to 9999")
    return int(told)


def _begin() -> None:
    # Ctrl-C reaches every process of the terminal: the first one ends the others. Killed, it cannot, so they watch it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def end_with_parent() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()
