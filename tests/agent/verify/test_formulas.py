"""`usufruct verify formulas`: what is as stated passes to its digits, what is not fails by name, and nothing is passed over."""

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from agent.cli import app
from backtest.evidence.published import GROUPS, closed, drawn, falls, read
from backtest.evidence.published.case import Check
from backtest.evidence.simulated import Effort

SHARED = Path(__file__).parents[4] / "shared" / "benchmarks" / "formulas" / "formulas.json"
KELLY = {
    "mu": "0.05",
    "sigma": "0.2",
    "f_star": "1.25",
    "growth_full": "0.03125",
    "growth_half": "0.0234375",
    "prob_ever_below_half_full_kelly": "0.5",
    "prob_ever_below_half_half_kelly": "0.125",
}
GENERATOR = "numpy RandomState(1).standard_normal((960,50)); column 7 += 0.0"
SEEDED = {
    "case": "noise",
    "generator": GENERATOR,
    "S": 8,
    "combinations": 70,
    "pbo": 0.2857142857142857,
    "median_logit": 0.438254930931155,
}
POOL = {"sigma_daily": "0.05", "block_s": 12, "fee": 0.003, "blocks": "poisson", "mc_ratio": 0.12195, "se": 0.0002}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer paths: the errors they leave are part of every tolerance."""
    monkeypatch.setattr(drawn, "EFFORT", Effort(paths=1_000, steps=600, seed=7))
    monkeypatch.setattr(falls, "EFFORT", Effort(paths=10_000, steps=300, seed=9))


def written(folder: Path, **groups: object) -> Path:
    path = folder / "formulas.json"
    path.write_text(json.dumps({**groups, "_meta": {"precision": "any"}}))
    return path


def verify(path: Path, *options: str) -> Result:
    return CliRunner().invoke(app, ["verify", "formulas", str(path), *options])


def summary(said: Result) -> tuple[int, int, int]:
    last = said.stdout.splitlines()[-1]
    counts: dict[str, int] = json.loads(last)
    assert last == f'{{"checks":{counts["checks"]},"passed":{counts["passed"]},"failed":{counts["failed"]}}}'
    return counts["checks"], counts["passed"], counts["failed"]


def checks(path: Path) -> Iterator[Check]:
    for group in read(path):
        yield from group.checks()


def failures(folder: Path, **groups: object) -> list[Check]:
    return [check for check in checks(written(folder, **groups)) if not check.passed]


def test_ends_well_where_all_is_as_stated(tmp_path: Path) -> None:
    said = verify(written(tmp_path, kelly=[KELLY], pbo_cscv=[SEEDED]))
    assert (said.exit_code, summary(said)) == (0, (8, 8, 0))
    assert "kelly" in said.stdout


def test_shows_what_is_not_as_stated_and_goes_on(tmp_path: Path) -> None:
    said = verify(written(tmp_path, kelly=[KELLY, {**KELLY, "f_star": "1.26"}], lvr_cpmm=[{"sigma_daily": "0.01"}]))
    assert (said.exit_code, summary(said)) == (1, (11, 9, 2))
    assert "1 f_star: expected 1.26, computed 1.25, tolerance" in said.stdout
    assert "the case states no outcome" in said.stdout


def test_programs_get_an_object_a_group_and_the_summary_last(tmp_path: Path) -> None:
    said = verify(written(tmp_path, kelly=[{**KELLY, "f_star": "2"}]), "--json")
    group, last = (json.loads(line) for line in said.stdout.splitlines())
    assert (group["group"], group["checks"], group["failed"]) == ("kelly", 5, 1)
    assert group["failures"][0]["what"] == "f_star"
    assert last == {"checks": 5, "passed": 4, "failed": 1}


@pytest.mark.parametrize(
    ("groups", "what", "why"),
    [
        ({"new_maths": [{"a": 1}]}, "new_maths", "no formula here answers this group"),
        ({"kelly": [{**KELLY, "omega": 1}]}, "omega", "nobody here knows this key"),
        ({"kelly": [7]}, "0", "a case is keys and values"),
        ({"kelly": {}}, "kelly", "a list of cases is needed"),
        ({"kelly": []}, "kelly", "a list of cases is needed"),
        ({"kelly": [{**KELLY, "sigma": "0"}]}, "f_star", "volatility is 0"),
        ({"kelly": [{**KELLY, "mu": "much"}]}, "f_star", "`mu` is much; a number is needed"),
        ({"kelly": [{**KELLY, "mu": "nan"}]}, "f_star", "`mu` is nan; a finite number is needed"),
        ({"kelly": [{**KELLY, "mu": True}]}, "f_star", "`mu` is True; a number is needed"),
        ({"kelly": [{**KELLY, "f_star": None}]}, "f_star", "`f_star` is nothing"),
        ({"psr": [{"sr": "0.1", "T": "1", "skew": 0, "kurtosis": 3, "benchmark": 0, "psr": "0.5"}]}, "psr", "two at least"),
        ({"psr": [{"sr": "0.1", "T": "9.5", "skew": 0, "kurtosis": 3, "benchmark": 0, "psr": "0.5"}]}, "psr", "a whole number"),
        ({"impermanent_loss_v3": [{"p0": 1, "p1": 1, "range": [1], "il": "0"}]}, "il", "two numbers are needed"),
        ({"pbo_cscv": [{**SEEDED, "generator": "random()"}]}, "pbo", "none that is known"),
        ({"pbo_cscv": [{**SEEDED, "S": 7}]}, "pbo", "an even number"),
        ({"pbo_cscv": [{**SEEDED, "S": 40}]}, "pbo", "an even number from 2 to 20"),
        ({"pbo_cscv": [{**SEEDED, "generator": GENERATOR.replace("960", "99999999")}]}, "pbo", "at most"),
        ({"pbo_cscv": [{**SEEDED, "generator": GENERATOR.replace("column 7", "column 50")}]}, "pbo", "no column 50"),
        ({"pbo_cscv": [{"case": "some noise", "mean_pbo": 0.5}]}, "mean_pbo", "is not as"),
        ({"lvr_monte_carlo_check": [{**POOL, "blocks": "often"}]}, "mc_ratio", "deterministic or poisson is needed"),
        ({"lvr_monte_carlo_check": [{**POOL, "fee": -1}]}, "mc_ratio", "a fee of -1"),
        ({"expected_max_drawdown_bm": {"zero_drift": "E=mc^2"}}, "zero_drift", "not the one that is known"),
        ({"expected_max_drawdown_bm": {"tolerance": "none"}}, "expected_max_drawdown_bm", "states no outcome"),
        ({"expected_max_drawdown_bm": {"monte_carlo": {"mu0": "1 +- 1"}}}, "mu0", "nobody here knows this key"),
        ({"expected_max_drawdown_bm": []}, "expected_max_drawdown_bm", "keys and values are needed"),
    ],
)
def test_what_nobody_knows_or_can_compute_fails_by_name(tmp_path: Path, groups: dict[str, Any], what: str, why: str) -> None:
    found = failures(tmp_path, **groups)
    assert next((check.what, why in check.why) for check in found) == (what, True), found


@pytest.mark.parametrize("text", ["{", "[]", "{}", "3", '{"_meta": {}}', '{"kelly": [{"mu": NaN}]}', "\udcff", "[" * 100_000])
def test_a_file_out_of_the_format_is_an_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "formulas.json"
    path.write_bytes(text.encode(errors="surrogateescape"))
    said = verify(path)
    assert said.exit_code == 2
    assert "error: formulas.json" in said.stdout


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    assert verify(tmp_path / "none.json").exit_code == 2


def test_a_tie_in_the_middle_may_be_counted_either_way(tmp_path: Path) -> None:
    """Of three columns the middle one has a logit of exactly zero, as in two of these six combinations."""
    seeded = {"generator": "numpy RandomState(14).standard_normal((40,3))", "S": 4, "combinations": 6}
    found = drawn.overfitting(drawn.matrix(14, 40, 3), 4)
    assert (found.even, found.combinations) == (2, 6)
    weak, strict = found.probability, found.probability - found.even / 6
    assert not failures(tmp_path, pbo_cscv=[{**seeded, "pbo": weak}])
    assert not failures(tmp_path, pbo_cscv=[{**seeded, "pbo": strict}])
    assert failures(tmp_path, pbo_cscv=[{**seeded, "pbo": weak + 0.4}])


def test_a_simulation_that_is_not_ours_fails_even_when_drawn_again(tmp_path: Path) -> None:
    assert not failures(tmp_path, lvr_monte_carlo_check=[POOL])
    wrong = failures(tmp_path, lvr_monte_carlo_check=[{**POOL, "mc_ratio": 0.15}])
    assert [check.what for check in wrong] == ["mc_ratio"]
    unlike = failures(tmp_path, lvr_monte_carlo_check=[{**POOL, "mc_trade_prob": 0.3}])
    assert [check.what for check in unlike] == ["mc_trade_prob"]


def test_a_stated_drawdown_is_met_by_simulation_and_form_or_fails(tmp_path: Path) -> None:
    told = {
        "monte_carlo": {"mu0_sigma2_T4": "5.013 +- 0.01", "mu-1_sigma1_T20": "20.9 +- 0.1"},
        "zero_drift": "E[MDD] = 2*gamma*sigma*sqrt(T) = 1.2533*sigma*sqrt(T)",
    }
    assert not failures(tmp_path, expected_max_drawdown_bm=told)
    wrong = {"monte_carlo": {"mu0_sigma2_T4": "5.4 +- 0.01"}, "zero_drift": "E[MDD]=2*gamma*sigma*sqrt(T)=1.2633*sigma*sqrt(T)"}
    assert len(failures(tmp_path, expected_max_drawdown_bm=wrong)) == 3


@pytest.mark.skipif(not SHARED.is_file(), reason="the published formula checks are not beside this repository")
def test_the_published_checks_all_pass() -> None:
    said = verify(SHARED)
    counted, passed, failed = summary(said)
    assert (said.exit_code, failed) == (0, 0), said.stdout
    assert counted == passed > 200
    assert set(GROUPS) <= {line.split()[0] for line in said.stdout.splitlines()}


@pytest.mark.skipif(not SHARED.is_file(), reason="the published formula checks are not beside this repository")
@pytest.mark.parametrize("group", sorted(closed.FORMS))
def test_one_unit_in_the_last_stated_place_is_found(tmp_path: Path, group: str) -> None:
    rows = json.loads(SHARED.read_text())[group]
    for key in closed.FORMS[group].stated:
        stated = Decimal(rows[0][key])
        moved = stated + Decimal(1).scaleb(max(stated.adjusted() - 8, int(stated.as_tuple().exponent)))
        found = failures(tmp_path, **{group: [{**rows[0], key: str(moved)}, *rows[1:]]})
        assert [check.what for check in found] == [key], (key, stated, moved)
