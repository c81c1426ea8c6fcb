"""`backtest run --tape` and `--crisis`: any saved tape, again and again the same, refused where it changed or says too little."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import numpy as np
import pytest

from agent.cli import tables
from agent.cli.asked import Asked, completed
from agent.cli.backtests import report, run
from agent.cli.comparing import replay
from backtest import dataset, exact_tape
from backtest.scenario import sample_tape
from strategies.errors import BadTape, SettingsError
from tests.backtest import recorded
from tests.backtest.test_exact_tape import row_of
from tests.backtest.test_saved_tapes import REPORT, keep_report

NOTHING = Asked(data="", gas="", assets=(), start="", end="", cash=0, seed=7)


@pytest.fixture
def saved(tmp_path: Path) -> Asked:
    """A month of two markets, saved."""
    dataset.save(sample_tape(seed=3, hours=720), tmp_path / "tape")
    return replace(NOTHING, tape=str(tmp_path / "tape"))


def told(asked: Asked, out: Path) -> tuple[str, dict[str, Any]]:
    """What a person reads, and the study for programs."""
    with tables.console.capture() as said:
        run(asked, out, as_json=False)
    (study,) = json.loads(out.with_suffix(".json").read_text())["studies"].values()
    return said.get(), study


def test_a_saved_tape_runs_and_its_page_names_the_folder_and_the_digest(saved: Asked, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    text, study = told(saved, out)
    digest = dataset.load(Path(saved.tape)).digest
    assert "lending rotation" in text and "synthetic" not in text
    assert study["saved"] == {"folder": saved.tape, "digest": digest, "is_exact": False} and study["import"] is None
    page = out.read_text()
    assert f"The saved tape {saved.tape}, sha256 {digest}." in page and "made-up" not in page


def test_the_report_of_an_import_is_the_origin_on_the_page(saved: Asked, tmp_path: Path) -> None:
    keep_report(REPORT, dataset.load(Path(saved.tape)), Path(saved.tape))
    _, study = told(saved, tmp_path / "report.html")
    assert study["import"]["source"] == "a folder" and study["saved"] is None
    assert "a folder, 2 rows." in (tmp_path / "report.html").read_text()


def test_a_run_on_a_saved_tape_is_replayed_and_its_page_written_again(saved: Asked, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    told(replace(saved, latency_rows=2, count=2, threshold_bps=5, stance="unrestrained"), out)
    with tables.console.capture() as said:
        assert replay(out, as_json=False)
        report(out.with_suffix(".json"), tmp_path / "again" / "report.html")
    assert "equal: 30 decisions" in said.get()
    assert (tmp_path / "again" / "report.html").read_bytes() == out.read_bytes()


def test_the_terms_beside_a_tape_bind_its_runs_and_a_replay_tells_other_terms(saved: Asked, tmp_path: Path) -> None:
    free, asked = tmp_path / "free.html", replace(saved, threshold_bps=5, stance="unrestrained")
    _, at_once = told(asked, free)
    said = {market.id: {"redeem_delay_seconds": 5 * 86_400} for market in dataset.load(Path(saved.tape)).deployment.markets}
    (Path(saved.tape) / "terms.json").write_text(json.dumps(said))
    out = tmp_path / "late.html"
    _, late = told(asked, out)
    assert at_once["settings"]["terms"] == {} and "Terms" not in free.read_text()
    assert late["settings"]["terms"]["alpha:USDC"] == {"redeem_delay_seconds": 432_000, "deposit_closed": [], "redeem_closed": []}
    assert late["results"]["lending rotation"]["final"] != at_once["results"]["lending rotation"]["final"]
    assert "<dt>Terms</dt><dd>alpha:USDC pays 120 h after it is asked; beta:USDC pays" in out.read_text()
    with tables.console.capture() as text:
        assert replay(out, as_json=False) and not replay(free, as_json=False)
    lines = " ".join(text.get().split())
    assert "equal: " in lines and "USDC: setting terms was {}, is {'alpha:USDC': Terms(redeem" in lines


def test_a_borrow_curve_beside_a_tape_costs_our_own_size_more_than_thinning(saved: Asked, tmp_path: Path) -> None:
    asked = replace(saved, threshold_bps=5, stance="unrestrained", cash=10_000_000)
    thinned, free, out = tmp_path / "thinned.html", tmp_path / "free.html", tmp_path / "curves.html"
    _, alone = told(asked, thinned)
    curve = {"optimal_ray": str(9 * 10**26), "base_ray": "0", "slope1_ray": str(55 * 10**24), "slope2_ray": str(4 * 10**26)}
    (Path(saved.tape) / "terms.json").write_text(json.dumps({"alpha:USDC": {"redeem_delay_seconds": 0, "borrow_curve": curve}}))
    _, curved = told(asked, out)
    _, unsized = told(replace(asked, own_impact=False), free)
    finals = [study["results"]["hold alpha:USDC"]["final"] for study in (curved, alone, unsized)]
    assert finals == sorted(finals) and len(set(finals)) == 3
    assert curved["results"]["hold beta:USDC"] == alone["results"]["hold beta:USDC"] | {"journal_head": ANY}
    assert curved["settings"]["terms"]["alpha:USDC"]["borrow_curve"] == curve
    assert "in alpha:USDC, whose borrow curves are known" in out.read_text()
    assert "counted as thinning alone" in thinned.read_text()
    with tables.console.capture() as text:
        assert replay(out, as_json=False) and not replay(thinned, as_json=False)
    assert "setting impact was Impact(curves=()), is Impact(curves=(('alpha:USDC', Kinked(" in " ".join(text.get().split())


def test_a_tape_that_was_changed_is_named_before_anything_runs(saved: Asked, tmp_path: Path) -> None:
    told(saved, tmp_path / "report.html")
    column = np.load(Path(saved.tape) / "available.npy")
    np.save(Path(saved.tape) / "available.npy", column * 2)
    for act in (lambda: told(saved, tmp_path / "other.html"), lambda: replay(tmp_path / "report.html", as_json=True)):
        with pytest.raises(BadTape, match=f"{saved.tape} was changed since it was saved"):
            act()


def test_another_tape_in_the_same_folder_is_told_by_its_digest(saved: Asked, tmp_path: Path) -> None:
    told(saved, tmp_path / "report.html")
    dataset.save(sample_tape(seed=4, hours=720), Path(saved.tape))
    with tables.console.capture() as said:
        assert not replay(tmp_path / "report.html", as_json=False)
    assert "changed since: USDC: the tape was " in said.get()


def test_a_tape_on_which_our_own_size_cannot_be_counted_says_which_option_runs_it(tmp_path: Path) -> None:
    unsaid = np.full((240, 2), np.nan)
    rates = [[0.03, 0.04]] * 240
    dataset.save(recorded.tape(rates, utilisation=unsaid, borrow_apr=unsaid, available=unsaid), tmp_path / "tape")
    asked = replace(NOTHING, tape=str(tmp_path / "tape"))
    with pytest.raises(SettingsError, match=r"m0:USDC never says .* \(--no-own-impact\)"):
        told(asked, tmp_path / "report.html")
    text, study = told(replace(asked, own_impact=False), tmp_path / "report.html")
    assert "It never moved in 10 decisions" in text and "--stance unrestrained" in text
    assert len(study["cautions"]) == 2 and study["settings"]["own_impact"] is False
    text, study = told(replace(asked, own_impact=False, stance="unrestrained"), tmp_path / "report.html")
    assert "It never moved" not in text and len(study["cautions"]) == 1


def test_a_tape_of_exact_states_runs_too(tmp_path: Path) -> None:
    made = sample_tape(seed=11, markets=2, hours=24 * 10)
    exact_tape.save(made.deployment, [row_of(made, row) for row in range(len(made))], tmp_path / "exact")
    asked = replace(NOTHING, tape=str(tmp_path / "exact"), own_impact=False)
    _, study = told(asked, tmp_path / "report.html")
    assert study["saved"]["is_exact"] is True
    assert "As exact as its rows." in (tmp_path / "report.html").read_text()
    with tables.console.capture():
        assert replay(tmp_path / "report.html", as_json=False)


def test_an_asset_is_found_however_it_is_written_and_refused_where_it_is_not(saved: Asked) -> None:
    assert completed(saved).assets == completed(replace(saved, assets=("usdc",))).assets == ("USDC",)
    for asked, why in (
        (replace(saved, assets=("DAI",)), "--asset DAI: not in this tape, which has USDC"),
        (replace(saved, start="2024-01-01"), "--start is for recorded data: give --data"),
        (replace(saved, tape=saved.tape + "x"), "--tape: no such folder"),
    ):
        with pytest.raises(SettingsError, match=why):
            completed(asked)


def test_a_crisis_is_called_made_and_told_with_what_must_hold(tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    text, study = told(replace(NOTHING, crisis="gas-spike"), out)
    assert study["crisis"] == "gas-spike" and "gas-spike, a made tape" in text
    page = out.read_text()
    assert "Backtest on a made tape · gas-spike" in page and "What must hold:" in page
    with tables.console.capture():
        assert replay(out, as_json=False)


def test_of_many_held_markets_the_table_has_the_best_and_the_worst(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few, _ = told(NOTHING, tmp_path / "report.html")
    monkeypatch.setattr("backtest.tables.HOLDS", 1)
    dataset.save(sample_tape(seed=3, markets=4, hours=720), tmp_path / "tape")
    many, _ = told(replace(NOTHING, tape=str(tmp_path / "tape")), tmp_path / "many.html")
    assert "2 held between" in many and "held between" not in few
