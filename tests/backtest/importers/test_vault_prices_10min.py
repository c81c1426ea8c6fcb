"""Ten-minute prices of yield-bearing dollars: milliseconds, steps, lost decimals, and the real file against its description."""

from pathlib import Path

import numpy as np
import pytest

from backtest.checking.marks import Mark
from backtest.importers.share_prices import belief_findings, beliefs
from backtest.importers.vault_prices_10min import read, recognises
from backtest.index_columns import index_columns
from strategies.errors import BadTape
from strategies.units import RAY
from tests.backtest.importers.written import START, counts, imported, said, shared, write_json


def write(folder: Path, tokens: dict[str, tuple[str, list[float]]], *, scale: int = 1_000) -> Path:
    content = {
        name: {
            "symbol": name,
            "name": name,
            "chain": chain,
            "protocol": "p",
            "snapshots": [
                {"timestamp": (START + 600 * row) * scale + 80, "price": price, "apr_1h": 9e15}
                for row, price in enumerate(prices)
            ],
        }
        for name, (chain, prices) in tokens.items()
    }
    write_json(folder / "snapshots.json", {"lastUpdate": 1, "tokens": content})
    return folder


def test_milliseconds_become_seconds_and_every_digit_is_kept(tmp_path: Path) -> None:
    write(tmp_path, {"sUSDe": ("ethereum", [1.2199898403333247] * 40)})
    (vault,) = read(tmp_path)
    assert recognises(tmp_path) and vault.timestamp[0] == START and vault.price_ray[0] == 12_199_898_403_333_247 * RAY // 10**16


def test_refuses_seconds_where_milliseconds_belong_and_an_unknown_chain(tmp_path: Path) -> None:
    with pytest.raises(BadTape, match="no Unix seconds"):
        read(write(tmp_path, {"sUSDe": ("ethereum", [1.2])}, scale=1))
    with pytest.raises(BadTape, match="unknown chain 'moon'"):
        read(write(tmp_path, {"sUSDe": ("moon", [1.2])}))


def test_refuses_other_json(tmp_path: Path) -> None:
    with pytest.raises(BadTape, match="holds no JSON file of tokens"):
        read(tmp_path)
    write_json(tmp_path / "snapshots.json", {"tokens": {"a": {"symbol": "a"}}})
    with pytest.raises(BadTape, match="is no file of tokens"):
        read(tmp_path)


def test_a_price_that_changes_its_decimals_is_refused_until_it_has_them(tmp_path: Path) -> None:
    write(tmp_path, {"yzPP": ("plasma", [1.08e-12, *[1.0787 + 0.000001 * row for row in range(60)]])})
    tape, report = imported("vault-prices-10min", tmp_path, "USD@9745")
    assert np.nanmax(tape.supply_apr) < 0.1 and Mark.DECIMALS in {mark for _, mark in said(report)}
    assert index_columns(tape).index_ray(36, 0) == 0 < index_columns(tape).index_ray(37, 0)


def test_a_price_that_steps_once_a_day_has_a_rate_over_a_day(tmp_path: Path) -> None:
    write(tmp_path, {"USTB": ("ethereum", [*[10.0] * 100, *[10.001] * 100])})
    tape, _ = imported("vault-prices-10min", tmp_path, "USD")
    assert tape.fresh[:, 0].sum() == 200 - 36 and tape.supply_apr[199, 0] == pytest.approx(0.0001 * 365)


def test_the_real_file_shows_what_its_description_lists() -> None:
    folder = shared("vault-prices-10min")
    vaults = {vault.id.split("-0x")[0]: vault for vault in read(folder)}
    assert len(vaults) == 23 and sum(len(vault.timestamp) for vault in vaults.values()) == 10_600
    slipped = vaults["yzpp"]
    assert counts(belief_findings(slipped, beliefs(slipped))) == {Mark.DECIMALS: 1}
    tape, _ = imported("vault-prices-10min", folder, "USD")
    yields = {market.id.split("-0x")[0]: tape.supply_apr[-1, at] for at, market in enumerate(tape.deployment.markets)}
    assert yields["syrupusdc"] == pytest.approx(0.045, abs=0.001) and yields["susde"] == pytest.approx(0.034, abs=0.002)
    assert np.nanmax(tape.supply_apr) < 1.0
