"""One Morpho Blue market and what the singleton does to it, in its own order and rounding: accrue, convert, update, check.

Refuses what the singleton reverts on, the health of this market's own position included. It does not know which account is the
fee recipient: that one's claim grows with every accrual, and no claim here does."""

from dataclasses import dataclass, replace
from typing import Final

from strategies.domain import Amount, Market, Position, Shares
from strategies.errors import ActionRefused, InsufficientBalance, InsufficientLiquidity
from strategies.protocols.adapter import Applied
from strategies.protocols.morpho_blue.irm import compounded_wad, rates
from strategies.units import MAX_UINT256, WAD, mul_div_down, mul_div_up

VIRTUAL_SHARES: Final = 10**6
VIRTUAL_ASSETS: Final = 1
MAX_UINT128: Final = 2**128 - 1
PRICE_SCALE: Final = 10**36


@dataclass(frozen=True, slots=True)
class LoanMarket:
    """Everything the singleton, the rate model and the oracle keep about one market, true at `timestamp`; the totals and the rate
    at target are those of the last update."""

    market: Market
    timestamp: int
    last_update_timestamp: int
    supplied_raw: int
    supply_shares_raw: int
    owed_raw: int
    borrow_shares_raw: int
    fee_wad: int
    rate_at_target_wad: int  # a second
    price_e36: int  # loan asset for one base unit of collateral, times 1e36


def to_shares_down(assets_raw: int, total_assets_raw: int, total_shares_raw: int) -> int:
    """SharesMathLib.toSharesDown."""
    return mul_div_down(assets_raw, total_shares_raw + VIRTUAL_SHARES, total_assets_raw + VIRTUAL_ASSETS)


def to_shares_up(assets_raw: int, total_assets_raw: int, total_shares_raw: int) -> int:
    """SharesMathLib.toSharesUp."""
    return mul_div_up(assets_raw, total_shares_raw + VIRTUAL_SHARES, total_assets_raw + VIRTUAL_ASSETS)


def to_assets_down(shares_raw: int, total_assets_raw: int, total_shares_raw: int) -> int:
    """SharesMathLib.toAssetsDown."""
    return mul_div_down(shares_raw, total_assets_raw + VIRTUAL_ASSETS, total_shares_raw + VIRTUAL_SHARES)


def to_assets_up(shares_raw: int, total_assets_raw: int, total_shares_raw: int) -> int:
    """SharesMathLib.toAssetsUp."""
    return mul_div_up(shares_raw, total_assets_raw + VIRTUAL_ASSETS, total_shares_raw + VIRTUAL_SHARES)


def has_rate(market: Market) -> bool:
    """Whether anything can be borrowed: a market without collateral has no oracle and no rate model, and only keeps."""
    return bool(market.others)


def updated(state: LoanMarket) -> LoanMarket:
    """Interest and fee booked up to now (Morpho._accrueInterest). Raises ActionRefused past the largest number."""
    seconds = state.timestamp - state.last_update_timestamp
    if seconds == 0:
        return state
    if not has_rate(state.market):
        return replace(state, last_update_timestamp=state.timestamp)
    rate = rates(
        supplied_raw=state.supplied_raw,
        owed_raw=state.owed_raw,
        rate_at_target_wad=state.rate_at_target_wad,
        seconds=seconds,
    )
    interest_raw = mul_div_down(state.owed_raw, compounded_wad(rate.average_wad, seconds), WAD)
    supplied_raw = _fitting(state, state.supplied_raw + interest_raw)
    fee_raw = mul_div_down(interest_raw, state.fee_wad, WAD)
    # The fee is taken out of the total again for its own price: the total has grown by all the interest already.
    fee_shares_raw = to_shares_down(fee_raw, supplied_raw - fee_raw, state.supply_shares_raw)
    return replace(
        state,
        last_update_timestamp=state.timestamp,
        supplied_raw=supplied_raw,
        supply_shares_raw=_fitting(state, state.supply_shares_raw + fee_shares_raw),
        owed_raw=_fitting(state, state.owed_raw + interest_raw),
        rate_at_target_wad=rate.at_target_wad,
    )


def supplied_of_raw(now: LoanMarket, shares_raw: int) -> int:
    """What supply shares are worth in an updated market (MorphoBalancesLib.expectedSupplyAssets)."""
    return to_assets_down(shares_raw, now.supplied_raw, now.supply_shares_raw)


def owed_of_raw(now: LoanMarket, shares_raw: int) -> int:
    """What borrow shares owe in an updated market (MorphoBalancesLib.expectedBorrowAssets)."""
    return to_assets_up(shares_raw, now.owed_raw, now.borrow_shares_raw)


def borrowable_raw(now: LoanMarket, collateral_raw: int) -> int:
    """The debt up to which collateral keeps a position healthy (Morpho._isHealthy)."""
    if not has_rate(now.market):
        return 0
    worth_raw = mul_div_down(collateral_raw, now.price_e36, PRICE_SCALE)
    return mul_div_down(worth_raw, now.market.number("lltv_wad"), WAD)


def supply(before: LoanMarket, held: Position, amount: Amount) -> Applied[LoanMarket]:
    """Morpho.supply, by assets."""
    _not_nothing(before, amount.raw)
    state = updated(before)
    shares_raw = to_shares_down(amount.raw, state.supplied_raw, state.supply_shares_raw)
    after = replace(
        state,
        supplied_raw=_fitting(state, state.supplied_raw + amount.raw),
        supply_shares_raw=_fitting(state, state.supply_shares_raw + shares_raw),
    )
    return Applied(after, replace(held, shares_raw=held.shares_raw + shares_raw), _moved(state, -amount.raw))


