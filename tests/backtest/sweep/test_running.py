"""Where the sets are run changes nothing: one process, two, a cluster of two workers, killed half way and gone on with."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backtest.dataset import save
from backtest.engine import run
from backtest.impact import NO_IMPACT, THINNED, Impact
from backtest.metrics import curve_of, figures_of
from backtest.sweep.cluster import over_cluster
from backtest.sweep.ground import Ground
from backtest.sweep.outcome import Job, final_raw, net_values, outcome_of
from backtest.sweep.results import BadResults, Results, content_of
from backtest.sweep.running import Runner, here, over_processes
from backtest.sweep.space import Listed, ParameterSet, grid, space_of, with_parameters
from backtest.sweep.work import PIECE_SETS, Piece, SetFailed, pieces_of
from strategies.errors import SettingsError
from strategies.tape import Tape
from tests.backtest.sweep.grounds import DAY, job_of, settings_of, tape_of, wandering

SETTINGS = settings_of()
SETS = grid(
    space_of(
        (Listed("threshold_bps", (0, 10, 50)), Listed("lookback_seconds", (DAY, 3 * DAY)), Listed("count", (1, 2, 3))), SETTINGS
    )
)
HEADER: dict[str, object] = {"tape": "x"}


@pytest.fixture(scope="module")
def tape() -> Tape:
    return tape_of(wandering(rows=24 * 40))


@pytest.fixture(scope="module")
def job(tape: Tape, tmp_path_factory: pytest.TempPathFactory) -> Job:
    return job_of(tape, SETTINGS, tmp_path_factory.mktemp("sweep") / "tape")


def results_of(job: Job, runner: Runner, path: Path, sets: Sequence[ParameterSet] = SETS) -> bytes:
    """The results as bytes, in the order of the sets."""
    with Results(path, HEADER, sets) as results:
        runner(job, pieces_of(job, results.left), results.keep)
        return repr([content_of(one) for one in results.in_order]).encode()


def test_two_processes_and_two_workers_of_a_cluster_give_the_bytes_of_one(job: Job, tmp_path: Path) -> None:
    distributed = pytest.importorskip("dask.distributed")
    alone = results_of(job, here, tmp_path / "1.jsonl")
    assert results_of(job, over_processes(2), tmp_path / "2.jsonl") == alone
    with distributed.LocalCluster(n_workers=2, threads_per_worker=2, processes=True, dashboard_address=None) as cluster:
        assert results_of(job, over_cluster(cluster.scheduler_address), tmp_path / "3.jsonl") == alone


def test_the_order_in_which_sets_are_run_changes_nothing(job: Job, tmp_path: Path) -> None:
    def backwards(job: Job, pieces: Sequence[Piece], done: object) -> None:
        here(job, tuple(tuple(reversed(piece)) for piece in reversed(pieces)), done)  # type: ignore[arg-type]

    assert results_of(job, backwards, tmp_path / "2.jsonl") == results_of(job, here, tmp_path / "1.jsonl")


@pytest.mark.parametrize("impact", [NO_IMPACT, THINNED], ids=["no own size", "own size"])
def test_a_row_says_what_the_run_and_its_curve_say(tape: Tape, job: Job, impact: Impact | None) -> None:
    ground, asked = Ground(tape), replace(job, settings=replace(SETTINGS, impact=impact))
    for at, one in enumerate(SETS[:6]):
        outcome = outcome_of(ground, asked, at, one)
        finished = run(tape, with_parameters(asked.settings, one))
        figures = figures_of(finished, curve_of(finished))
        assert outcome.final_raw == final_raw(finished)
        assert outcome.gas_wei == sum(segment.fee_wei for segment in finished.segments) > 0
        np.testing.assert_allclose(net_values(ground, finished), curve_of(finished).net, rtol=1e-12)
        assert outcome.net == pytest.approx(figures.final, rel=1e-12)
        assert outcome.apy == pytest.approx(figures.apy, rel=1e-9)
        assert outcome.drawdown == pytest.approx(figures.drawdown, abs=1e-12)
        assert outcome.moves == figures.moves


def test_sets_that_share_signals_stand_side_by_side(job: Job) -> None:
    pieces = pieces_of(job, tuple(enumerate(SETS)))
    assert sorted(at for piece in pieces for at, *_ in piece) == list(range(len(SETS)))
    assert all(len(piece) <= PIECE_SETS for piece in pieces)
    terms = [(dict(one)["lookback_seconds"], dict(one)["count"]) for piece in pieces for _, one, _ in piece]
    assert all(looks is not None for piece in pieces for *_, looks in piece)  # a daily cadence is worth looking together
    assert len({term for at, term in enumerate(terms) if at and terms[at - 1] != term}) <= len(set(terms))


def test_another_tape_in_the_folder_is_refused_in_whichever_process(job: Job, tmp_path: Path) -> None:
    other = tmp_path / "other"
    save(tape_of(wandering(seed=2, rows=48)), other)
    for runner in (here, over_processes(2)):
        with pytest.raises(SetFailed, match=r"threshold_bps=\d+, .* holds the tape"):
            results_of(replace(job, folder=str(other)), runner, tmp_path / "r.jsonl")
    with pytest.raises(SetFailed, match="no saved tape"):
        results_of(replace(job, folder=str(tmp_path / "none")), here, tmp_path / "r.jsonl")


def test_a_failure_leaves_what_was_done(job: Job, tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    pieces = pieces_of(job, tuple(enumerate(SETS)))
    with Results(path, HEADER, SETS) as results:
        here(job, pieces[:1], results.keep)
        with pytest.raises(SetFailed):
            here(replace(job, folder=str(tmp_path / "gone")), pieces[1:], results.keep)
    with Results(path, HEADER, SETS) as again:
        assert len(again.outcomes) == len(pieces[0])


def test_a_cluster_that_does_not_answer_is_named(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("dask.distributed")
    monkeypatch.setattr("backtest.sweep.cluster.ANSWER_SECONDS", 1)
    with pytest.raises(SettingsError, match="no scheduler answers at tcp://127"):
        over_cluster("tcp://127.0.0.1:9")(job, (), lambda outcomes: None)


def test_no_processes_at_all_are_refused() -> None:
    with pytest.raises(SettingsError, match="1 or more"):
        over_processes(0)


KILLED = """
import pathlib, sys, time
from backtest.sweep.results import Results
from backtest.sweep.running import over_processes
from backtest.sweep.work import pieces_of
from tests.backtest.sweep.grounds import job_of
from tests.backtest.sweep.test_running import HEADER, SETS, SETTINGS, tape_of, wandering

