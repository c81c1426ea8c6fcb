"""One Aave V3 reserve and what the pool does to it, in the pool's own order and rounding.

Refuses what the pool reverts on in a single-reserve view, borrowing from a siloed reserve, which is not modelled, and a claim of
rewards that the market does not list."""

from dataclasses import dataclass, replace

from strategies.domain import Amount, Entire, Market, Position
from strategies.errors import ActionRefused, InsufficientBalance, InsufficientLiquidity, UnsupportedState
from strategies.protocols.aave_v3.arithmetic import (
    Curve,
    Usage,
    Version,
    linear_interest_ray,
    percent_mul,
    rates_ray,
    ray_mul,
)
from strategies.protocols.aave_v3.rewards import Rewards, counted
from strategies.protocols.adapter import Applied
from strategies.units import RAY


@dataclass(frozen=True, slots=True)
class Configuration:
    """A reserve's settings (ReserveConfiguration)."""

    ltv_bps: int
    threshold_bps: int
    decimals: int
    active: bool
    frozen: bool
    borrowing_enabled: bool
    paused: bool
    siloed: bool
    reserve_factor_bps: int
    borrow_cap: int  # whole units; 0 is no cap
    supply_cap: int
    bonus_bps: int = 0  # what a liquidator takes for each 10,000 of debt; 0: it was not read, or backs nothing


@dataclass(frozen=True, slots=True)
class Reserve:
    """Everything the pool keeps about one asset, true at `timestamp`; indices and rates are those of the last update."""

    market: Market
    version: Version
    configuration: Configuration
    curve: Curve
    timestamp: int
    last_update_timestamp: int
    liquidity_index_ray: int
    variable_index_ray: int
    liquidity_rate_ray: int
    variable_rate_ray: int
    scaled_supply_raw: int
    scaled_debt_raw: int
    treasury_scaled_raw: int
    unbacked_raw: int  # V3.0: unbacked; from V3.4 on: the deficit, in the same place of the curve
    available_raw: int  # what the rate strategy calls available, and what can leave
    price_usd_e8: int
    rewards: Rewards | None = None  # None: the deployment names no controller


def configuration_of(bits: int) -> Configuration:
    """The bitmap's fields (DataTypes.ReserveConfigurationMap)."""
    return Configuration(
        ltv_bps=bits & 0xFFFF,
        threshold_bps=bits >> 16 & 0xFFFF,
        decimals=bits >> 48 & 0xFF,
        active=bool(bits >> 56 & 1),
        frozen=bool(bits >> 57 & 1),
        borrowing_enabled=bool(bits >> 58 & 1),
        paused=bool(bits >> 60 & 1),
        siloed=bool(bits >> 62 & 1),
        reserve_factor_bps=bits >> 64 & 0xFFFF,
        borrow_cap=bits >> 80 & 0xFFFFFFFFF,
        supply_cap=bits >> 116 & 0xFFFFFFFFF,
        bonus_bps=bits >> 32 & 0xFFFF,
    )


def income_ray(state: Reserve) -> int:
    """Asset per scaled share now (ReserveLogic.getNormalizedIncome)."""
    seconds = state.timestamp - state.last_update_timestamp
    if seconds == 0:
        return state.liquidity_index_ray
    return ray_mul(linear_interest_ray(state.liquidity_rate_ray, seconds), state.liquidity_index_ray)


def debt_ray(state: Reserve) -> int:
    """Debt per scaled debt now (ReserveLogic.getNormalizedDebt)."""
    seconds = state.timestamp - state.last_update_timestamp
    if seconds == 0:
        return state.variable_index_ray
    return ray_mul(state.version.compound(state.variable_rate_ray, seconds), state.variable_index_ray)


def supplied_raw(state: Reserve, scaled_raw: int) -> int:
    """What scaled shares are worth now (AToken.balanceOf)."""
    return state.version.supply_valued(scaled_raw, income_ray(state), RAY)


def owed_raw(state: Reserve, scaled_raw: int) -> int:
    """What scaled debt is now (VariableDebtToken.balanceOf)."""
    return state.version.debt_valued(scaled_raw, debt_ray(state), RAY)


def updated(state: Reserve) -> Reserve:
    """The indices and the treasury's share brought to now (ReserveLogic.updateState)."""
    if state.last_update_timestamp == state.timestamp:
        return state
    liquidity_index_ray = income_ray(state)
    # The view compounds a base rate even where nothing is owed; the stored index stays.
    variable_index_ray = debt_ray(state) if state.scaled_debt_raw else state.variable_index_ray
    interest_raw = state.version.interest(state.scaled_debt_raw, state.variable_index_ray, variable_index_ray)
    mint_raw = percent_mul(interest_raw, state.configuration.reserve_factor_bps)
    return replace(
        state,
        liquidity_index_ray=liquidity_index_ray,
        variable_index_ray=variable_index_ray,
        treasury_scaled_raw=state.treasury_scaled_raw + state.version.supply_minted(mint_raw, RAY, liquidity_index_ray),
        last_update_timestamp=state.timestamp,
    )


