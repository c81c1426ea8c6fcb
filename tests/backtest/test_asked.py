"""What a person may ask of a backtest: each wrong question is one sentence, and nothing is computed or written before it."""

import gzip
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from agent.cli import backtests, tables
from agent.cli.asked import Asked, asked_of, completed
from agent.cli.backtests import report, run, writable
from strategies.errors import SettingsError
from tests.backtest.test_importers import write

NOTHING = Asked(data="", gas="", assets=(), start="", end="", cash=0, seed=7)


@pytest.fixture
def recorded(tmp_path: Path) -> Asked:
    """Six hours of 2023-01-01 of two assets, and a gas price for each day around them."""
    data, gas = tmp_path / "data", tmp_path / "gas"
    data.mkdir()
    gas.mkdir()
    write(data, "v3_usdc")
    write(data, "v3_weth", token_balance=np.full(6, 4e20))
    days = "\n".join(f'"","{1_672_272_000 + 86_400 * at}","20000000000"' for at in range(10))
    (gas / "export-AvgGasPrice.csv.gz").write_bytes(gzip.compress(f'"Date(UTC)","UnixTimeStamp","Value (Wei)"\n{days}'.encode()))
    return replace(NOTHING, data=str(data), gas=str(gas), start="2023-01-01", end="2023-01-02")


def refused(asked: Asked) -> str:
    with pytest.raises(SettingsError) as caught:
        completed(asked)
    return str(caught.value)


def test_what_was_not_given_is_filled_in(recorded: Asked) -> None:
    assert completed(NOTHING) == replace(NOTHING, assets=("USDC",), cash=1_000_000)
    whole = completed(replace(recorded, start="", end=""))
    assert whole == replace(recorded, assets=("USDC",), start="2023-01-27", end="2026-01-20", cash=1_000_000)


def test_symbols_are_upper_cased_and_counted_once(recorded: Asked) -> None:
    assert completed(replace(NOTHING, assets=("usdc", "USDC"))).assets == ("USDC",)
    assert completed(replace(recorded, assets=("Usdc", "weth", "usdc"), cash=5)).assets == ("USDC", "WETH")


def test_an_unknown_asset_is_refused_with_the_known_ones(recorded: Asked) -> None:
    assert (
        refused(replace(NOTHING, assets=("DAI",)))
        == "--asset DAI: the synthetic tape has USDC only; give --data or --tape for others"
    )
    assert refused(replace(recorded, assets=("foo",))) == "--asset foo: not in this data, which has USDC, WETH"
    Path(recorded.data, "aave_v3_usdc_eth.parquet").unlink()
    assert refused(recorded) == "--cash: say how many WETH to begin with; the default is for dollars"


def test_cash_is_positive_and_has_a_default_in_dollars_only(recorded: Asked) -> None:
    assert refused(replace(NOTHING, cash=-5)) == "--cash must be positive"
    assert "--cash: say how many WETH to begin with" in refused(replace(recorded, assets=("WETH",)))
    assert completed(replace(recorded, assets=("WETH",), cash=5)).cash == 5


def test_a_seed_is_not_negative() -> None:
    assert refused(replace(NOTHING, seed=-1)) == "--seed must not be negative"
    assert completed(replace(NOTHING, seed=0)).seed == 0


def test_a_run_has_one_tape() -> None:
    assert refused(replace(NOTHING, tape="a", crisis="gas-spike")) == "--tape and --crisis: a run has one tape; give one of them"
    assert completed(replace(NOTHING, crisis="gas-spike")).assets == ("USDC",)


def test_a_crisis_and_a_stance_are_named_as_they_are_listed() -> None:
    assert refused(replace(NOTHING, crisis="y2k")).startswith("--crisis y2k: there are ust-may-2022, ")
    assert refused(replace(NOTHING, stance="brave")) == "--stance brave: there are conservative, balanced, unrestrained"
    assert completed(replace(NOTHING, stance="unrestrained")).rotation.stance == "unrestrained"


def test_a_crisis_of_another_asset_begins_with_what_is_said_of_it() -> None:
    assert completed(replace(NOTHING, crisis="ust-may-2022")).assets == ("UST",)
    assert "--cash: say how many stETH" in refused(replace(NOTHING, crisis="steth-june-2022"))
    whole = completed(replace(NOTHING, crisis="steth-june-2022", cash=300, assets=("STETH",)))
    assert (whole.assets, whole.cash) == (("stETH",), 300)


def test_what_was_asked_before_there_were_these_options_is_still_read() -> None:
    before = {"data": "", "gas": "", "assets": ["USDC"], "start": "", "end": "", "cash": 5, "seed": 7}
    assert asked_of(before) == replace(NOTHING, assets=("USDC",), cash=5)


