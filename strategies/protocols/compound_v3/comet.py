"""One Comet and what it does to an account, in its own order and rounding; every formula is named by its function in Comet.sol.

Refuses what the contract reverts on. One thing it refuses although the contract would do it: a withdrawal of more base than is
supplied, which Comet pays out as a loan; a loan is asked for by its name. Reserves, absorption, the sale of collateral and reward
indices are not modelled: they move none of what an action here reads, except in a block that is read again."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from strategies.domain import Amount, Asset, Market, Position
from strategies.errors import ActionRefused, InsufficientBalance, InsufficientLiquidity
from strategies.protocols.adapter import Applied
from strategies.units import WAD, mul_div_down, mul_div_up

INDEX_E15: Final = 10**15  # CometCore.BASE_INDEX_SCALE
UINT64: Final = 2**64 - 1
UINT104: Final = 2**104 - 1
INT104: Final = 2**103 - 1


@dataclass(frozen=True, slots=True)
class Curve:
    """One of the two rate curves; rates are per second."""

    kink_wad: int
    low_wad: int
    high_wad: int
    base_wad: int


@dataclass(frozen=True, slots=True)
class Collateral:
    """One asset that backs debts (getAssetInfo, totalsCollateral, getPrice)."""

    asset: Asset
    price_e8: int
    borrow_factor_wad: int
    liquidation_factor_wad: int
    cap_raw: int
    supplied_raw: int


@dataclass(frozen=True, slots=True)
class Comet:
    """Everything one Comet keeps, true at `timestamp`; indices are those of the last accrual, totals are principals."""

    market: Market
    timestamp: int
    last_accrual_timestamp: int
    supply_index_e15: int
    borrow_index_e15: int
    supply_principal_raw: int
    borrow_principal_raw: int
    supply_curve: Curve
    borrow_curve: Curve
    borrow_min_raw: int
    available_raw: int  # the base token that is there
    price_e8: int
    supply_paused: bool
    withdraw_paused: bool
    collaterals: tuple[Collateral, ...]


def present_down(principal_raw: int, index_e15: int) -> int:
    """A principal with its interest (CometCore.presentValueSupply, presentValueBorrow)."""
    return mul_div_down(principal_raw, index_e15, INDEX_E15)


def supply_principal_down(present_raw: int, index_e15: int) -> int:
    """The principal of what is supplied (CometCore.principalValueSupply)."""
    return mul_div_down(present_raw, INDEX_E15, index_e15)


def borrow_principal_up(present_raw: int, index_e15: int) -> int:
    """The principal of what is owed (CometCore.principalValueBorrow)."""
    return mul_div_up(present_raw, INDEX_E15, index_e15)


def utilisation_wad(supplied_raw: int, owed_raw: int) -> int:
    """Owed of supplied, both present; it may pass one (Comet.getUtilization)."""
    return mul_div_down(owed_raw, WAD, supplied_raw) if supplied_raw else 0


def rate_wad(curve: Curve, usage_wad: int) -> int:
    """The rate of a second at a utilisation, each product rounded down (Comet.getSupplyRate, getBorrowRate)."""
    below_wad = mul_div_down(curve.low_wad, min(usage_wad, curve.kink_wad), WAD)
    above_wad = mul_div_down(curve.high_wad, max(usage_wad - curve.kink_wad, 0), WAD)
    return curve.base_wad + below_wad + above_wad


def grown_e15(index_e15: int, rate: int, seconds: int) -> int:
    """An index after so many seconds at one rate (Comet.accruedInterestIndices)."""
    return index_e15 + mul_div_down(index_e15, rate * seconds, WAD)


def usage_wad(state: Comet) -> int:
    """Utilisation as the stored indices have it, which is what the next accrual uses."""
    supplied_raw = present_down(state.supply_principal_raw, state.supply_index_e15)
    return utilisation_wad(supplied_raw, present_down(state.borrow_principal_raw, state.borrow_index_e15))


def accrued(state: Comet) -> Comet:
    """Both indices brought to now (Comet.accrueInternal). Raises ActionRefused where a 64-bit word overflows."""
    seconds = state.timestamp - state.last_accrual_timestamp
    if seconds == 0:
        return state
    usage = usage_wad(state)
    rates = rate_wad(state.supply_curve, usage), rate_wad(state.borrow_curve, usage)
    indices = grown_e15(state.supply_index_e15, rates[0], seconds), grown_e15(state.borrow_index_e15, rates[1], seconds)
    if max(*rates, *indices) > UINT64:
        raise ActionRefused(market_id=state.market.id, why="a rate or an index passes 64 bits")
    return replace(state, supply_index_e15=indices[0], borrow_index_e15=indices[1], last_accrual_timestamp=state.timestamp)


def supplied_raw(state: Comet, held: Position) -> int:
    """What a claim is worth by the stored index (after `accrued`: Comet.balanceOf)."""
    return present_down(held.shares_raw, state.supply_index_e15)


def owed_raw(state: Comet, held: Position) -> int:
    """What a claim owes by the stored index (after `accrued`: CometExt.borrowBalanceOf)."""
    return present_down(held.debt_raw, state.borrow_index_e15)


def collateral_of(state: Comet, asset: Asset) -> Collateral:
    """One collateral. Raises ActionRefused for an asset this Comet does not list."""
    found = next((one for one in state.collaterals if one.asset == asset), None)
    if found is None:
        raise ActionRefused(market_id=state.market.id, why=f"{asset.symbol} is none of its assets")
    return found


def worth_e8(state: Comet, held: Position, factors: Sequence[int]) -> int:
    """Collateral at its price times a factor for each, each product rounded down (Comet.mulPrice, mulFactor)."""
    worth = 0
    for one, factor_wad in zip(state.collaterals, factors, strict=True):
        price_e8 = mul_div_down(held.collateral_raw(one.asset), one.price_e8, 10**one.asset.decimals)
        worth += mul_div_down(price_e8, factor_wad, WAD)
    return worth


def debt_e8(state: Comet, held: Position) -> int:
    """What is owed, at its price, towards zero (Comet.signedMulPrice)."""
    return mul_div_down(owed_raw(state, held), state.price_e8, 10**state.market.asset.decimals)


def supply_base(before: Comet, held: Position, amount_raw: int) -> Applied[Comet]:
    """Pays what is owed first, then supplies (Comet.supplyBase)."""
    _supply_open(before)
    state = accrued(before)
    old_raw = held.shares_raw - held.debt_raw
    new_raw = _principal(state, _balance(state, held) + amount_raw)
    repaid_raw, added_raw = _repaid_and_supplied(old_raw, new_raw)
    after = _totals(state, supply_raw=added_raw, borrow_raw=-repaid_raw)
    after = replace(after, available_raw=state.available_raw + amount_raw)
    return Applied(after, _holding(held, new_raw), _moved(state.market.asset, -amount_raw))


def withdraw_base(before: Comet, held: Position, amount_raw: int) -> Applied[Comet]:
    """Takes what is supplied first, then borrows (Comet.withdrawBase)."""
    _withdraw_open(before)
    state = accrued(before)
    balance_raw = _balance(state, held) - amount_raw
    new_raw = _principal(state, balance_raw)
    taken_raw, lent_raw = _withdrawn_and_borrowed(held.shares_raw - held.debt_raw, new_raw)
    after, mine = _totals(state, supply_raw=-taken_raw, borrow_raw=lent_raw), _holding(held, new_raw)
    if balance_raw < 0:
        if -balance_raw < state.borrow_min_raw:
            raise ActionRefused(market_id=state.market.id, why=f"a debt of {-balance_raw} is below {state.borrow_min_raw}")
        _collateralised(state, mine)
    if amount_raw > state.available_raw:
        raise InsufficientLiquidity(market_id=state.market.id, wanted_raw=amount_raw, available_raw=state.available_raw)
    after = replace(after, available_raw=state.available_raw - amount_raw)
    return Applied(after, mine, _moved(state.market.asset, amount_raw))


def withdraw_supplied(before: Comet, held: Position, amount_raw: int) -> Applied[Comet]:
    """As much base as is supplied and no more. Raises InsufficientBalance where Comet would lend the rest."""
    balance_raw = supplied_raw(accrued(before), held)
    if amount_raw > balance_raw:
        raise InsufficientBalance(what=f"supplied to {before.market.id}", wanted_raw=amount_raw, available_raw=balance_raw)
    return withdraw_base(before, held, amount_raw)


def supply_collateral(state: Comet, held: Position, amount: Amount) -> Applied[Comet]:
    """Comet.supplyCollateral: nothing accrues."""
    _supply_open(state)
    collateral = collateral_of(state, amount.asset)
    total_raw = collateral.supplied_raw + amount.raw
    if total_raw > collateral.cap_raw:
        raise ActionRefused(
            market_id=state.market.id, why=f"the supply cap is {collateral.cap_raw}; {total_raw} would be supplied"
        )
    return _collateral_moved(state, held, collateral, amount.raw)


def withdraw_collateral(state: Comet, held: Position, amount: Amount) -> Applied[Comet]:
    """Comet.withdrawCollateral: nothing accrues, and debts count by the stored index."""
    _withdraw_open(state)
    collateral = collateral_of(state, amount.asset)
    backing_raw = held.collateral_raw(amount.asset)
    if amount.raw > backing_raw:
        raise InsufficientBalance(what=f"collateral in {state.market.id}", wanted_raw=amount.raw, available_raw=backing_raw)
    done = _collateral_moved(state, held, collateral, -amount.raw)
    if held.debt_raw:
        _collateralised(state, done.held)
    return done


def _collateral_moved(state: Comet, held: Position, collateral: Collateral, raw: int) -> Applied[Comet]:
    """So much of a collateral in (or out, if negative)."""
    changed = replace(collateral, supplied_raw=collateral.supplied_raw + raw)
    after = replace(state, collaterals=tuple(changed if one is collateral else one for one in state.collaterals))
    amounts = {one.asset: held.collateral_raw(one.asset) for one in state.collaterals}
    amounts[collateral.asset] += raw
    backing = tuple(Amount(asset, held_raw) for asset, held_raw in amounts.items() if held_raw)
    return Applied(after, replace(held, collateral=backing), _moved(collateral.asset, -raw))


def _balance(state: Comet, held: Position) -> int:
    """Comet.presentValue of a signed principal."""
    return supplied_raw(state, held) - owed_raw(state, held)


def _principal(state: Comet, balance_raw: int) -> int:
    """CometCore.principalValue. Raises ActionRefused where a signed 104-bit word overflows."""
    if balance_raw >= 0:
        principal_raw = supply_principal_down(balance_raw, state.supply_index_e15)
    else:
        principal_raw = -borrow_principal_up(-balance_raw, state.borrow_index_e15)
    if abs(principal_raw) > INT104:
        raise ActionRefused(market_id=state.market.id, why="a principal passes 104 bits")
    return principal_raw


def _repaid_and_supplied(old_raw: int, new_raw: int) -> tuple[int, int]:
    """Comet.repayAndSupplyAmount: a principal that rounding made smaller changes no total."""
    if new_raw < old_raw:
        return 0, 0
    return max(min(new_raw, 0) - min(old_raw, 0), 0), max(new_raw, 0) - max(old_raw, 0)


def _withdrawn_and_borrowed(old_raw: int, new_raw: int) -> tuple[int, int]:
    """Comet.withdrawAndBorrowAmount: a principal that rounding made larger changes no total."""
    if new_raw > old_raw:
        return 0, 0
    return max(old_raw, 0) - max(new_raw, 0), min(old_raw, 0) - min(new_raw, 0)


def _totals(state: Comet, *, supply_raw: int, borrow_raw: int) -> Comet:
    """Both totals after a change. Raises ActionRefused where an unsigned 104-bit word under- or overflows."""
    supply_after_raw, borrow_after_raw = state.supply_principal_raw + supply_raw, state.borrow_principal_raw + borrow_raw
    if min(supply_after_raw, borrow_after_raw) < 0 or max(supply_after_raw, borrow_after_raw) > UINT104:
        raise ActionRefused(market_id=state.market.id, why="a total leaves 104 bits")
    return replace(state, supply_principal_raw=supply_after_raw, borrow_principal_raw=borrow_after_raw)


def _holding(held: Position, principal_raw: int) -> Position:
    return replace(held, shares_raw=max(principal_raw, 0), debt_raw=max(-principal_raw, 0))


def _collateralised(state: Comet, held: Position) -> None:
    """Comet.isBorrowCollateralized."""
    covered_e8 = worth_e8(state, held, [one.borrow_factor_wad for one in state.collaterals])
    if covered_e8 < debt_e8(state, held):
        raise ActionRefused(market_id=state.market.id, why=f"the collateral covers {covered_e8} of {debt_e8(state, held)} (1e8)")


def _supply_open(state: Comet) -> None:
    if state.supply_paused:
        raise ActionRefused(market_id=state.market.id, why="supply is paused")


def _withdraw_open(state: Comet) -> None:
    if state.withdraw_paused:
        raise ActionRefused(market_id=state.market.id, why="withdrawal is paused")


def _moved(asset: Asset, raw: int) -> tuple[Amount, ...]:
    return (Amount(asset, raw),) if raw else ()