def supply(before: Reserve, held: Position, amount_raw: int) -> Applied[Reserve]:
    """SupplyLogic.executeSupply."""
    state = updated(before)
    _open(state, amount_raw)
    _not_frozen(state)
    shares_raw = state.version.supply_minted(amount_raw, RAY, state.liquidity_index_ray)
    _not_nothing(state, shares_raw)
    _under_supply_cap(state, amount_raw, shares_raw)
    counts = held.counts if held.shares_raw else state.configuration.ltv_bps != 0
    state, held = _counted(state, held)
    after = _flowed(replace(state, scaled_supply_raw=state.scaled_supply_raw + shares_raw), amount_raw)
    return Applied(after, replace(held, shares_raw=held.shares_raw + shares_raw, counts=counts), _moved(before, -amount_raw))


def withdraw(before: Reserve, held: Position, amount: Amount | Entire) -> Applied[Reserve]:
    """SupplyLogic.executeWithdraw, without the health of the account's debts elsewhere."""
    state = updated(before)
    balance_raw = state.version.supply_valued(held.shares_raw, state.liquidity_index_ray, RAY)
    amount_raw = amount.raw if isinstance(amount, Amount) else balance_raw
    _open(state, amount_raw)
    # V3.6 takes the shares of "all" as they are, V3.0 rounds the balance back to them: the same, since no index is below 1.
    shares_raw = held.shares_raw
    if amount_raw != balance_raw:
        shares_raw = state.version.supply_burned(amount_raw, RAY, state.liquidity_index_ray)
    _not_nothing(state, shares_raw)
    if amount_raw > balance_raw:
        raise InsufficientBalance(what=f"supplied to {state.market.id}", wanted_raw=amount_raw, available_raw=balance_raw)
    state, held = _counted(state, held)
    after = _flowed(replace(state, scaled_supply_raw=state.scaled_supply_raw - shares_raw), -amount_raw)
    left_raw = held.shares_raw - shares_raw
    return Applied(after, replace(held, shares_raw=left_raw, counts=held.counts or not left_raw), _moved(before, amount_raw))


def borrow(before: Reserve, held: Position, amount_raw: int) -> Applied[Reserve]:
    """BorrowLogic.executeBorrow at the variable rate, without the account's collateral. Raises UnsupportedState if siloed."""
    state = updated(before)
    _open(state, amount_raw)
    _not_frozen(state)
    if not state.configuration.borrowing_enabled:
        raise ActionRefused(market_id=state.market.id, why="borrowing is not enabled")
    if state.configuration.siloed:
        raise UnsupportedState(market_id=state.market.id, what="siloed borrowing")
    debt_raw = state.version.debt_minted(amount_raw, RAY, state.variable_index_ray)
    _not_nothing(state, debt_raw)
    _under_borrow_cap(state, amount_raw, debt_raw)
    _under_total_supply(state, debt_raw)
    after = _flowed(replace(state, scaled_debt_raw=state.scaled_debt_raw + debt_raw), -amount_raw)
    return Applied(after, replace(held, debt_raw=held.debt_raw + debt_raw), _moved(before, amount_raw))


def repay(before: Reserve, held: Position, amount: Amount | Entire) -> Applied[Reserve]:
    """BorrowLogic.executeRepay of variable debt from the wallet; more than is owed pays what is owed."""
    state = updated(before)
    owed_now_raw = state.version.debt_valued(held.debt_raw, state.variable_index_ray, RAY)
    amount_raw = min(amount.raw, owed_now_raw) if isinstance(amount, Amount) else owed_now_raw
    _open(state, amount_raw)
    debt_raw = state.version.debt_burned(amount_raw, RAY, state.variable_index_ray)
    _not_nothing(state, debt_raw)
    after = _flowed(replace(state, scaled_debt_raw=state.scaled_debt_raw - debt_raw), amount_raw)
    return Applied(after, replace(held, debt_raw=held.debt_raw - debt_raw), _moved(before, -amount_raw))


def set_collateral(state: Reserve, held: Position, is_used: bool) -> Applied[Reserve]:
    """SupplyLogic.executeUseReserveAsCollateral, without the health of the account's debts. Nothing else of a reserve changes."""
    _running(state)
    if not held.shares_raw and (is_used or not state.version.frees_nothing):
        raise InsufficientBalance(what=f"supplied to {state.market.id}", wanted_raw=1, available_raw=0)
    if is_used and not held.counts and not state.configuration.ltv_bps:
        raise ActionRefused(market_id=state.market.id, why="nothing may be borrowed against it (its LTV is zero)")
    return Applied(state, replace(held, counts=is_used or not held.shares_raw), ())


