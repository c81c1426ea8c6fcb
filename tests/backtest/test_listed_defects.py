"""For each defect that the descriptions of the shared data sets list: what `data check` says. Skips without those sets.

A row is a set, the market or file it is about, what is said of it, and how often (None: at all). What the descriptions list and
no row can show (a licence, an average that hides a spike, a survivor bias) is not here; sets that hold no series are refused."""

from functools import cache
from pathlib import Path

import pytest

from backtest.checking.marks import REFUSING, Finding, Mark
from backtest.importers.catalogue import format_of
from strategies.errors import BadTape

SHARED = Path(__file__).parents[3] / "shared" / "data"
pytestmark = pytest.mark.skipif(not SHARED.exists(), reason="the shared data sets are not beside the repository")

Said = tuple[str, str, Mark, int | None]

LENDING: tuple[Said, ...] = (
    # Aave hourly: forward-filled hours, the nine frozen days, missing hours, nulls, utilisation above one, real spikes
    ("aave-eth-hourly", "aave-v2:DAI", Mark.CARRIED, None),
    ("aave-eth-hourly", "aave-v3:USDE", Mark.CARRIED, None),
    ("aave-eth-hourly", "aave-v2:USDC", Mark.CARRIED, 6_581),
    ("aave-eth-hourly", "aave-v2:USDT", Mark.AFTER_GAP, 1),
    ("aave-eth-hourly", "aave-v2:DAI", Mark.AFTER_GAP, 1),
    ("aave-eth-hourly", "aave-v2:USDT", Mark.NOT_A_NUMBER, 36),
    ("aave-eth-hourly", "aave-v2:USDC", Mark.NOT_A_NUMBER, 23),
    ("aave-eth-hourly", "aave-v2:USDT", Mark.OVER_LENT, 101),
    ("aave-eth-hourly", "aave-v2:WETH", Mark.REAL_SPIKE, None),
    ("aave-eth-hourly", "aave-v3:USDC", Mark.REAL_SPIKE, None),
    ("aave-eth-hourly", "aave-v3:USDE", Mark.REAL_SPIKE, None),
    # thirteen chains: dead data, indices that go back, stale reserves, a paused reserve, a missing day, missing chains
    ("aave-v3-13chains-daily", "aave-v3-bnb:USDC", Mark.ZERO_FOR_MISSING, 195),
    ("aave-v3-13chains-daily", "aave-v3-bnb:BTCB", Mark.BACKWARDS, 195),
    ("aave-v3-13chains-daily", "aave-v3-celo:cUSD", Mark.BACKWARDS, None),
    ("aave-v3-13chains-daily", "aave-v3-base:USDC", Mark.BACKWARDS, 1),
    ("aave-v3-13chains-daily", "aave-v3-polygon:BAL", Mark.CLOSED, None),
    ("aave-v3-13chains-daily", "aave-v3-polygon:BAL", Mark.CARRIED, None),
    ("aave-v3-13chains-daily", "aave-v3-zksync:wUSDM", Mark.CLOSED, None),
    ("aave-v3-13chains-daily", "aave-v3-zksync:wUSDM", Mark.AFTER_GAP, None),
    ("aave-v3-13chains-daily", "aave-v3-ethereum:USDC", Mark.AFTER_GAP, 1),
    # full indices: income that is no interest; minutes: events carried on
    ("aave-v3-eth-daily-index", "aave-v3:WETH", Mark.OTHER_INCOME, 1),
    ("aave-v3-polygon-minute", "aave-v3-polygon:USDC.e", Mark.CARRIED, None),
    ("aave-v3-polygon-minute", "aave-v3-polygon:WETH", Mark.CARRIED, None),
    # one collector: revised bars, frozen values, blow-up before expiry, an outage, wrong names, placeholders
    ("aave-pendle-dsr-lido-6h", "aavev3-1:USDC:a0b869", Mark.REVISED, None),
    ("aave-pendle-dsr-lido-6h", "aavev3-1:USDC:a0b869:6h", Mark.CARRIED, None),
    ("aave-pendle-dsr-lido-6h", "aavev3-1:USDC:a0b869:6h", Mark.AFTER_GAP, None),
    ("aave-pendle-dsr-lido-6h", "pendlev2-1:ENA:9c7387", Mark.SPIKE, None),
    ("aave-pendle-dsr-lido-6h", "pendlev2-1:ENA:9c7387:6h", Mark.ZERO_FOR_MISSING, None),
    ("aave-pendle-dsr-lido-6h", "pendlev2-42161:aUSDC:ba4a85:6h", Mark.CARRIED, None),
    ("aave-pendle-dsr-lido-6h", "aavev3-42161:USDS:da1000:6h", Mark.MISLABELLED, 16),
    ("aave-pendle-dsr-lido-6h", "sky-1:USDS:373238", Mark.MISLABELLED, None),
    ("aave-pendle-dsr-lido-6h", "lido-1:ETH:ae7ab9:6h", Mark.PLACEHOLDER, None),
    # Compound V2: days without an event, real spikes of USDT, days on which all was lent out
    ("compound-v2-daily", "compound-v2:usdt", Mark.AFTER_GAP, 22),
    ("compound-v2-daily", "compound-v2:wbtc_1", Mark.AFTER_GAP, 76),
    ("compound-v2-daily", "compound-v2:wbtc_2", Mark.AFTER_GAP, 248),
    ("compound-v2-daily", "compound-v2:dai_2", Mark.AFTER_GAP, 244),
    ("compound-v2-daily", "compound-v2:usdt", Mark.REAL_SPIKE, None),
    ("compound-v2-daily", "compound-v2:dai_1", Mark.DRAINED, 1),
    # 2019 and 2020: zeros at the start, real spikes
    ("lending-2019-2020-daily", "compound:WETH", Mark.ZERO_FOR_MISSING, 1),
    ("lending-2019-2020-daily", "dydx:DAI", Mark.ZERO_FOR_MISSING, 3),
    ("lending-2019-2020-daily", "aave:DAI", Mark.REAL_SPIKE, None),
    ("lending-2019-2020-daily", "dydx:DAI", Mark.REAL_SPIKE, None),
    # snapshots of pools: the same data again, pools that never change, a tiny vault with a huge yield, days without a snapshot
    ("defillama-lending-snapshots", "aave-v3-arbitrum:DAI:", Mark.CARRIED, None),
    ("defillama-lending-snapshots", "euler-v2-", Mark.SPIKE, None),
    ("defillama-lending-snapshots", "aave-v3-ethereum:USDC:", Mark.AFTER_GAP, None),
    # amounts: first rows of zero, nulls before a listing, days from last to first
    ("compound-aave-v2-balances-daily", "compound-v2:UNI", Mark.ZERO_FOR_MISSING, 1),
    ("compound-aave-v2-balances-daily", "compound-v2:WBTC", Mark.ZERO_FOR_MISSING, 1),
    ("compound-aave-v2-balances-daily", "aave-v2:stETH", Mark.NOT_A_NUMBER, 255),
    ("compound-aave-v2-balances-daily", "aave-v2:DAI", Mark.DISORDER, 604),
)
OTHERS: tuple[Said, ...] = (
    ("defillama-dex-pools", "current_state.parquet", Mark.SPIKE, None),
    ("defillama-dex-pools", "raw_pools_2025-10-06.parquet", Mark.CARRIED, 518),
    ("klines-hourly", "binance-BTCUSDT-1h.parquet", Mark.AFTER_GAP, 28),
    ("klines-hourly", "bybit_ETHUSDT", Mark.REPEATED, 15),
    ("klines-hourly", "binance-ETHUSDT-1h.parquet", Mark.CARRIED, 6),
    ("metamorpho-daily", "abrc-", Mark.SPIKE, None),
    ("pendle-pt-implied", "pendle-yields-2026-04-16", Mark.EXPIRED, 225),
    ("perp-funding-8h", "okx BTCUSDT", Mark.REPEATED, None),
    ("prices-hourly-2021-2023", "BUSD", Mark.AFTER_GAP, None),
    ("prices-hourly-2021-2023", "DAI", Mark.SOURCES_APART, None),
    ("reth-rate-history", "reth-", Mark.NOT_A_NUMBER, 1),
    ("reth-rate-history", "reth-", Mark.DISORDER, None),
    ("susde-eeth-apy-daily", "ethena_susde", Mark.ZERO_FOR_MISSING, None),
    ("usdc-usdt-pool-hourly", "USDC/USDT", Mark.DRAINED, 5),
    ("vault-prices-10min", "yzpp-", Mark.DECIMALS, None),
    ("vault-share-prices", "vault-43111-0x614eb485", Mark.AFTER_GAP, 8),
    ("yearn-v2-monthly", "yvyfi-", Mark.NOT_A_NUMBER, None),
    ("yearn-v2-monthly", "yvusdc-0-3-0", Mark.LOSS, 1),
)
NO_SERIES = (
    "aave-irm-params",
    "compound-v3-params",
    "defi-hacks-audits",
    "phishing-addresses",
    "rug-pulls",
)
BELIEVED = {Mark.REAL_SPIKE, Mark.OTHER_INCOME, Mark.LOSS, Mark.OVER_LENT, Mark.CARRIED, Mark.DRAINED, Mark.AFTER_GAP}


