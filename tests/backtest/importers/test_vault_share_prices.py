"""Hourly vaults: exact indices on a tape, what a strategy may see of them, and the real files against their description."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from backtest.checking.marks import Mark
from backtest.dataset import load, save
from backtest.importers.defects import ImportReport
from backtest.importers.ethereum_gas import DailyEther, DailyGas
from backtest.importers.lending import Request
from backtest.importers.vault_share_prices import WINDOW, read, recognises
from backtest.importers.vault_tapes import assets_of, vault_rates, vault_tape
from backtest.index_columns import index_columns
from backtest.terms import Terms
from strategies.errors import BadTape
from strategies.protocols.recorded_index import RecordedIndex
from strategies.tape import Tape
from strategies.units import RAY, USD_E8
from tests.backtest.importers.written import DAY, EVERYTHING, HOUR, START, counts, moments, said, shared, write_parquet
from tests.backtest.importers.written import imported as of_catalogue

ONE, OTHER = "0x" + "1a" * 20, "0x" + "2b" * 20
BOTH = {ONE: "USDC", OTHER: "USDC"}


def rows(address: str, prices: list[float | None], **changes: Any) -> dict[str, list[Any]]:
    """A vault's rows as the source writes them."""
    count = len(prices)
    times = changes.pop("times", moments(count).tolist())
    table = {
        "chain": [1] * count,
        "address": [address] * count,
        "block_number": list(range(100, 100 + count)),
        "timestamp": times,
        "share_price": prices,
        "total_assets": [1e6 * (price or 1.0) for price in prices],
        "total_supply": [1e6] * count,
        "errors": [""] * count,
    }
    return table | changes


def write(folder: Path, *vaults: Mapping[str, list[Any]]) -> None:
    columns: dict[str, Any] = {name: [value for vault in vaults for value in vault[name]] for name in vaults[0]}
    columns["timestamp"] = pa.array([time * 1_000 for time in columns["timestamp"]], pa.int64()).cast(pa.timestamp("ms"))
    write_parquet(folder / "prices.parquet", columns)


def imported(folder: Path, asset: str = "USDC", *, start: int = 0) -> tuple[Tape, ImportReport]:
    return vault_tape(read(folder, BOTH), folder, Request(asset, start, EVERYTHING), WINDOW)


def growing(count: int, first: float = 1.0) -> list[float | None]:
    return [round(first + 0.00001 * row, 6) for row in range(count)]


def test_the_recorded_share_price_is_the_index_exactly(tmp_path: Path) -> None:
    write(tmp_path, rows(ONE, growing(30)))
    tape, _ = imported(tmp_path)
    assert index_columns(tape).index_ray(29, 0) == 1_000_290 * RAY // 10**6
    state = tape.states.state(29, 0)
    assert isinstance(state, RecordedIndex) and state.available_raw is None and state.index_ray == 1_000_290 * RAY // 10**6


def test_a_vault_says_a_rate_once_it_has_a_day_behind_it(tmp_path: Path) -> None:
    write(tmp_path, rows(ONE, growing(30)))
    tape, _ = imported(tmp_path)
    assert tape.fresh[:, 0].tolist() == [False] * 24 + [True] * 6
    assert np.isnan(tape.supply_apr[:24]).all() and tape.supply_apr[24, 0] == pytest.approx(0.00024 * 365)
    assert tape.states.state(23, 0) is None


def test_vaults_of_one_asset_share_a_clock_and_keep_their_own_rows(tmp_path: Path) -> None:
    late = [time + 1_800 for time in moments(30).tolist()]
    write(tmp_path, rows(ONE, growing(30)), rows(OTHER, growing(30), times=late))
    tape, _ = imported(tmp_path)
    assert len(tape) == 60 and [market.id for market in tape.deployment.markets] == [
        "vault-1-" + ONE[:10],
        "vault-1-" + OTHER[:10],
    ]
    assert tape.fresh[-1].tolist() == [False, True] and tape.fresh[-2].tolist() == [True, False]


def test_an_unconfirmed_fall_or_spike_never_reaches_a_strategy_and_leaves_the_index(tmp_path: Path) -> None:
    for price, mark in ((0.9, Mark.BACKWARDS), (1.4, Mark.SPIKE)):
        prices = growing(40)
        prices[35] = price
        write(tmp_path, rows(ONE, prices, total_assets=[1e6] * 40))
        tape, report = imported(tmp_path)
        assert np.isnan(tape.supply_apr[35, 0]) and not tape.fresh[35, 0]
        index = index_columns(tape)
        assert index.index_ray(35, 0) == index.index_ray(34, 0) < index.index_ray(36, 0)
        assert report.markets[0].refused_rows == 1 and said(report)[report.markets[0].market_id, mark] == 1