if __name__ == "__main__":
    folder = pathlib.Path(sys.argv[1])
    with Results(folder / "r.jsonl", HEADER, SETS) as results:
        job = job_of(tape_of(wandering(rows=24 * 40)), SETTINGS, folder / "tape")
        def slowly(outcomes):
            results.keep(outcomes)
            time.sleep(0.5)
        over_processes(2)(job, pieces_of(job, results.left), slowly)
"""


def kept_in(path: Path) -> int:
    """How many results there are, once the other process of the killed sweep has ended too."""
    for _ in range(200):
        try:
            with Results(path, HEADER, SETS) as results:
                return len(results.outcomes)
        except BadResults:
            time.sleep(0.05)
    raise AssertionError("the other process lives on")


def test_a_sweep_that_is_killed_goes_on_where_it_was(job: Job, tmp_path: Path) -> None:
    script, path = tmp_path / "killed.py", tmp_path / "r.jsonl"
    script.write_text(KILLED)
    root = str(Path(__file__).resolve().parents[3])
    process = subprocess.Popen([sys.executable, str(script), str(tmp_path)], cwd=root, env={**os.environ, "PYTHONPATH": root})
    try:
        deadline = time.monotonic() + 60
        while not (path.exists() and path.read_bytes().count(b"\n") > 1) and time.monotonic() < deadline:
            time.sleep(0.02)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    before = kept_in(path)
    assert 0 < before < len(SETS)
    whole = results_of(job, here, path)
    assert whole == results_of(job, here, tmp_path / "whole.jsonl")
    assert path.read_bytes().count(b"\n") == len(SETS) + 1