def claim(state: Reserve, held: Position) -> Applied[Reserve]:
    """RewardsController.claimAllRewards of this reserve's receipts. It asks the pool nothing, so a pause stops it not."""
    if state.rewards is None:
        raise ActionRefused(market_id=state.market.id, why="the deployment names no rewards controller for it")
    if state.rewards.unlisted:
        also = ", ".join(state.rewards.unlisted)
        raise ActionRefused(market_id=state.market.id, why=f"a claim also transfers {also}, which the market does not list")
    after, counted_now = _counted(state, held)
    arrived = [Amount(reward.asset, reward.accrued_raw) for reward in counted_now.rewards if reward.accrued_raw]
    kept = tuple([replace(reward, accrued_raw=0) for reward in counted_now.rewards])
    return Applied(after, replace(counted_now, rewards=kept), tuple(arrived))


def _counted(state: Reserve, held: Position) -> tuple[Reserve, Position]:
    """The rewards up to now, before the account's balance changes (IncentivizedERC20: handleAction)."""
    if state.rewards is None:
        return state, held
    rewards, after = counted(state.rewards, held, timestamp=state.timestamp, supply_raw=state.scaled_supply_raw)
    return replace(state, rewards=rewards), after


def _moved(state: Reserve, raw: int) -> tuple[Amount, ...]:
    return (Amount(state.market.asset, raw),)


def _flowed(state: Reserve, added_raw: int) -> Reserve:
    """Liquidity in (or out, if negative) and the rates that follow (ReserveLogic.updateInterestRates)."""
    available_raw = state.available_raw + added_raw
    if available_raw < 0:
        raise InsufficientLiquidity(market_id=state.market.id, wanted_raw=-added_raw, available_raw=state.available_raw)
    usage = Usage(
        available_raw=available_raw,
        debt_raw=state.version.debt_valued(state.scaled_debt_raw, state.variable_index_ray, RAY),
        unbacked_raw=state.unbacked_raw,
        reserve_factor_bps=state.configuration.reserve_factor_bps,
    )
    liquidity_rate_ray, variable_rate_ray = rates_ray(state.version, state.curve, usage)
    return replace(
        state,
        available_raw=available_raw,
        liquidity_rate_ray=liquidity_rate_ray,
        variable_rate_ray=variable_rate_ray,
    )


def _open(state: Reserve, amount_raw: int) -> None:
    """What every movement asks first (ValidationLogic)."""
    if amount_raw <= 0:
        raise ActionRefused(market_id=state.market.id, why="the amount is zero")
    _running(state)


def _running(state: Reserve) -> None:
    if not state.configuration.active:
        raise ActionRefused(market_id=state.market.id, why="the reserve is not active")
    if state.configuration.paused:
        raise ActionRefused(market_id=state.market.id, why="the reserve is paused")


def _not_frozen(state: Reserve) -> None:
    if state.configuration.frozen:
        raise ActionRefused(market_id=state.market.id, why="the reserve is frozen")


def _not_nothing(state: Reserve, scaled_raw: int) -> None:
    if scaled_raw == 0:
        raise ActionRefused(market_id=state.market.id, why="the amount is less than one scaled unit")


def _under_supply_cap(state: Reserve, amount_raw: int, shares_raw: int) -> None:
    """ValidationLogic.validateSupply."""
    cap_raw = state.configuration.supply_cap * 10**state.configuration.decimals
    scaled_raw = state.scaled_supply_raw + state.treasury_scaled_raw
    value = state.version.supply_valued
    if state.version.checks_scaled:
        after_raw = value(scaled_raw + shares_raw, state.liquidity_index_ray, RAY)
    else:
        after_raw = value(scaled_raw, state.liquidity_index_ray, RAY) + amount_raw
    if cap_raw and after_raw > cap_raw:
        raise ActionRefused(market_id=state.market.id, why=f"the supply cap is {cap_raw}; {after_raw} would be supplied")


def _under_borrow_cap(state: Reserve, amount_raw: int, debt_raw: int) -> None:
    """ValidationLogic.validateBorrow."""
    cap_raw = state.configuration.borrow_cap * 10**state.configuration.decimals
    value = state.version.debt_valued
    if state.version.checks_scaled:
        after_raw = value(state.scaled_debt_raw + debt_raw, state.variable_index_ray, RAY)
    else:
        after_raw = value(state.scaled_debt_raw, state.variable_index_ray, RAY) + amount_raw
    if cap_raw and after_raw > cap_raw:
        raise ActionRefused(market_id=state.market.id, why=f"the borrow cap is {cap_raw}; {after_raw} would be owed")


def _under_total_supply(state: Reserve, debt_raw: int) -> None:
    """ValidationLogic.validateBorrow, V3.6: no more than all that is supplied."""
    supplied_all_raw = state.version.supply_valued(state.scaled_supply_raw, state.liquidity_index_ray, RAY)
    wanted_raw = state.version.debt_valued(debt_raw, state.variable_index_ray, RAY)
    if state.version.checks_scaled and wanted_raw > supplied_all_raw:
        raise InsufficientLiquidity(market_id=state.market.id, wanted_raw=wanted_raw, available_raw=supplied_all_raw)
