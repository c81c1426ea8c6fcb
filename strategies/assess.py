"""Observation to Assessment: what each market is expected to earn for *your* size, net. Refuses, with reasons, what is stale,
unpriced, unreadable, closed to deposits, or cannot be left again with that size.

Floats rank here; nothing in this file moves."""

import math
from typing import Final

import numpy as np
import numpy.typing as npt

from strategies.domain import Amount, Assessment, Asset, Market, Position, Supply, Withdraw
from strategies.errors import ProtocolError
from strategies.protocols.registry import adapter_of
from strategies.tape import Floats, Ints, Observation, Tape
from strategies.units import SECONDS_PER_YEAR, USD_E8, WAD

DUST_BPS: Final = 10  # a claim below this share of the whole does not decide what is compared with what
CELLS: Final = 100_000  # looked at together: what a processor keeps close


def trailing_mean_apr(seen: Observation, seconds: int) -> Floats:
    """The forecast: each market's mean supply APR over the window, of the cells that were said; NaN where none was."""
    window = seen.supply_aprs(seconds)
    said = ~np.isnan(window)
    if said.all() and len(window):
        mean: Floats = window.sum(axis=0) / len(window)
        return mean
    return _means(np.where(said, window, 0.0).sum(axis=0), said.sum(axis=0))


class History:
    """What a tape's rates were up to many rows at once; each mean is worked out once, whoever asks for it."""

    def __init__(self, tape: Tape) -> None:
        self.tape: Final = tape
        self._means: Final[dict[tuple[bytes, int], Floats]] = {}

    def trailing_means_apr(self, rows: Ints, seconds: int) -> Floats:
        """`trailing_mean_apr` at rows, `[row, market]`: the same sums in the same order, so the same bits."""
        key = (rows.tobytes(), seconds)
        if key not in self._means:
            self._means[key] = self._trailing_means_apr(rows, seconds)
        return self._means[key]

    def _trailing_means_apr(self, rows: Ints, seconds: int) -> Floats:
        timestamp = self.tape.timestamp
        first = np.searchsorted(timestamp, timestamp[rows] - seconds, side="right")
        lengths, means = rows - first + 1, np.empty((len(rows), self.tape.supply_apr.shape[1]))
        step = max(1, CELLS // means.shape[1])
        for length in np.unique(lengths).tolist():
            alike = np.flatnonzero(lengths == length)
            for start in range(0, len(alike), step):
                some = alike[start : start + step]
                means[some] = self._windows_mean(rows[some], length)
        return means

    def _windows_mean(self, rows: Ints, length: int) -> Floats:
        """The mean of as many rows up to each of these, oldest first."""
        apr, total = self.tape.supply_apr, np.zeros((len(rows), self.tape.supply_apr.shape[1]))
        if self.tape.wholly_said:
            for lag in range(length - 1, -1, -1):
                total += apr[rows - lag]
            return total / length
        count = np.zeros(total.shape, dtype=np.int64)
        for lag in range(length - 1, -1, -1):
            window = apr[rows - lag]
            said = self.tape.fresh[rows - lag] & ~np.isnan(window)
            total += np.where(said, window, 0.0)
            count += said
        return _means(total, count)


def _means(total: Floats, count: npt.NDArray[np.int64]) -> Floats:
    mean: Floats = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    return mean


def own_impact_apr(seen: Observation, market: Market, amount: Amount) -> float:
    """How much our own deposit lowers the market's supply APR now. Raises ProtocolError where the deposit would revert."""
    state = seen.state(market)
    if state is None:
        raise ProtocolError(f"market {market.id} could not be read")
    adapter = adapter_of(market)
    after = adapter.apply(state, seen.portfolio.position(market), Supply(market, amount)).state
    return adapter.columns(state).supply_apr - adapter.columns(after).supply_apr


def gas_usd(seen: Observation, gas: int) -> float | None:
    """So much gas in dollars at this row's base fee; None while ether is unpriced."""
    ether = seen.deployment.native
    price = seen.usd_e8(ether) if ether else None
    return None if price is None else gas * seen.base_fee_wei / WAD * price / USD_E8


def amount_usd(seen: Observation, amount: Amount) -> float | None:
    """An amount in dollars, for ranking; None while its asset is unpriced."""
    price = seen.usd_e8(amount.asset)
    return None if price is None else amount.raw / 10**amount.asset.decimals * price / USD_E8


def value_raw(seen: Observation, held: Position) -> int:
    """A claim at the contract's own valuation; 0 where its market could not be read."""
    state = seen.state(held.market)
    return 0 if state is None else adapter_of(held.market).value_raw(state, held)


def held_raw(seen: Observation, asset: Asset) -> int:
    """Everything of one asset: idle, and every claim at its value."""
    claims = sum(value_raw(seen, held) for held in seen.portfolio.positions if held.market.asset == asset)
    return seen.portfolio.idle_raw(asset) + claims


def assess(
    seen: Observation, asset: Asset, size: Amount, *, horizon_seconds: int, lookback_seconds: int
) -> tuple[Assessment, ...]:
    """Every market of the asset, assessed for a size held over the horizon."""
    forecast = trailing_mean_apr(seen, lookback_seconds)
    return tuple(
        _assessment(seen, market, size, forecast_apr=float(forecast[seen.market_index(market)]), horizon_seconds=horizon_seconds)
        for market in seen.deployment.markets
        if market.asset == asset
    )


def _assessment(seen: Observation, market: Market, size: Amount, *, forecast_apr: float, horizon_seconds: int) -> Assessment:
    at = seen.market_index(market)
    reasons = list[str]()
    state = seen.state(market)
    if state is None or not seen.fresh_now()[at] or math.isnan(forecast_apr):
        stale = "stale or unreadable at this block: wait for a fresh reading"
        why = stale if state is None or not seen.fresh_now()[at] else "its contract does not say what it will earn"
        return Assessment(market, math.nan, math.nan, math.nan, 0, (why,))
    adapter = adapter_of(market)
    columns = adapter.columns(state)
    withdrawable_raw = adapter.withdrawable_raw(state)
    impact, cost_apr = 0.0, math.nan
    extra = Amount(size.asset, max(0, size.raw - adapter.value_raw(state, seen.portfolio.position(market))))
    try:
        impact = own_impact_apr(seen, market, extra) if extra.raw else 0.0
    except ProtocolError as error:
        reasons.append(f"a deposit of this size would be refused: {error}")
    if withdrawable_raw + extra.raw < size.raw:
        short = size.raw - withdrawable_raw - extra.raw
        reasons.append(f"only {withdrawable_raw} base units could be taken out again: {short} too few for this size")
    try:
        gas = gas_usd(seen, adapter.gas(Supply(market, size)) + adapter.gas(Withdraw(market, size)))
    except ProtocolError as error:
        return Assessment(market, columns.supply_apr, math.nan, columns.utilisation, withdrawable_raw, (str(error),))
    size_usd = amount_usd(seen, size)
    if gas is None or not size_usd:
        reasons.append("ether or the asset is unpriced: the cost of moving is unknown")
    else:
        cost_apr = gas / size_usd * SECONDS_PER_YEAR / horizon_seconds
    return Assessment(
        market,
        columns.supply_apr,
        forecast_apr - impact - cost_apr,
        columns.utilisation,
        withdrawable_raw,
        tuple(reasons),
    )
