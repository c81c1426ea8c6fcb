"""A sweep's pieces on a Dask cluster, by the address of its scheduler. Refuses a scheduler that does not answer; it starts none.

Every worker needs this project, and the folder of the saved tape at the same path. It is the one place in backtest/ that opens a
connection, and only to the address it is given."""

from collections.abc import Sequence
from importlib import import_module
from itertools import islice
from typing import Any, Final

from backtest.sweep.outcome import Job
from backtest.sweep.running import AHEAD, Done, Runner
from backtest.sweep.work import Piece, work
from strategies.errors import SettingsError

ANSWER_SECONDS: Final = 10


def over_cluster(address: str) -> Runner:
    """A runner over the workers of a cluster, as `tcp://10.0.0.5:8786`. Raises SettingsError, when it runs too."""
    try:
        dask: Any = import_module("dask.distributed")
    except ImportError as error:
        raise SettingsError("--cluster needs Dask: install usufruct[cluster]") from error

    def run(job: Job, pieces: Sequence[Piece], done: Done) -> None:
        try:
            client = dask.Client(address, timeout=ANSWER_SECONDS, set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            raise SettingsError(f"--cluster: no scheduler answers at {address}: {error}") from error
        with client:
            workers = len(client.scheduler_info()["workers"])
            if not workers:
                raise SettingsError(f"--cluster: the scheduler at {address} has no workers")
            queue = iter(pieces)
            sent = client.scatter(job, broadcast=True)
            coming = dask.as_completed(
                [client.submit(work, sent, piece, pure=False) for piece in islice(queue, AHEAD * workers)], loop=client.loop
            )
            for future in coming:
                done(future.result())
                if (piece := next(queue, None)) is not None:
                    coming.add(client.submit(work, sent, piece, pure=False))

    return run
