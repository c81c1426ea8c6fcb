"""Where a sweep's pieces are done: in this process, over processes, or on a cluster. Results do not depend on where, nor on the
order in which they come. Refuses fewer processes than one.

This process works too while the others start, so that a short sweep gains from them at all."""

import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing import get_context, parent_process
from multiprocessing.context import BaseContext
from typing import Final, TypeAlias

from backtest.sweep.outcome import Job, Outcome
from backtest.sweep.work import Piece, SetFailed, work
from strategies.errors import SettingsError

AHEAD: Final = 2  # pieces that wait at each other process, so that it never waits for us
Done: TypeAlias = Callable[[Sequence[Outcome]], None]  # told of each finished piece, in this process
Runner: TypeAlias = Callable[[Job, Sequence[Piece], Done], None]


def here(job: Job, pieces: Sequence[Piece], done: Done) -> None:
    """One piece after the other. Raises SetFailed."""
    for piece in pieces:
        done(work(job, piece))


def over_processes(processes: int) -> Runner:
    """A runner over so many processes, this one among them. Raises SettingsError."""
    if processes < 1:
        raise SettingsError(f"{processes} processes can do no work: give 1 or more")

    def run(job: Job, pieces: Sequence[Piece], done: Done) -> None:
        others = min(processes, len(pieces)) - 1
        if others < 1:
            here(job, pieces, done)
            return
        pool = ProcessPoolExecutor(others, mp_context=_context(), initializer=_follow)
        try:
            _shared(pool, others, job, pieces, done)
        except BrokenProcessPool as error:
            raise SetFailed(
                "a process of the sweep was ended from outside, perhaps for want of memory; what is done is kept"
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)

    return run


def _context() -> BaseContext:
    """How the others are started: as copies of this process, which know at once all that it knows, where it is the only thread;
    else from a server, because a copy would keep the locks of threads that it does not have."""
    if sys.platform == "linux" and threading.active_count() == 1:
        return get_context("fork")
    server = get_context("forkserver")
    server.set_forkserver_preload([work.__module__])
    return server


def _shared(pool: ProcessPoolExecutor, others: int, job: Job, pieces: Sequence[Piece], done: Done) -> None:
    queue = deque(pieces)
    pending = set[Future[tuple[Outcome, ...]]]()
    while queue or pending:
        room = AHEAD * others - len(pending)
        pending |= {pool.submit(work, job, piece) for piece in _taken(queue, room)}
        for piece in _taken(queue, 1):
            done(work(job, piece))
        finished, pending = wait(pending, timeout=0 if queue else None, return_when=FIRST_COMPLETED)
        for future in finished:
            done(future.result())


def _taken(queue: deque[Piece], count: int) -> list[Piece]:
    taken = list(islice(queue, max(0, count)))
    for _ in taken:
        queue.popleft()
    return taken


def _follow() -> None:
    """An interruption is for the process that keeps the results; when that ends, however it does, so do we: a copy that stayed
    would keep the results locked."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