def test_a_loss_that_the_assets_share_is_kept_and_its_rate_is_none_not_negative(tmp_path: Path) -> None:
    prices = growing(40)
    prices[30:] = [0.95] * 10
    write(tmp_path, rows(ONE, prices))
    tape, report = imported(tmp_path)
    assert tape.fresh[30:, 0].all() and (tape.supply_apr[30:, 0] == 0).all()
    assert index_columns(tape).index_ray(30, 0) == 95 * RAY // 100
    assert said(report)[report.markets[0].market_id, Mark.LOSS] == 1


def test_growth_of_more_than_a_doubling_a_year_is_refused(tmp_path: Path) -> None:
    write(tmp_path, rows(ONE, [round(1 + 0.0005 * row, 6) for row in range(40)]))
    tape, report = imported(tmp_path)
    assert not tape.fresh.any() and report.markets[0].refused_rows == 16


def test_rows_a_collector_calls_errors_repeats_and_disorder_are_left_out(tmp_path: Path) -> None:
    times = moments(30).tolist()
    times[28], times[29] = times[27], times[3]
    write(tmp_path, rows(ONE, growing(30), times=times, errors=["", "rpc failed", *[""] * 28]))
    (vault,) = read(tmp_path, BOTH)
    assert counts(vault.findings) == {Mark.NOT_A_NUMBER: 1, Mark.REPEATED: 2, Mark.DISORDER: 1, Mark.AFTER_GAP: 1}
    assert len(vault.timestamp) == 26


def test_a_closed_door_is_part_of_the_terms(tmp_path: Path) -> None:
    limits = [1e69, 0.0, 0.0, 5.0, None, 0.0]
    write(tmp_path, rows(ONE, growing(6), max_deposit=limits, redemption_open=["true", "false", "true", "", None, "true"]))
    vaults = read(tmp_path, BOTH)
    closed = ((START + HOUR, START + 3 * HOUR), (START + 5 * HOUR, None))
    said_so = Terms(0, closed, ((START + HOUR, START + 2 * HOUR),))
    assert vaults[0].terms == said_so
    assert imported(tmp_path)[1].terms == ((vaults[0].id, said_so),)


def test_recorded_liquidity_limits_what_can_leave_and_nothing_else_does(tmp_path: Path) -> None:
    write(tmp_path, rows(ONE, growing(30), available_liquidity=[None] * 29 + [1_414.19127]))
    tape, _ = imported(tmp_path)
    assert np.isnan(tape.available[28, 0]) and tape.available[29, 0] == 1_414.19127


def test_an_asset_the_file_does_not_name_is_its_own(tmp_path: Path) -> None:
    write(tmp_path, rows(ONE, growing(3)), rows(OTHER, growing(3)))
    assert assets_of(read(tmp_path, {})) == (f"asset-of-{ONE[:10]}", f"asset-of-{OTHER[:10]}")
    with pytest.raises(BadTape, match="no vault of 'GOLD' here; known: USDC"):
        imported(tmp_path, "GOLD")


def test_one_symbol_on_two_chains_has_to_be_told_apart(tmp_path: Path) -> None:
    write(tmp_path, rows(ONE, growing(30)), rows(OTHER, growing(30), chain=[10] * 30))
    assert assets_of(read(tmp_path, BOTH)) == ("USDC", "USDC@10")
    one, other = imported(tmp_path)[0].deployment, imported(tmp_path, "USDC@10")[0].deployment
    assert (one.chain_id, len(one.markets), other.chain_id, len(other.markets)) == (1, 1, 10, 1)


def test_refuses_a_window_without_rows_and_a_folder_without_vaults(tmp_path: Path) -> None:
    assert not recognises(tmp_path)
    with pytest.raises(BadTape, match="holds no Parquet file"):
        imported(tmp_path)
    write(tmp_path, rows(ONE, growing(30)))
    assert recognises(tmp_path)
    with pytest.raises(BadTape, match="its rows run from 2023-01-01 to 2023-01-02"):
        imported(tmp_path, start=START + 100 * DAY)


def test_a_vault_of_next_to_nothing_says_no_rate_while_its_index_goes_on(tmp_path: Path) -> None:
    prices, held = growing(40), [1e6] * 30 + [1.16] * 10
    write(tmp_path, rows(ONE, prices, total_assets=held))
    tape, report = imported(tmp_path)
    assert tape.fresh[:, 0].tolist() == [False] * 24 + [True] * 6 + [False] * 10
    assert index_columns(tape).index_ray(39, 0) == 1_000_390 * RAY // 10**6
    assert said(report)[report.markets[0].market_id, Mark.DUST] == 10