@pytest.mark.parametrize("name", ["start", "end", "gas"])
def test_what_is_for_recorded_data_is_refused_without_it(name: str) -> None:
    assert refused(replace(NOTHING, **{name: "2023-01-27"})) == f"--{name} is for recorded data: give --data"  # type: ignore[arg-type]


def test_a_missing_folder_is_named_in_full_and_data_before_gas(
    recorded: Asked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert refused(replace(recorded, data="nope", gas="")) == f"--data: no such folder: {tmp_path / 'nope'}"
    assert refused(replace(recorded, gas="nope")) == f"--gas: no such folder: {tmp_path / 'nope'}"
    assert "--gas: name the folder" in refused(replace(recorded, gas=""))
    assert "holds no recorded rates, such as aave_v3_usdc_eth.parquet" in refused(replace(recorded, data=recorded.gas))
    assert completed(replace(recorded, data="data", gas="gas")).assets == ("USDC",)


def test_days_are_written_one_way_and_in_order(recorded: Asked) -> None:
    assert refused(replace(recorded, start="27.01.2023")) == "--start '27.01.2023': write a day as 2023-01-27"
    assert refused(replace(recorded, end="2023-02-30")) == "--end '2023-02-30': write a day as 2023-01-27"
    for end in ("2022-12-31", "2023-01-01"):
        told = f"--end {end} is not after --start 2023-01-01; the data has 2023-01-01 to 2023-01-01"
        assert refused(replace(recorded, end=end)) == told


def test_a_page_goes_where_a_page_can_be_written(tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_text("")
    for out, told in (
        (tmp_path, f"--out: {tmp_path} is a folder; name a page in it: {tmp_path / 'report.html'}"),
        (tmp_path / "x.json", "must end in .html"),
        (taken / "x.html", f"--out: {taken} is no folder"),
        (taken / "deeper" / "x.html", "is no folder"),
        (Path("/proc/x.html"), "cannot be written"),
    ):
        with pytest.raises(SettingsError) as caught:
            writable(out)
        assert told in str(caught.value)
    writable(tmp_path / "new" / "x.html")
    assert list((tmp_path / "new").iterdir()) == []


def test_nothing_is_computed_before_the_place_is_known_to_be_writable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backtests, "sample_tape", lambda *, seed: pytest.fail("it began"))
    with pytest.raises(SettingsError, match="--out"):
        run(NOTHING, tmp_path, as_json=False)


@pytest.mark.parametrize("cash", [1, 20])
def test_cash_that_gas_eats_up_is_told_and_does_not_crash(cash: int, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    with tables.console.capture() as said:
        run(replace(NOTHING, cash=cash), out, as_json=False)
    results = json.loads(out.with_suffix(".json").read_text())["studies"]["USDC"]["results"]
    assert results["equal weight"]["final"] < 0 and results["equal weight"]["apy"] == -1.0
    assert results["idle"]["final"] == cash and results["idle"]["apy"] == 0.0
    assert "\u2212100.00 %" in said.get()


def test_the_table_has_both_falls_no_negative_zero_and_says_what_a_synthetic_tape_shows(recorded: Asked, tmp_path: Path) -> None:
    told = []
    for asked in (NOTHING, recorded):
        with tables.console.capture() as said:
            run(asked, tmp_path / "report.html", as_json=False)
        told.append(said.get())
    for text in told:
        assert "deepest fall" in text and "in USD" in text and "-0.00" not in text and "\u22120.00" not in text
    assert "a synthetic tape of seed 7: it shows the machine, not the strategy" in told[0]
    assert "synthetic" not in told[1]


def test_a_report_writes_its_page_and_nothing_else(tmp_path: Path) -> None:
    run(NOTHING, tmp_path / "first" / "report.html", as_json=False)
    report(tmp_path / "first" / "report.json", tmp_path / "second" / "again.html")
    assert [path.name for path in (tmp_path / "second").iterdir()] == ["again.html"]
    assert (tmp_path / "second" / "again.html").read_bytes() == (tmp_path / "first" / "report.html").read_bytes()
    recorded = json.loads((tmp_path / "first" / "report.json").read_text())
    assert {path.name for path in (tmp_path / "first").iterdir()} == {
        *("report.html", "report.json", "report-recipe.json", "trials.sqlite"),
        *recorded["files"],
    }


def test_every_run_counts_as_a_trial_once(tmp_path: Path) -> None:
    told = []
    for cash in (0, 0, 400_000):
        run(replace(NOTHING, cash=cash), tmp_path / "report.html", as_json=False)
        told.append(json.loads((tmp_path / "report.json").read_text())["studies"]["USDC"]["evidence"]["trials"])
    assert told == [1, 1, 2]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"asked": {"assets": []}}', '{"asked": 3}'])
def test_a_file_that_no_run_wrote_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    file.write_text(text)
    with pytest.raises(SettingsError, match="is not the JSON that `backtest run` writes"):
        report(file, tmp_path / "page.html")
