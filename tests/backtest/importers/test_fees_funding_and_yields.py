"""Gas, funding, announced yields and the pool of two dollars: units, what is known when, and the real files."""

from pathlib import Path

import numpy as np
import pytest

from backtest.checking.marks import Mark
from backtest.importers import ethereum_gas_hourly, perp_funding, susde_eeth_apy, usdc_usdt_pool
from strategies.errors import BadTape
from tests.backtest.importers.written import DAY, HOUR, START, counts, moments, shared, write_parquet, write_text

GAS = "timestamp,block_timestamp,base_fee_gwei,priority_fee_p25_gwei,priority_fee_p50_gwei,priority_fee_p75_gwei"
FUNDING = "funding_timestamp,funding_rate,symbol,source"
YIELD = "Timestamp,Date,Base,Reward"


def gas(folder: Path, rows: list[tuple[int, int, object]]) -> ethereum_gas_hourly.Fees:
    table = [[f"2023-01-01T{hour:02d}:00:00Z", START + hour * HOUR + late, base, 0.1, 0.2, 0.5] for hour, late, base in rows]
    write_text(folder / "gas.csv.gz", GAS, table)
    return ethereum_gas_hourly.read(folder)


def test_a_fee_is_known_at_the_later_of_its_hour_and_its_block(tmp_path: Path) -> None:
    fees = gas(tmp_path, [(0, -60, 11.97), (1, 600, 12.0)])
    assert fees.base.timestamp.tolist() == [START, START + HOUR + 600] and fees.base.value.tolist() == [11.97, 12.0]
    assert counts(fees.base.findings) == {Mark.DISORDER: 1} and "single block" in fees.base.notes[0]
    assert [series.value[0] for series in fees.priority] == [0.1, 0.2, 0.5]


def test_a_base_fee_of_nothing_or_in_wei_is_refused(tmp_path: Path) -> None:
    fees = gas(tmp_path, [(0, 0, 11.97), (1, 0, 0), (2, 0, 11_970_000_000), (3, 0, "")])
    assert fees.base.value.tolist() == [11.97]
    assert counts(fees.base.findings) == {Mark.ZERO_FOR_MISSING: 1, Mark.UNIT: 1, Mark.NOT_A_NUMBER: 1}
    with pytest.raises(BadTape, match="holds 0 files of hourly fees"):
        ethereum_gas_hourly.read(tmp_path / "nowhere")


def test_the_real_fees_show_what_their_description_lists() -> None:
    fees = ethereum_gas_hourly.read(shared("ethereum-gas"))
    assert len(fees.base.value) == 15_240 and fees.base.value.max() == 268.43
    assert fees.priority[2].value.max() == pytest.approx(1_069, abs=1)
    assert Mark.AFTER_GAP not in counts(fees.base.findings) and Mark.REPEATED not in counts(fees.base.findings)


def funding(folder: Path, rates: list[object], *, hours: list[int] | None = None, venues: list[str] | None = None) -> Path:
    when = hours or [8 * row for row in range(len(rates))]
    names = venues or ["okx"] * len(rates)
    rows = [
        [f"2023-01-{1 + h // 24:02d}T{h % 24:02d}:00:00Z", r, "BTCUSDT", v] for h, r, v in zip(when, rates, names, strict=True)
    ]
    return write_text(folder / "funding.csv.gz", FUNDING, rows)


def test_funding_is_a_fraction_for_eight_hours(tmp_path: Path) -> None:
    series = perp_funding.read(funding(tmp_path, [0.0001, -0.0003]))
    assert series.unit == "fraction for 8 h" and series.value.tolist() == [0.0001, -0.0003] and series.findings == ()


def test_two_fundings_of_one_time_that_differ_are_both_refused(tmp_path: Path) -> None:
    series = perp_funding.read(funding(tmp_path, [0.0001, 0.0001, -2.9e-05, 0.0002], hours=[0, 8, 8, 16]))
    assert series.value.tolist() == [0.0001, 0.0002] and counts(series.findings) == {Mark.REPEATED: 2, Mark.AFTER_GAP: 1}
    same = perp_funding.read(funding(tmp_path, [0.0001, 0.0001, 0.0001], hours=[0, 8, 8]))
    assert len(same.value) == 2 and counts(same.findings) == {Mark.REPEATED: 1}


def test_refuses_funding_in_percent_of_two_venues_or_beyond_any_cap(tmp_path: Path) -> None:
    with pytest.raises(BadTape, match="is it in percent"):
        perp_funding.read(funding(tmp_path, [0.01, 0.02, 0.01]))
    with pytest.raises(BadTape, match="holds 2 pairs"):
        perp_funding.read(funding(tmp_path, [0.0001, 0.0001], venues=["okx", "bybit"]))
    assert counts(perp_funding.read(funding(tmp_path, [0.0001, 0.0001, 0.08])).findings) == {Mark.UNIT: 1}