def test_an_asset_without_a_price_is_never_called_dust(tmp_path: Path) -> None:
    write(tmp_path, rows(ONE, growing(40), total_assets=[1.16] * 40))
    tape, report = vault_tape(read(tmp_path, {}), tmp_path, Request(f"asset-of-{ONE[:10]}", 0, EVERYTHING), WINDOW)
    assert tape.fresh[24:, 0].all() and any("Never hold 1,000 units" in note for note in report.notes)


def test_a_window_keeps_what_was_believed_before_it(tmp_path: Path) -> None:
    write(tmp_path, rows(ONE, growing(60)))
    whole, part = imported(tmp_path)[0], imported(tmp_path, start=START + 40 * HOUR)[0]
    np.testing.assert_array_equal(whole.supply_apr[40:], part.supply_apr)
    assert part.fresh.all()


def test_gas_and_ether_join_the_tape_as_known_by_then(tmp_path: Path) -> None:
    write(tmp_path, rows(ONE, growing(30)))
    days = START // DAY - 1
    gas, ether = DailyGas("g", days, np.array([7, 8])), DailyEther("e", days, np.array([USD_E8, 2 * USD_E8]))
    tape, report = vault_tape(read(tmp_path, BOTH), tmp_path, Request("USDC", 0, EVERYTHING, gas, ether), WINDOW)
    assert tape.base_fee_wei[[0, 24]].tolist() == [7, 8] and tape.price_usd_e8[24].tolist() == [USD_E8, 2 * USD_E8]
    assert not any("No gas price" in note for note in report.notes)
    assert any("No gas price" in note for note in imported(tmp_path)[1].notes)


def test_a_dollar_without_a_price_is_at_par_and_says_so_and_an_unknown_asset_has_none(tmp_path: Path) -> None:
    write(tmp_path, rows(ONE, growing(30)))
    tape, report = imported(tmp_path)
    assert (tape.price_usd_e8[:, 0] == USD_E8).all() and any("no depeg shows" in note for note in report.notes)
    unnamed, told = vault_tape(read(tmp_path, {}), tmp_path, Request(f"asset-of-{ONE[:10]}", 0, EVERYTHING), WINDOW)
    assert not unnamed.price_usd_e8.any() and any("unpriced throughout" in note for note in told.notes)


def test_a_vault_tape_is_saved_and_mapped_as_any_other(tmp_path: Path) -> None:
    write(tmp_path, rows(ONE, growing(30)))
    tape, _ = imported(tmp_path)
    save(tape, tmp_path / "tape")
    assert load(tmp_path / "tape").digest == tape.digest


def test_a_refusing_mark_is_on_every_cell_that_was_refused(tmp_path: Path) -> None:
    prices = growing(40)
    prices[35] = 1.4
    write(tmp_path, rows(ONE, prices))
    rates, findings = vault_rates(read(tmp_path, BOTH), "t", Request("USDC", 0, EVERYTHING), WINDOW)
    assert rates.marks is not None and rates.marks[35, 0] == Mark.SPIKE and findings[0].rows == (35,)


def test_the_real_vaults_show_what_their_description_lists() -> None:
    folder = shared("vault-share-prices")
    vaults = {vault.address[:10]: vault for vault in read(folder, {})}
    assert len(vaults) == 9 and sum(len(vault.timestamp) for vault in vaults.values()) == 19_633
    tau = vaults["0x43a32d4f"]
    assert tau.price_ray[0] == 999_292 * RAY // 10**6 and max(tau.liquidity[~np.isnan(tau.liquidity)]) > 0
    assert tau.terms.deposit_closed == ()  # a limit of 1e69 is none
    tape, report = of_catalogue("vault-share-prices", folder, tau.asset.symbol)
    spike = int(datetime.fromisoformat("2026-03-20T17:26:59+00:00").timestamp())
    row = int(np.searchsorted(tape.timestamp, spike))
    assert tape.timestamp[row] == spike and not tape.fresh[row, 0] and np.isnan(tape.supply_apr[row, 0])
    assert said(report)[tau.id, Mark.LOSS] == 213
    rates = tape.supply_apr[tape.fresh]
    assert rates.max() < 0.5 and np.median(rates) == pytest.approx(0.06, abs=0.05)


def test_a_real_vault_that_never_moves_and_small_ones_are_named() -> None:
    folder = shared("vault-share-prices")
    names = assets_of(read(folder, {}))
    notes = [of_catalogue("vault-share-prices", folder, name)[1].notes for name in names]
    assert sum(any("Never change" in note for note in some) for some in notes) == 1
    assert sum(any("Never hold 1,000 units" in note for note in some) for some in notes) == 4