@cache
def checked(name: str) -> tuple[Finding, ...]:
    return format_of(SHARED / name).check(SHARED / name)


@pytest.mark.parametrize(("name", "subject", "mark", "count"), [*LENDING, *OTHERS], ids=str)
def test_a_listed_defect_is_said(name: str, subject: str, mark: Mark, count: int | None) -> None:
    found = [finding for finding in checked(name) if finding.subject.startswith(subject) and finding.mark is mark]
    if subject in {finding.subject for finding in found}:
        found = [finding for finding in found if finding.subject == subject]
    assert found, f"nothing said of {subject}: {sorted({f'{f.subject} {f.mark.name}' for f in checked(name)})[:20]}"
    assert count is None or found[0].count == count
    assert all(finding.treatment for finding in found)


@pytest.mark.parametrize("name", sorted({name for name, *_ in LENDING} - {"compound-aave-v2-balances-daily"}))
def test_what_is_refused_in_a_lending_set_is_refused_row_by_row(name: str) -> None:
    refused = [finding for finding in checked(name) if finding.mark & REFUSING and finding.rows]
    assert all(len(finding.rows) == finding.count for finding in refused)
    assert all(not finding.mark & REFUSING for finding in checked(name) if finding.mark in BELIEVED)


@pytest.mark.parametrize("name", NO_SERIES)
def test_a_set_without_a_series_is_in_no_format(name: str) -> None:
    with pytest.raises(BadTape, match=f"{name} is in no known format; known: aave-hourly"):
        format_of(SHARED / name)


def test_the_nine_frozen_days_are_named_with_their_beginning() -> None:
    carried = next(f for f in checked("aave-eth-hourly") if f.subject == "aave-v2:USDC" and f.mark is Mark.CARRIED)
    assert "the longest stretch 209 rows from 2023-11-04 19:00" in carried.detail
