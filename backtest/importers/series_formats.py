"""The formats of vaults and of plain series, for the catalogue: how a folder of each is recognised, checked and, for vaults, made
a tape. Refuses to make a tape of a series: it joins one (`series.with_prices`, `series.with_base_fee`)."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from backtest.checking.marks import Finding
from backtest.importers import (
    defillama_pools,
    ethereum_gas_hourly,
    klines_hourly,
    metamorpho_daily,
    pendle_pt,
    perp_funding,
    prices_hourly,
    reth_rate,
    susde_eeth_apy,
    usdc_usdt_pool,
    vault_prices_10min,
    vault_share_prices,
    yearn_v2_monthly,
)
from backtest.importers.defects import ImportReport
from backtest.importers.formats import Format
from backtest.importers.lending import Request
from backtest.importers.series import Series
from backtest.importers.share_prices import Vault
from backtest.importers.vault_tapes import Window, assets_of, check, vault_tape
from strategies.errors import BadTape
from strategies.tape import Tape

Recognises = Callable[[Path], bool]


def _vaults(name: str, line: str, recognises: Recognises, read: Callable[[Path], tuple[Vault, ...]], window: Window) -> Format:
    """A format of share prices, of which every one is read, believed or not, and made a tape in the same way."""

    def assets(folder: Path) -> tuple[str, ...]:
        return assets_of(read(folder))

    def findings(folder: Path) -> tuple[Finding, ...]:
        return check(read(folder), window)

    def import_tape(folder: Path, request: Request) -> tuple[Tape, ImportReport]:
        return vault_tape(read(folder), folder, request, window)

    return Format(name, line, recognises, assets, findings, import_tape)


def _series(name: str, line: str, recognises: Recognises, read_all: Callable[[Path], tuple[Series, ...]]) -> Format:
    """A format of plain series: checked, and joined to tapes of other sources."""

    def findings(folder: Path) -> tuple[Finding, ...]:
        return tuple(finding for series in read_all(folder) for finding in series.findings)

    return Format(name, line, recognises, _nothing, findings, _no_tape)


def _nothing(_: Path) -> tuple[str, ...]:
    return ()


def _no_tape(folder: Path, request: Request) -> tuple[Tape, ImportReport]:
    """A series alone is no tape. Raises BadTape."""
    raise BadTape(f"{folder.name} holds nothing that earns on {request.asset}: it is checked, and joins tapes of other sources")


def _hourly_vaults(folder: Path) -> tuple[Vault, ...]:
    return vault_share_prices.read(folder, {})


FORMATS: Final[tuple[Format, ...]] = (
    _vaults(
        "vault-share-prices",
        "ERC-4626 vaults, hourly share prices, Parquet; an asset the files do not name is its vault's own",
        vault_share_prices.recognises,
        _hourly_vaults,
        vault_share_prices.WINDOW,
    ),
    _vaults(
        "metamorpho-daily",
        "MetaMorpho vaults, daily share prices and assets",
        metamorpho_daily.recognises,
        metamorpho_daily.read,
        metamorpho_daily.WINDOW,
    ),
    _vaults(
        "vault-prices-10min",
        "yield-bearing dollars every ten minutes, JSON snapshots in milliseconds",
        vault_prices_10min.recognises,
        vault_prices_10min.read,
        vault_prices_10min.WINDOW,
    ),
    _vaults(
        "yearn-v2-monthly",
        "Yearn V2 vaults at month ends",
        yearn_v2_monthly.recognises,
        yearn_v2_monthly.read,
        yearn_v2_monthly.WINDOW,
    ),
    _vaults(
        "reth-rate",
        "rETH's rate, every report of Rocket Pool's oracles, hexadecimal wei",
        reth_rate.recognises,
        reth_rate.read,
        reth_rate.WINDOW,
    ),
    _series("prices-hourly", "coin prices, hourly, CoinGecko and Chainlink", prices_hourly.recognises, prices_hourly.read_all),
    _series("klines-hourly", "hourly candles of exchanges and pools", klines_hourly.recognises, klines_hourly.read_all),
    _series("perp-funding", "funding of perpetual futures, every 8 h", perp_funding.recognises, perp_funding.read_all),
    _series(
        "ethereum-gas-hourly",
        "Ethereum's base and priority fees, one block an hour",
        ethereum_gas_hourly.recognises,
        ethereum_gas_hourly.read_all,
    ),
    _series("dollar-pool-hourly", "a Uniswap V3 pool of two dollars, hourly", usdc_usdt_pool.recognises, usdc_usdt_pool.read_all),
    _series(
        "staking-yields", "daily yields of staking tokens, DefiLlama, percent", susde_eeth_apy.recognises, susde_eeth_apy.read_all
    ),
    Format(
        "defillama-pools",
        "exchange pools, snapshots and daily histories, DefiLlama: screened, never a tape",
        defillama_pools.recognises,
        _nothing,
        defillama_pools.check,
        _no_tape,
    ),
    Format(
        "pendle-principals",
        "Pendle's implied yields before maturity: checked, never a tape",
        pendle_pt.recognises,
        _nothing,
        pendle_pt.check,
        _no_tape,
    ),
)