def test_the_real_funding_shows_what_its_description_lists() -> None:
    folder = shared("perp-funding-8h")
    for path in sorted(folder.glob("*.csv.gz")):
        found = counts(perp_funding.read(path).findings)
        assert found.get(Mark.REPEATED, 0) == (420 if path.name.startswith("okx") else 0)


def test_a_day_s_yield_is_a_fraction_and_known_when_the_day_is_over(tmp_path: Path) -> None:
    path = write_text(tmp_path / "susde.csv", YIELD, [[START, "d", 24.71, ""], [START + DAY, "d", 10.0, 2.5]])
    series = susde_eeth_apy.read(path)
    assert susde_eeth_apy.recognises(tmp_path) and series.timestamp.tolist() == [START + DAY, START + 2 * DAY]
    assert series.value.tolist() == pytest.approx([0.2471, 0.125])


def test_a_day_of_zero_is_a_day_without_a_figure(tmp_path: Path) -> None:
    series = susde_eeth_apy.read(write_text(tmp_path / "a.csv", YIELD, [[START, "d", 4.0, ""], [START + DAY, "d", 0, ""]]))
    assert len(series.value) == 1 and counts(series.findings) == {Mark.ZERO_FOR_MISSING: 1}


def test_refuses_yields_in_fractions(tmp_path: Path) -> None:
    with pytest.raises(BadTape, match="is it in fractions"):
        susde_eeth_apy.read(write_text(tmp_path / "a.csv", YIELD, [[START, "d", 0.04, ""], [START + DAY, "d", 0.05, ""]]))


def test_the_real_yields_show_what_their_description_lists() -> None:
    folder = shared("susde-eeth-apy-daily")
    susde = susde_eeth_apy.read(next(folder.glob("ethena*")))
    eeth = susde_eeth_apy.read(next(folder.glob("bar-chart*")))
    assert susde.value.max() == pytest.approx(0.5587) and len(susde.value) + counts(susde.findings)[Mark.ZERO_FOR_MISSING] == 586
    assert len(eeth.value) + counts(eeth.findings)[Mark.ZERO_FOR_MISSING] == 482


def pool(folder: Path, ticks: list[int], liquidity: list[int], **changes: object) -> usdc_usdt_pool.Pool:
    count = len(ticks)
    columns: dict[str, object] = {
        "timestamp": moments(count),
        "poolTick": ticks,
        "poolLiquidity": liquidity,
        "token0": ["USDC"] * count,
        "token1": ["USDT"] * count,
        "dec0": [6] * count,
        "dec1": [6] * count,
    } | changes
    write_parquet(folder / "pool.parquet", columns)
    return usdc_usdt_pool.read(folder)


def test_the_price_is_the_power_of_the_tick_in_whole_tokens(tmp_path: Path) -> None:
    found = pool(tmp_path, [-1, 0, 10], [5, 5, 5])
    assert found.price.value.tolist() == pytest.approx([1 / 1.0001, 1.0, 1.0001**10]) and found.price.unit == "USDT"
    scaled = pool(tmp_path, [-276_324], [5], dec0=[18], dec1=[6])
    assert scaled.price.value[0] == pytest.approx(1.0, abs=0.001)


def test_an_hour_without_liquidity_has_no_price(tmp_path: Path) -> None:
    found = pool(tmp_path, [-1, 887_271, 0], [5, 0, 5])
    assert len(found.price.value) == 2 and counts(found.price.findings) == {Mark.DRAINED: 1, Mark.AFTER_GAP: 1}
    assert found.liquidity.value.tolist() == [5, 0, 5]
    assert counts(pool(tmp_path, [-1, 0], [5, 5]).price.findings) == {}


def test_refuses_two_pools_in_one_file_and_none_in_a_folder(tmp_path: Path) -> None:
    with pytest.raises(BadTape, match="token1 says several things"):
        pool(tmp_path, [0, 0], [5, 5], token1=["USDT", "DAI"])
    with pytest.raises(BadTape, match="holds 0 pools"):
        usdc_usdt_pool.read(tmp_path / "nowhere")


def test_the_real_pool_shows_what_its_description_lists() -> None:
    found = usdc_usdt_pool.read(shared("usdc-usdt-pool-hourly"))
    assert len(found.liquidity.value) == 35_745 and counts(found.price.findings) == {Mark.DRAINED: 5, Mark.AFTER_GAP: 1}
    assert found.price.value.min() == pytest.approx(0.8726, abs=1e-4) and np.median(found.price.value) == pytest.approx(0.9999)
    assert found.price.value[(found.price.timestamp // DAY) == 1_668_124_800 // DAY].max() > 1.004  # 2022-11-11
