"""Daily MetaMorpho vaults: told apart by chain and address, priced by the largest, and the real file against its description."""

from pathlib import Path

import numpy as np
import pytest

from backtest.checking.marks import Mark
from backtest.importers.metamorpho_daily import read, recognises
from backtest.importers.vault_tapes import assets_of
from backtest.index_columns import index_columns
from strategies.errors import BadTape
from strategies.units import RAY
from tests.backtest.importers.written import DAY, imported, moments, said, shared, write_text

HEADER = (
    "vault_address,vault_name,chain,chain_id,curator_name,asset_symbol,timestamp,date,share_price,"
    "total_assets_usd,total_assets_native"
)
DAYS = 20


def rows(
    address: str, *, chain: int = 1, held: float = 1e6, usd: float = 1.0, grow: int = 150, name: str = "Prime"
) -> list[list[object]]:
    return [
        [address, name, "somewhere", chain, "c", "USDC", time, "d", f"1.{grow * day:06d}", held * usd or "", held]
        for day, time in enumerate(moments(DAYS, DAY).tolist())
    ]


def write(folder: Path, *vaults: list[list[object]]) -> Path:
    write_text(folder / "prices.csv.gz", HEADER, [row for vault in vaults for row in vault])
    return folder


def test_vaults_of_one_name_on_two_chains_are_two(tmp_path: Path) -> None:
    write(tmp_path, rows("0xAA" + "1" * 38), rows("0xBB" + "2" * 38, chain=42_161))
    assert recognises(tmp_path) and assets_of(read(tmp_path)) == ("USDC", "USDC@42161")
    assert [m.id for m in imported("metamorpho-daily", tmp_path, "USDC")[0].deployment.markets] == ["prime-0xaa111111"]
    tape, _ = imported("metamorpho-daily", tmp_path, "USDC@42161")
    assert tape.deployment.chain_id == 42_161 and [m.id for m in tape.deployment.markets] == ["prime-0xbb222222"]


def test_the_text_of_a_price_is_the_index_exactly(tmp_path: Path) -> None:
    write(tmp_path, rows("0xAA" + "1" * 38))
    tape, _ = imported("metamorpho-daily", tmp_path, "USDC")
    assert index_columns(tape).index_ray(19, 0) == 1_002_850 * RAY // 10**6
    assert tape.supply_apr[19, 0] == pytest.approx((1.00285 / 1.0018 - 1) * 365 / 7)


def test_the_largest_vault_prices_the_asset_and_an_empty_one_never_does(tmp_path: Path) -> None:
    write(
        tmp_path,
        rows("0xAA" + "1" * 38, usd=0.98),
        rows("0xBB" + "2" * 38, held=5e6, usd=0.99),
        rows("0xCC" + "3" * 38, held=0.1),
    )
    tape, _ = imported("metamorpho-daily", tmp_path, "USDC")
    assert tape.price_usd_e8[0, 0] == 99_000_000
    write(tmp_path, rows("0xCC" + "3" * 38, held=0.1, usd=0.5))
    assert imported("metamorpho-daily", tmp_path, "USDC")[0].price_usd_e8[0, 0] == 100_000_000  # par, as nothing tells it


def test_refuses_a_vault_of_two_assets_and_a_folder_without_the_columns(tmp_path: Path) -> None:
    with pytest.raises(BadTape, match="holds no text file with the columns"):
        read(tmp_path)
    changed = rows("0xAA" + "1" * 38)
    changed[3][5] = "DAI"
    with pytest.raises(BadTape, match="has several assets: DAI, USDC"):
        read(write(tmp_path, changed))


def test_refuses_a_row_of_another_length(tmp_path: Path) -> None:
    torn = rows("0xAA" + "1" * 38)
    torn[2] = torn[2][:-1]
    with pytest.raises(BadTape, match="line 4 has 10 fields, its header 11"):
        read(write(tmp_path, torn))


def test_the_real_file_shows_what_its_description_lists() -> None:
    folder = shared("metamorpho-daily")
    vaults = read(folder)
    assert len(vaults) == 31 and sum(len(vault.timestamp) for vault in vaults) == 1_473
    assert not any(
        later < before for vault in vaults for before, later in zip(vault.price_ray, vault.price_ray[1:], strict=False)
    )
    tape, report = imported("metamorpho-daily", folder, "USDC")
    at = tape.deployment.places["gauntlet-usdc-core-0x8eb67a50"]
    index = index_columns(tape)
    grown = index.index_ray(53, at) / index.index_ray(1, at)
    assert grown ** (365 / 52) - 1 == pytest.approx(0.068, abs=0.002)
    assert np.abs(tape.price_usd_e8[:, 0] / 1e8 - 1).max() < 0.002
    assert any("deployer-0xd50b9bbf" in note for note in report.notes)


def test_the_real_vault_that_doubles_in_a_day_is_never_ranked() -> None:
    folder = shared("metamorpho-daily")
    tape, report = imported("metamorpho-daily", folder, "USDC@42161")
    at = tape.deployment.places["abrc-0x6ed386ee"]
    rates = tape.supply_apr[tape.fresh[:, at], at]
    assert rates.max() < 0.5 and np.isnan(tape.supply_apr[-7:, at]).all()
    assert said(report)["abrc-0x6ed386ee", Mark.SPIKE] == 7


def test_the_real_tests_and_toys_are_marked_and_never_ranked() -> None:
    folder = shared("metamorpho-daily")
    tape, report = imported("metamorpho-daily", folder, "USDC")
    dust = {subject.split("-0x")[0] for subject, mark in said(report) if mark is Mark.DUST}
    assert {"deployer", "rimu-usdc", "dream-charity-vault"} <= dust and not dust & {"gauntlet-usdc-core", "mev-capital-usdc"}
    assert not tape.fresh[:, tape.deployment.places["deployer-0xd50b9bbf"]].any()
    assert tape.supply_apr[tape.fresh].max() < 0.4
