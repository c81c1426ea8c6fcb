"""The catalogue's vault and series formats: each real folder is one format's, and a series is never made a tape."""

import pytest

from backtest.importers import prices_hourly
from backtest.importers.catalogue import FORMATS, format_named, format_of
from backtest.importers.lending import Request
from backtest.importers.series_formats import FORMATS as OURS
from strategies.errors import BadTape
from tests.backtest.importers.written import EVERYTHING, shared

FOLDERS = {
    "vault-share-prices": "vault-share-prices",
    "metamorpho-daily": "metamorpho-daily",
    "vault-prices-10min": "vault-prices-10min",
    "yearn-v2-monthly": "yearn-v2-monthly",
    "reth-rate-history": "reth-rate",
    "prices-hourly-2021-2023": "prices-hourly",
    "klines-hourly": "klines-hourly",
    "perp-funding-8h": "perp-funding",
    "ethereum-gas": "ethereum-gas-hourly",
    "usdc-usdt-pool-hourly": "dollar-pool-hourly",
    "susde-eeth-apy-daily": "staking-yields",
    "defillama-dex-pools": "defillama-pools",
    "pendle-pt-implied": "pendle-principals",
}


def test_every_format_of_ours_is_in_the_catalogue_once() -> None:
    assert set(OURS) <= set(FORMATS) and len({one.name for one in FORMATS}) == len(FORMATS)
    assert {one.name for one in OURS} == set(FOLDERS.values())


@pytest.mark.parametrize("folder", FOLDERS)
def test_each_real_folder_is_one_format_and_its_defects_are_named(folder: str) -> None:
    found = format_of(shared(folder))
    assert found.name == FOLDERS[folder]
    assert all(finding.count and finding.treatment and finding.detail for finding in found.check(shared(folder)))


@pytest.mark.parametrize("name", [one.name for one in OURS if one.name not in list(FOLDERS.values())[:5]])
def test_a_series_is_never_made_a_tape(name: str) -> None:
    folder = shared(next(folder for folder, known in FOLDERS.items() if known == name))
    assert format_named(name).assets(folder) == ()
    with pytest.raises(BadTape, match="joins tapes of other sources"):
        format_named(name).import_tape(folder, Request("USDC", 0, EVERYTHING))


def test_all_coins_together_are_the_same_as_one_by_one() -> None:
    folder = shared("prices-hourly-2021-2023")
    together = {prices.name: prices for prices in prices_hourly.read_all(folder)}
    for symbol in ("UST", "USDC", "WETH"):
        alone = prices_hourly.read(folder, symbol)
        assert alone.value.tolist() == together[symbol].value.tolist() and alone.findings == together[symbol].findings
