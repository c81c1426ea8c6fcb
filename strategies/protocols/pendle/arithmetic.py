"""Pendle V2's own integer arithmetic: exponent and logarithm, the rate curve of a market, and what a trade does to it.

Refuses, as the contracts do: numbers out of a function's domain, expired or empty markets, trades the curve has no price for."""

from dataclasses import dataclass, replace
from typing import Final

from strategies.errors import ActionRefused
from strategies.units import SECONDS_PER_YEAR, WAD, mul_div_down, mul_div_up

MAX_PROPORTION_WAD: Final = WAD * 96 // 100
PERCENT: Final = 100
MAX_INT256: Final = 2**255 - 1

# LogExpMath: e^(2^n) for the powers it takes out of an exponent, with 0 decimals for the first two and 20 for the others.
E20: Final = 10**20
E36: Final = 10**36
LARGE_POWERS: Final = (
    (128 * WAD, 38877084059945950922200000000000000000000000000000000000),
    (64 * WAD, 6235149080811616882910000000),
)
POWERS: Final = (
    (32 * E20, 7896296018268069516100000000000000),
    (16 * E20, 888611052050787263676000000),
    (8 * E20, 298095798704172827474000),
    (4 * E20, 5459815003314423907810),
    (2 * E20, 738905609893065022723),
    (E20, 271828182845904523536),
    (E20 // 2, 164872127070012814685),
    (E20 // 4, 128402541668774148407),
    (E20 // 8, 113314845306682631683),
    (E20 // 16, 106449445891785942956),
)
POWERS_OF_EXP: Final = POWERS[:8]


@dataclass(frozen=True, slots=True)
class Pool:
    """MarketState: what a trade is computed from."""

    total_pt_raw: int
    total_sy_raw: int
    scalar_root_wad: int
    expiry: int
    ln_fee_rate_root_wad: int
    reserve_fee_percent: int
    last_ln_implied_rate_wad: int


@dataclass(frozen=True, slots=True)
class Precomputed:
    """MarketPreCompute: what all trades of one moment share."""

    rate_scalar_wad: int
    total_asset_raw: int
    rate_anchor_wad: int
    fee_rate_wad: int


@dataclass(frozen=True, slots=True)
class Trade:
    """What one trade does: SY to the account (negative: from it), the fee in it, the reserve's part, the pool after it."""

    sy_to_account_raw: int
    sy_fee_raw: int
    sy_to_reserve_raw: int
    after: Pool


def exp_wad(x_wad: int) -> int:
    """LogExpMath.exp: e^x. Raises ActionRefused outside its domain."""
    if not -41 * WAD <= x_wad <= 130 * WAD:
        raise _reverts(f"the exponent {x_wad} is out of bounds")
    if x_wad < 0:
        return E36 // exp_wad(-x_wad)
    first, rest = next(((factor, x_wad - power) for power, factor in LARGE_POWERS if x_wad >= power), (1, x_wad))
    rest, product = rest * 100, E20
    for power, factor in POWERS_OF_EXP:
        if rest >= power:
            rest, product = rest - power, product * factor // E20
    total, term = E20 + rest, rest
    for n in range(2, 13):
        term = term * rest // E20 // n
        total += term
    return product * total // E20 * first // 100


def ln_wad(a_wad: int) -> int:
    """LogExpMath.ln: the natural logarithm; more exact near one. Raises ActionRefused for what has none."""
    if a_wad <= 0:
        raise _reverts(f"{a_wad} has no logarithm")
    if 9 * WAD < 10 * a_wad < 11 * WAD:
        return _toward_zero(_series(a_wad * WAD, E36, 8), WAD)
    if a_wad < WAD:
        return -ln_wad_above_one(E36 // a_wad)
    return ln_wad_above_one(a_wad)


def ln_wad_above_one(a_wad: int) -> int:
    """LogExpMath._ln of a number of at least one."""
    total = 0
    for power, factor in LARGE_POWERS:
        if a_wad >= factor * WAD:
            a_wad, total = a_wad // factor, total + power
    a, total = a_wad * 100, total * 100
    for power, factor in POWERS:
        if a >= factor:
            a, total = a * E20 // factor, total + power
    return _toward_zero(total + _series(a, E20, 6), 100)


def exchange_rate_wad(ln_implied_rate_wad: int, seconds_to_expiry: int) -> int:
    """MarketMathCore._getExchangeRateFromImpliedRate: PT for one of the asset, e^(rate × time)."""
    return exp_wad(mul_div_down(ln_implied_rate_wad, seconds_to_expiry, SECONDS_PER_YEAR))


def precompute(pool: Pool, index_wad: int, timestamp: int) -> Precomputed:
    """MarketMathCore.getMarketPreCompute. Raises ActionRefused where it reverts."""
    seconds = pool.expiry - timestamp
    if seconds <= 0:
        raise _reverts("the market has expired")
    scalar_wad = _toward_zero(pool.scalar_root_wad * SECONDS_PER_YEAR, seconds)
    if scalar_wad <= 0:
        raise _reverts(f"the rate scalar is {scalar_wad}")
    asset_raw = sy_to_asset_raw(pool.total_sy_raw, index_wad)
    if pool.total_pt_raw == 0 or asset_raw == 0:
        raise _reverts("the market is empty")
    rate_wad = exchange_rate_wad(pool.last_ln_implied_rate_wad, seconds)
    proportion_wad = _div_wad(pool.total_pt_raw, pool.total_pt_raw + asset_raw)
    anchor_wad = rate_wad - _div_wad(_logit_wad(proportion_wad), scalar_wad)
    return Precomputed(scalar_wad, asset_raw, anchor_wad, exchange_rate_wad(pool.ln_fee_rate_root_wad, seconds))


def trade(pool: Pool, index_wad: int, pt_to_account_raw: int, timestamp: int) -> Trade:
    """MarketMathCore.executeTradeCore: PT to the account (negative: from it). Raises ActionRefused where it reverts.

    The market contract itself refuses besides what earns its liquidity no fee at all."""
    if pool.expiry <= timestamp:
        raise _reverts("the market has expired")
    if pool.total_pt_raw <= pt_to_account_raw:
        raise _reverts(f"{pt_to_account_raw} PT are wanted, {pool.total_pt_raw} are there")
    shared = precompute(pool, index_wad, timestamp)
    asset_raw, fee_raw = _asset_and_fee_raw(pool, shared, pt_to_account_raw)
    reserve_raw = _toward_zero(fee_raw * pool.reserve_fee_percent, PERCENT)
    to_account_raw = _sy_raw_down(asset_raw, index_wad) if asset_raw >= 0 else -_sy_raw_up(-asset_raw, index_wad)
    to_reserve_raw = _sy_raw_down(reserve_raw, index_wad)
    after = _after(pool, pt_to_account_raw, to_account_raw + to_reserve_raw)
    rate_wad = _ln_implied_rate_wad(after, shared, index_wad, pool.expiry - timestamp)
    return Trade(
        to_account_raw, _sy_raw_down(fee_raw, index_wad), to_reserve_raw, replace(after, last_ln_implied_rate_wad=rate_wad)
    )


def sell_pt(pool: Pool, index_wad: int, pt_raw: int, timestamp: int) -> Trade:
    """MarketMathCore.swapExactPtForSy. Raises ActionRefused where it reverts."""
    done = trade(pool, index_wad, -pt_raw, timestamp)
    if done.sy_to_account_raw < 0:
        raise _reverts("nothing is left after the fee")
    return done


def buy_pt(pool: Pool, index_wad: int, pt_raw: int, timestamp: int) -> Trade:
    """MarketMathCore.swapSyForExactPt. Raises ActionRefused where it reverts."""
    done = trade(pool, index_wad, pt_raw, timestamp)
    if done.sy_to_account_raw > 0:
        raise _reverts("the market would pay for what it gives")
    return done


def sy_to_asset_raw(sy_raw: int, index_wad: int) -> int:
    """SYUtils.syToAsset: rounded down."""
    return mul_div_down(sy_raw, index_wad, WAD)


def _asset_and_fee_raw(pool: Pool, shared: Precomputed, pt_to_account_raw: int) -> tuple[int, int]:
    """MarketMathCore.calcTrade before it turns the asset into SY: the asset to the account after the fee, and the fee."""
    rate_wad = _exchange_rate_wad(pool, shared, shared.total_asset_raw, pt_to_account_raw)
    before_fee_raw = -_div_wad(pt_to_account_raw, rate_wad)
    fee_rate_wad = shared.fee_rate_wad
    if pt_to_account_raw <= 0:
        fee_raw = -_toward_zero(before_fee_raw * (WAD - fee_rate_wad), fee_rate_wad)
    elif (after_fee_wad := _div_wad(rate_wad, fee_rate_wad)) < WAD:
        raise _reverts(f"the exchange rate after the fee is {after_fee_wad}")
    else:
        fee_raw = _toward_zero(before_fee_raw * (WAD - fee_rate_wad), WAD)
    return before_fee_raw - fee_raw, fee_raw


def _after(pool: Pool, pt_out_raw: int, sy_out_raw: int) -> Pool:
    if sy_out_raw > pool.total_sy_raw:
        raise _reverts(f"{sy_out_raw} SY are wanted, {pool.total_sy_raw} are there")
    return replace(pool, total_pt_raw=pool.total_pt_raw - pt_out_raw, total_sy_raw=pool.total_sy_raw - sy_out_raw)


def _ln_implied_rate_wad(pool: Pool, shared: Precomputed, index_wad: int, seconds: int) -> int:
    """MarketMathCore._getLnImpliedRate of a pool at rest."""
    rate_wad = _exchange_rate_wad(pool, shared, sy_to_asset_raw(pool.total_sy_raw, index_wad), 0)
    ln_implied_rate_wad = ln_wad(rate_wad) * SECONDS_PER_YEAR // seconds
    if ln_implied_rate_wad == 0:
        raise _reverts("the implied rate would be zero")
    return ln_implied_rate_wad


def _exchange_rate_wad(pool: Pool, shared: Precomputed, total_asset_raw: int, pt_to_account_raw: int) -> int:
    """MarketMathCore._getExchangeRate: the curve's price after so much PT has left."""
    proportion_wad = _div_wad(pool.total_pt_raw - pt_to_account_raw, pool.total_pt_raw + total_asset_raw)
    if proportion_wad > MAX_PROPORTION_WAD:
        raise _reverts(f"the proportion of PT would be {proportion_wad}")
    rate_wad = _div_wad(_logit_wad(proportion_wad), shared.rate_scalar_wad) + shared.rate_anchor_wad
    if rate_wad < WAD:
        raise _reverts(f"the exchange rate would be {rate_wad}")
    return rate_wad


def _logit_wad(proportion_wad: int) -> int:
    """MarketMathCore._logProportion."""
    if proportion_wad == WAD:
        raise _reverts("the market holds PT only")
    return ln_wad(_div_wad(proportion_wad, WAD - proportion_wad))


def _series(a: int, one: int, terms: int) -> int:
    """2 artanh((a - 1) / (a + 1)) to so many terms, each rounded toward zero, in the scale of `one`."""
    z = _toward_zero((a - one) * one, a + one)
    squared, power, total = z * z // one, z, z
    for n in range(3, 2 * terms, 2):
        power = _toward_zero(power * squared, one)
        total += _toward_zero(power, n)
    return 2 * total


def _sy_raw_down(asset_raw: int, index_wad: int) -> int:
    """SYUtils.assetToSy."""
    return mul_div_down(asset_raw, WAD, index_wad)


def _sy_raw_up(asset_raw: int, index_wad: int) -> int:
    """SYUtils.assetToSyUp."""
    return mul_div_up(asset_raw, WAD, index_wad)


def _div_wad(a: int, b: int) -> int:
    """PMath.divDown of signed numbers: rounded toward zero."""
    if b == 0 or abs(a * WAD) > MAX_INT256:
        raise _reverts(f"{a} over {b} has no 256-bit quotient")
    return _toward_zero(a * WAD, b)


def _toward_zero(a: int, b: int) -> int:
    """Division as the machine does it with signs."""
    quotient = abs(a) // abs(b)
    return quotient if (a < 0) == (b < 0) else -quotient


def _reverts(why: str) -> ActionRefused:
    return ActionRefused(market_id="pendle", why=why)