def withdraw(before: LoanMarket, held: Position, amount: Amount | Shares) -> Applied[LoanMarket]:
    """Morpho.withdraw: shares round up for assets, assets round down for shares."""
    _not_nothing(before, amount.raw)
    state = updated(before)
    totals = state.supplied_raw, state.supply_shares_raw
    if isinstance(amount, Shares):
        shares_raw, amount_raw = amount.raw, to_assets_down(amount.raw, *totals)
    else:
        shares_raw, amount_raw = to_shares_up(amount.raw, *totals), amount.raw
    _covered(state, "supply shares", shares_raw, held.shares_raw)
    after = replace(state, supplied_raw=state.supplied_raw - amount_raw, supply_shares_raw=state.supply_shares_raw - shares_raw)
    _liquid(after, wanted_raw=amount_raw)
    return Applied(after, replace(held, shares_raw=held.shares_raw - shares_raw), _moved(state, amount_raw))


def borrow(before: LoanMarket, held: Position, amount: Amount) -> Applied[LoanMarket]:
    """Morpho.borrow, by assets."""
    _not_nothing(before, amount.raw)
    state = updated(before)
    shares_raw = to_shares_up(amount.raw, state.owed_raw, state.borrow_shares_raw)
    after = replace(
        state,
        owed_raw=_fitting(state, state.owed_raw + amount.raw),
        borrow_shares_raw=_fitting(state, state.borrow_shares_raw + shares_raw),
    )
    owing = replace(held, debt_raw=held.debt_raw + shares_raw)
    _healthy(after, owing)
    _liquid(after, wanted_raw=amount.raw)
    return Applied(after, owing, (amount,))


def repay(before: LoanMarket, held: Position, amount: Amount | Shares) -> Applied[LoanMarket]:
    """Morpho.repay from the wallet: shares round down for assets, assets round up for shares. More than is owed reverts."""
    _not_nothing(before, amount.raw)
    state = updated(before)
    totals = state.owed_raw, state.borrow_shares_raw
    if isinstance(amount, Shares):
        shares_raw, amount_raw = amount.raw, to_assets_up(amount.raw, *totals)
    else:
        shares_raw, amount_raw = to_shares_down(amount.raw, *totals), amount.raw
    _covered(state, "borrow shares", shares_raw, held.debt_raw)
    # Rounded up, the last repayment may be one more than all that is owed.
    after = replace(state, owed_raw=max(state.owed_raw - amount_raw, 0), borrow_shares_raw=state.borrow_shares_raw - shares_raw)
    return Applied(after, replace(held, debt_raw=held.debt_raw - shares_raw), _moved(state, -amount_raw))


def supply_collateral(state: LoanMarket, held: Position, amount: Amount) -> Applied[LoanMarket]:
    """Morpho.supplyCollateral, which books no interest."""
    _not_nothing(state, amount.raw)
    backing_raw = _fitting(state, held.collateral_raw(amount.asset) + amount.raw)
    return Applied(state, _backed(held, Amount(amount.asset, backing_raw)), (Amount(amount.asset, -amount.raw),))


def withdraw_collateral(before: LoanMarket, held: Position, amount: Amount) -> Applied[LoanMarket]:
    """Morpho.withdrawCollateral: what stays must cover the debt."""
    _not_nothing(before, amount.raw)
    state = updated(before)
    backing_raw = held.collateral_raw(amount.asset)
    _covered(state, "collateral", amount.raw, backing_raw)
    after = _backed(held, Amount(amount.asset, backing_raw - amount.raw))
    _healthy(state, after)
    return Applied(state, after, (amount,))


def _backed(held: Position, amount: Amount) -> Position:
    return replace(held, collateral=(amount,) if amount.raw else ())


def _moved(state: LoanMarket, raw: int) -> tuple[Amount, ...]:
    return (Amount(state.market.asset, raw),) if raw else ()


def _fitting(state: LoanMarket, raw: int) -> int:
    """What the singleton keeps must fit 128 bits (UtilsLib.toUint128)."""
    if raw > MAX_UINT128:
        raise ActionRefused(market_id=state.market.id, why=f"{raw} is more than 128 bits carry")
    return raw


def _not_nothing(state: LoanMarket, raw: int) -> None:
    if raw <= 0:
        raise ActionRefused(market_id=state.market.id, why="the amount is zero")


def _covered(state: LoanMarket, what: str, wanted_raw: int, available_raw: int) -> None:
    if wanted_raw > available_raw:
        raise InsufficientBalance(what=f"{what} in {state.market.id}", wanted_raw=wanted_raw, available_raw=available_raw)


def _liquid(after: LoanMarket, *, wanted_raw: int) -> None:
    """No more is lent than is supplied. The singleton's balance always covers the difference: it holds collateral besides."""
    if after.owed_raw > after.supplied_raw:
        available_raw = after.supplied_raw - after.owed_raw + wanted_raw
        raise InsufficientLiquidity(market_id=after.market.id, wanted_raw=wanted_raw, available_raw=available_raw)


def _healthy(after: LoanMarket, held: Position) -> None:
    """Morpho._isHealthy, asked after the change."""
    if held.debt_raw == 0:
        return
    backing_raw = sum(amount.raw for amount in held.collateral)
    if backing_raw * after.price_e36 > MAX_UINT256:
        raise ActionRefused(
            market_id=after.market.id, why=f"the collateral at {after.price_e36} (1e36) is more than 256 bits carry"
        )
    limit_raw, owed_raw = borrowable_raw(after, backing_raw), owed_of_raw(after, held.debt_raw)
    if owed_raw > limit_raw:
        raise ActionRefused(
            market_id=after.market.id, why=f"the collateral covers a debt of {limit_raw}; {owed_raw} would be owed"
        )
