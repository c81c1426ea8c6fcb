"""The commands: files that say what was run and what was estimated, taken up again, with every set counted as a trial."""

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import typer

from agent.cli import sweeps
from agent.cli.backtests import TRIALS, Asked
from agent.cli.sweeps import INTERRUPTED, RESULTS, Wanted
from backtest.cautions import NO_OWN_SIZE
from backtest.evidence.trials import trials_on
from backtest.impact import NO_IMPACT
from backtest.scenario import Synthetic, sample_tape
from backtest.study import Study, Terms, rotation, study
from backtest.sweep.outcome import Job
from backtest.sweep.results import BadResults
from backtest.sweep.running import over_processes
from backtest.sweep.sweeping import Row, job_for, trial_of
from backtest.terms import Terms as MarketTerms
from backtest.weighed import trial_of as trial_of_study
from strategies.errors import SettingsError

ASKED = Asked(data="", gas="", assets=(), start="", end="", cash=0, seed=7)


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred days of two markets."""
    terms = Terms(cash=Decimal(1_000_000), latency_rows=1, decide_for=rotation)

    def studies(asked: Asked) -> tuple[Study, ...]:
        tape = sample_tape(seed=asked.seed, hours=24 * 100)
        return (study(tape, tape.deployment.assets[0], terms, Synthetic(asked.seed)),)

    monkeypatch.setattr(sweeps, "studies_of", studies)


def wanted(out: Path, *said: str, **changes: Any) -> Wanted:
    asked = Wanted(
        said=said or ("threshold_bps=10,100", "count=1,2"),
        space=None,
        sample="grid",
        count=3,
        draw_seed=1,
        processes=1,
        cluster="",
        out=out,
    )
    return replace(asked, **changes)


def told(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(capsys.readouterr().out)
    return content


def test_a_sweep_writes_a_table_its_figures_pictures_and_its_luck(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sweeps.sweep(ASKED, wanted(tmp_path), exact=None, as_json=True)
    content = told(capsys)
    assert (content["sets"], content["exact"], content["estimated"], content["an_estimate_leaves_out"]) == (4, 4, 0, [])
    assert content["best"]["net"] == max(row["net"] for row in content["rows"])
    assert content["best_judged"]["final_raw"] == content["best"]["final_raw"]
    assert content["luck"]["trials"] == 4
    assert set(content["benchmarks"]) >= {"equal weight", "idle"}
    assert set(content["sweep"]) == {"tape", "code", "run", "drawn", "count", "sets"}
    assert content["cautions"] == []
    with (tmp_path / "sets.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["final_raw"] for row in rows] == [row["final_raw"] for row in content["rows"]]
    assert {row["kind"] for row in rows} == {"exact"}
    assert (tmp_path / "heat-threshold_bps-count.svg").read_text().startswith("<svg")


def test_the_same_sweep_again_runs_nothing_and_comes_out_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sweeps.sweep(ASKED, wanted(tmp_path), exact=None, as_json=True)
    first, files = told(capsys), {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    sweeps.sweep(ASKED, wanted(tmp_path, processes=2), exact=None, as_json=True)
    assert told(capsys) == first
    for name in ("sets.csv", "sweep.json", RESULTS):
        assert (tmp_path / name).read_bytes() == files[name]
    assert trials_on(tmp_path / TRIALS, first["sweep"]["tape"]).count == 4


def test_other_sets_in_the_same_folder_are_refused(tmp_path: Path) -> None:
    sweeps.sweep(ASKED, wanted(tmp_path), exact=None, as_json=True)
    with pytest.raises(BadResults, match="it holds another sweep"):
        sweeps.sweep(ASKED, wanted(tmp_path, "threshold_bps=10"), exact=None, as_json=True)


def test_what_was_estimated_is_named_so_and_the_best_of_it_is_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    quiet = wanted(tmp_path, "threshold_bps=900,1000,1100,1200", "count=1,2")
    sweeps.sweep(ASKED, quiet, exact=1, as_json=True)
    content = told(capsys)
    assert content["exact"] + content["estimated"] == 8
    assert content["exact"] >= 1
    assert bool(content["an_estimate_leaves_out"]) == bool(content["estimated"])
    for row in content["rows"]:
        assert (row["final_raw"] is None) == (row["kind"] == "estimated")
    assert content["best"]["kind"] == "exact"
    assert content["luck"]["trials"] == 8


def test_a_sweep_and_a_walk_tell_their_reader_what_a_run_would(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stay = wanted(tmp_path / "stay", "threshold_bps=5000", "gate.max_base_fee_gwei=0")
    sweeps.sweep(ASKED, stay, exact=None, as_json=False)
    assert "The best set never moved in 100 decisions: what was earned is nothing. " in " ".join(capsys.readouterr().out.split())
    (whole,) = sweeps.studies_of(ASKED)
    terms = Terms(cash=Decimal(1_000_000), latency_rows=1, decide_for=rotation, impact=NO_IMPACT)
    alone = study(whole.main.run.tape, whole.main.asset, terms, whole.origin)
    monkeypatch.setattr(sweeps, "studies_of", lambda _: (alone,))
    sweeps.sweep(ASKED, wanted(tmp_path / "alone"), exact=None, as_json=False)
    sweeps.walk_forward(ASKED, wanted(tmp_path / "alone"), windows=(40, 20, False), by="growth", as_json=False)
    said = " ".join(capsys.readouterr().out.split())
    assert said.count(NO_OWN_SIZE) == 2 and "never moved" not in said
    sweeps.sweep(ASKED, wanted(tmp_path / "alone"), exact=None, as_json=True)
    assert told(capsys)["cautions"] == [NO_OWN_SIZE]
    assert json.loads((tmp_path / "alone" / "walk-forward.json").read_text())["cautions"] == [NO_OWN_SIZE]


def test_a_sweep_is_not_gone_on_with_under_other_terms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sweeps.sweep(ASKED, wanted(tmp_path), exact=None, as_json=True)
    (whole,) = sweeps.studies_of(ASKED)
    said = {market.id: MarketTerms(5 * 86_400, ()) for market in whole.main.markets}
    terms = Terms(cash=Decimal(1_000_000), latency_rows=1, decide_for=rotation, of_markets=said)
    late = study(whole.main.run.tape, whole.main.asset, terms, whole.origin)
    monkeypatch.setattr(sweeps, "studies_of", lambda _: (late,))
    with pytest.raises(BadResults, match="it holds another sweep"):
        sweeps.sweep(ASKED, wanted(tmp_path), exact=None, as_json=True)
    sweeps.sweep(ASKED, wanted(tmp_path / "late", processes=2), exact=None, as_json=True)
    assert (tmp_path / "late" / "sets.csv").read_text() != (tmp_path / "sets.csv").read_text()


def test_an_interruption_keeps_what_was_done_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = over_processes(1)

    def interrupted(processes: int) -> Callable[..., None]:
        def run(job: Job, pieces: Any, done: Any) -> None:
            whole(job, [piece[:2] for piece in pieces[:1]], done)
            raise KeyboardInterrupt

        return run

    monkeypatch.setattr(sweeps, "over_processes", interrupted)
    with pytest.raises(typer.Exit) as ended:
        sweeps.sweep(ASKED, wanted(tmp_path), exact=None, as_json=True)
    assert ended.value.exit_code == INTERRUPTED
    assert "2 of 4 sets are kept" in capsys.readouterr().out
    assert (tmp_path / RESULTS).read_bytes().count(b"\n") == 3


def test_a_walk_forward_takes_a_sweep_up_and_stands_beside_its_like(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sweeps.sweep(ASKED, wanted(tmp_path), exact=None, as_json=True)
    done = (tmp_path / RESULTS).read_bytes()
    capsys.readouterr()
    sweeps.walk_forward(ASKED, wanted(tmp_path), windows=(40, 20, False), by="growth", as_json=True)
    content = told(capsys)
    assert (tmp_path / RESULTS).read_bytes() == done
    assert set(content["growth_a_year"]) == {"walk_forward", "best_with_hindsight", "equal_weight"}
    assert [window["test_days"] for window in content["windows"]] == [[40, 60], [60, 80], [80, 99]]
    assert len((tmp_path / "walk-forward.csv").read_text().splitlines()) == 1 + 59
    sweeps.walk_forward(ASKED, wanted(tmp_path), windows=(40, 20, True), by="deflated", as_json=False)
    assert "on 59 days that no choice had seen" in capsys.readouterr().out


def test_a_set_counts_as_the_trial_that_a_single_run_of_it_is(tmp_path: Path) -> None:
    (whole,) = sweeps.studies_of(ASKED)
    job = job_for(whole, tmp_path / "tape")
    single = trial_of_study(whole)
    row = Row(0, (("threshold_bps", 50),), None, 0.0, 0.0, 0, job.equal_weight)
    assert trial_of(job, row).parameters == single.parameters
    assert trial_of(job, replace(row, parameters=(("threshold_bps", 51),))).parameters != single.parameters


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"sample": "sobol"}, "grid, random or latin"),
        ({"cluster": "tcp://x:1", "processes": 2}, "give one of the two"),
        ({"said": ("thresold_bps=1,2",)}, "did you mean threshold_bps"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_runs(tmp_path: Path, changes: dict[str, Any], why: str) -> None:
    with pytest.raises(SettingsError, match=why):
        sweeps.sweep(ASKED, wanted(tmp_path / "out", **changes), exact=None, as_json=True)
    assert not (tmp_path / "out" / RESULTS).exists()


def test_several_assets_at_once_and_a_file_for_a_folder_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeps, "completed", lambda asked: replace(asked, assets=("USDC", "DAI")))
    with pytest.raises(SettingsError, match="a sweep is of one asset"):
        sweeps.sweep(ASKED, wanted(tmp_path), exact=None, as_json=True)
    monkeypatch.setattr(sweeps, "completed", lambda asked: replace(asked, assets=("USDC",)))
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="name a folder"):
        sweeps.sweep(ASKED, wanted(tmp_path / "file"), exact=None, as_json=True)
