"""Monthly Yearn vaults: month ends known when they are over, monthly returns never read, and the real file as described."""

from pathlib import Path

import numpy as np
import pytest

from backtest.checking.marks import Mark
from backtest.importers.vault_tapes import assets_of
from backtest.importers.yearn_v2_monthly import read, recognises
from backtest.index_columns import index_columns
from strategies.errors import BadTape
from strategies.units import RAY
from tests.backtest.importers.written import DAY, imported, said, shared, write_text

HEADER = ",timestamp,network,vault,version,totalAssets,totalDebt,totalGain,totalLoss,tokenPriceUSDC,pricePerShare,apy"
ENDS = ("2021-09-30", "2021-10-31", "2021-11-30", "2021-12-31", "2022-01-31", "2022-02-28")


def write(folder: Path, prices: list[str], *, held: str = "1000000.5", network: str = "ETH", vault: str = "yvUSDC") -> Path:
    rows = [
        [n, end, network, vault, "0.4.3", held, 1, 1, 0, 1.0, price, 0.9]
        for n, (end, price) in enumerate(zip(ENDS, prices, strict=True))
    ]
    write_text(folder / "vaults.csv.gz", HEADER, rows)
    return folder


GROWING = ["1", "1.002", "1.004", "1.006", "1.008", "1.010000000000000000000000001"]


def test_a_month_is_known_when_its_last_day_is_over_and_its_price_is_exact(tmp_path: Path) -> None:
    write(tmp_path, GROWING)
    tape, _ = imported("yearn-v2-monthly", tmp_path, "USDC")
    assert recognises(tmp_path) and tape.timestamp[0] == 1_632_960_000 + DAY  # 2021-10-01
    assert index_columns(tape).index_ray(5, 0) == 101 * RAY // 100 + 1


def test_the_rate_is_a_year_s_and_not_the_month_s_return(tmp_path: Path) -> None:
    write(tmp_path, GROWING)
    tape, _ = imported("yearn-v2-monthly", tmp_path, "USDC")
    assert tape.supply_apr[1, 0] == pytest.approx(0.002 * 365 / 31)
    assert tape.supply_apr[5, 0] == pytest.approx((1.010 / 1.002 - 1) * 365 / 120)


def test_a_vault_not_yet_deployed_or_empty_says_nothing(tmp_path: Path) -> None:
    write(tmp_path, ["0", "0", *GROWING[2:]])
    assert len(read(tmp_path)[0].timestamp) == 4
    write(tmp_path, GROWING, held="3E-18")
    assert len(read(tmp_path)[0].timestamp) == 0


def test_a_month_that_more_than_doubles_is_refused(tmp_path: Path) -> None:
    write(tmp_path, ["1", "1.001", "2.59", "2.6", "2.61", "2.62"])
    tape, report = imported("yearn-v2-monthly", tmp_path, "USDC")
    assert tape.fresh[:, 0].tolist() == [False, True, False, False, False, False] and report.markets[0].refused_rows == 4


def test_refuses_an_unknown_network(tmp_path: Path) -> None:
    with pytest.raises(BadTape, match="unknown network 'MOON'"):
        read(write(tmp_path, GROWING, network="MOON"))


def test_the_asset_is_what_the_vault_s_name_says(tmp_path: Path) -> None:
    assert assets_of(read(write(tmp_path, GROWING, vault="yvCurve-3pool"))) == ("Curve-3pool",)
    assert assets_of(read(write(tmp_path, GROWING, vault="yUSD", network="FTM"))) == ("USD@250",)


def test_the_real_file_shows_what_its_description_lists() -> None:
    folder = shared("yearn-v2-monthly")
    assert len(read(folder)) == 119
    tape, report = imported("yearn-v2-monthly", folder, "USDC")
    at = next(at for market, at in tape.deployment.places.items() if market.startswith("yvusdc-0-3-0"))
    index = index_columns(tape)
    fall = [index.index_ray(row, at) / index.index_ray(row - 1, at) - 1 for row in range(2, len(tape))]
    assert min(fall) == pytest.approx(-0.00064, abs=0.00001) and said(report)[tape.deployment.markets[at].id, Mark.LOSS] == 1
    wild, told = imported("yearn-v2-monthly", folder, "Curve-USDM")
    assert not wild.fresh.any() and np.isnan(wild.supply_apr).all() and Mark.SPIKE in {mark for _, mark in said(told)}
