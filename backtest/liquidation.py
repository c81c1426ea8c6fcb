"""What others do to an account whose debts are no longer covered, in the protocols' own integers: Aave V3, Morpho Blue. Refuses
elsewhere to guess: a debt that is not covered under a protocol whose liquidation is not known here stops the run, by name.

The liquidator is the one an account must reckon with: it comes at the first recorded row at which it may, repays the most that it
may, and takes the dearest collateral for it. What it takes is decided at prices of that row; the markets are left as recorded."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from backtest.runs import Liquidation
from strategies.domain import Amount, Portfolio, Position, Repay
from strategies.errors import UnsupportedState
from strategies.protocols.aave_v3 import reserve
from strategies.protocols.aave_v3.arithmetic import percent_mul
from strategies.protocols.aave_v3.reserve import Reserve
from strategies.protocols.adapter import Solvency
from strategies.protocols.morpho_blue import lending
from strategies.protocols.morpho_blue.lending import PRICE_SCALE, LoanMarket
from strategies.protocols.registry import MarketState, adapter_of
from strategies.tape import Tape
from strategies.units import BPS, RAY, USD_E8, WAD, mul_div_down, mul_div_half_up, mul_div_up

HALF_BPS: Final = 5_000  # DEFAULT_LIQUIDATION_CLOSE_FACTOR
HALF_ABOVE_WAD: Final = 95 * WAD // 100  # CLOSE_FACTOR_HF_THRESHOLD: below it all of a debt may be repaid
WHOLE_BELOW_USD_E8: Final = 2_000 * USD_E8  # MIN_BASE_MAX_CLOSE_FACTOR_THRESHOLD, from V3.3 on
CURSOR_WAD: Final = 3 * WAD // 10  # ConstantsLib.LIQUIDATION_CURSOR
MAX_INCENTIVE_WAD: Final = 115 * WAD // 100  # ConstantsLib.MAX_LIQUIDATION_INCENTIVE_FACTOR
MOST: Final = 64  # liquidations at one row: each repays at least half of a debt

States = Mapping[str, MarketState]


@dataclass(frozen=True, slots=True)
class _Claim:
    """An Aave claim with its reserve brought to now."""

    held: Position
    state: Reserve
    supplied_raw: int
    owed_raw: int

    @property
    def supplied_usd_e8(self) -> int:
        return mul_div_down(self.supplied_raw, self.state.price_usd_e8, self.one)

    @property
    def owed_usd_e8(self) -> int:
        return mul_div_up(self.owed_raw, self.state.price_usd_e8, self.one)

    @property
    def one(self) -> int:
        return int(10**self.state.configuration.decimals)


def liquidated(tape: Tape, row: int, portfolio: Portfolio) -> tuple[Portfolio, tuple[Liquidation, ...]]:
    """What is left of a portfolio at a row once everybody has come who may. Raises UnsupportedState where a debt that is not
    covered is owed under other rules, or a bonus was not read."""
    done = list[Liquidation]()
    while len(done) < MOST:
        states = _states(tape, row, portfolio)
        scope = _uncovered(portfolio, states)
        found = None if scope is None else _step(row, portfolio, states, scope)
        if found is None:
            break
        portfolio, event = found
        done.append(event)
    return portfolio, tuple(done)


def _states(tape: Tape, row: int, portfolio: Portfolio) -> States:
    """The markets of all claims; one that could not be read then is waited for."""
    found = {held.market.id: tape.states.state(row, tape.market_index(held.market)) for held in portfolio.positions}
    return {market: state for market, state in found.items() if state is not None}


def _uncovered(portfolio: Portfolio, states: States) -> Solvency | None:
    """The first scope whose debt is more than its collateral covers; one with an unread claim is not judged."""
    sums, unread = dict[str, Solvency](), set[str]()
    for held in portfolio.positions:
        state = states.get(held.market.id)
        if state is None:
            unread |= {held.market.address, held.market.id}
            continue
        part = adapter_of(held.market).solvency(state, held)
        before = sums.get(part.scope, Solvency(part.scope, 0, 0))
        collateral, debt = before.collateral_usd_e8 + part.collateral_usd_e8, before.debt_usd_e8 + part.debt_usd_e8
        sums[part.scope] = Solvency(part.scope, collateral, debt)
    open_scopes = [one for one in sums.values() if one.collateral_usd_e8 < one.debt_usd_e8 and one.scope not in unread]
    return open_scopes[0] if open_scopes else None


def _step(row: int, portfolio: Portfolio, states: States, scope: Solvency) -> tuple[Portfolio, Liquidation] | None:
    """One liquidation in a scope; None where there is nothing left to take."""
    claims = [held for held in portfolio.positions if scope.scope in {held.market.id, held.market.address}]
    for held in claims:
        state = states[held.market.id]
        if isinstance(state, LoanMarket) and held.debt_raw:
            return _of_morpho(row, portfolio, held, lending.updated(state))
        if not isinstance(state, Reserve):
            why = "a debt that its collateral no longer covers: how it is liquidated is not known here"
            raise UnsupportedState(market_id=held.market.id, what=why)
    return _of_aave(row, portfolio, [_claim(held, states) for held in claims], scope)


def _claim(held: Position, states: States) -> _Claim:
    state = states[held.market.id]
    if not isinstance(state, Reserve):
        raise UnsupportedState(market_id=held.market.id, what="a claim beside Aave's that shares its health")
    now = reserve.updated(state)
    return _Claim(held, now, reserve.supplied_raw(now, held.shares_raw), reserve.owed_raw(now, held.debt_raw))


def _of_aave(row: int, portfolio: Portfolio, claims: list[_Claim], scope: Solvency) -> tuple[Portfolio, Liquidation] | None:
    """LiquidationLogic.executeLiquidationCall of the largest debt for the dearest collateral."""
    debt = max(claims, key=lambda claim: claim.owed_usd_e8)
    backing = [claim for claim in claims if claim.held.counts and claim.state.configuration.threshold_bps and claim.supplied_raw]
    if not backing:
        return None
    collateral = max(backing, key=lambda claim: claim.supplied_usd_e8)
    bonus_bps = collateral.state.configuration.bonus_bps
    if bonus_bps <= BPS:
        raise UnsupportedState(market_id=collateral.held.market.id, what=f"a liquidation bonus of {bonus_bps} bps")
    repaid_raw, seized_raw = _exchanged(debt, collateral, _closable_raw(debt, collateral, claims, scope), bonus_bps)
    if not repaid_raw or not seized_raw:
        return None
    after = _repaid(debt, repaid_raw)
    taken = _seized(replace(collateral, held=after) if collateral.held is debt.held else collateral, seized_raw)
    changed = {debt.held.market.id: after, collateral.held.market.id: taken}
    event = Liquidation(
        row,
        debt.held.market,
        Amount(debt.held.market.asset, repaid_raw),
        collateral.held.market,
        Amount(collateral.held.market.asset, seized_raw),
        mul_div_up(seized_raw, collateral.state.price_usd_e8, collateral.one)
        - mul_div_down(repaid_raw, debt.state.price_usd_e8, debt.one),
    )
    return _with(portfolio, changed), event


def _closable_raw(debt: _Claim, collateral: _Claim, claims: list[_Claim], scope: Solvency) -> int:
    """How much of a debt may be repaid at once (LiquidationLogic._calculateDebt; from V3.3 on the half is of all debts, and a
    small debt or collateral goes whole)."""
    health_wad = mul_div_down(scope.collateral_usd_e8, WAD, scope.debt_usd_e8)
    if health_wad <= HALF_ABOVE_WAD:
        return debt.owed_raw
    if not debt.state.version.checks_scaled:
        return percent_mul(debt.owed_raw, HALF_BPS)
    if min(debt.owed_usd_e8, collateral.supplied_usd_e8) < WHOLE_BELOW_USD_E8:
        return debt.owed_raw
    half_usd_e8 = percent_mul(sum([claim.owed_usd_e8 for claim in claims]), HALF_BPS)
    if debt.owed_usd_e8 <= half_usd_e8:
        return debt.owed_raw
    return min(debt.owed_raw, mul_div_down(half_usd_e8, debt.one, debt.state.price_usd_e8))


def _exchanged(debt: _Claim, collateral: _Claim, closable_raw: int, bonus_bps: int) -> tuple[int, int]:
    """What is repaid and what is taken for it (LiquidationLogic._calculateAvailableCollateralToLiquidate)."""
    in_debt, in_collateral = debt.state.price_usd_e8 * collateral.one, collateral.state.price_usd_e8 * debt.one
    seized_raw = percent_mul(mul_div_down(closable_raw, in_debt, in_collateral), bonus_bps)
    if seized_raw <= collateral.supplied_raw:
        return closable_raw, seized_raw
    worth_raw = mul_div_down(collateral.supplied_raw, in_collateral, in_debt)
    return min(closable_raw, mul_div_half_up(worth_raw, BPS, bonus_bps)), collateral.supplied_raw


def _repaid(debt: _Claim, repaid_raw: int) -> Position:
    """The claim once somebody has repaid so much of its debt."""
    market = debt.held.market
    return adapter_of(market).apply(debt.state, debt.held, Repay(market, Amount(market.asset, repaid_raw))).held


def _seized(collateral: _Claim, seized_raw: int) -> Position:
    """The claim once so much was taken: its receipts go, whether the pool has the asset or not."""
    if seized_raw == collateral.supplied_raw:
        return replace(collateral.held, shares_raw=0, counts=True)
    burned_raw = collateral.state.version.supply_burned(seized_raw, RAY, collateral.state.liquidity_index_ray)
    return replace(collateral.held, shares_raw=max(0, collateral.held.shares_raw - burned_raw))


def _of_morpho(row: int, portfolio: Portfolio, held: Position, now: LoanMarket) -> tuple[Portfolio, Liquidation] | None:
    """Morpho.liquidate of the whole debt, or of all collateral; a debt that nothing backs any more is the lenders' loss."""
    backing_raw = held.collateral_raw(now.market.others[0])
    if not backing_raw or not now.price_e36:
        return None
    factor_wad = incentive_wad(now.market.number("lltv_wad"))
    owed_raw = lending.to_assets_down(held.debt_raw, now.owed_raw, now.borrow_shares_raw)
    seized_raw = mul_div_down(mul_div_down(owed_raw, factor_wad, WAD), PRICE_SCALE, now.price_e36)
    if seized_raw <= backing_raw:
        repaid_raw, left_raw = lending.owed_of_raw(now, held.debt_raw), backing_raw - seized_raw
    else:
        worth_raw = mul_div_up(mul_div_up(backing_raw, now.price_e36, PRICE_SCALE), WAD, factor_wad)
        seized_raw, repaid_raw, left_raw = backing_raw, worth_raw, 0
    asset = now.market.others[0]
    after = replace(held, debt_raw=0, collateral=(Amount(asset, left_raw),) if left_raw else ())
    worth_raw = mul_div_up(seized_raw, now.price_e36, PRICE_SCALE)
    event = Liquidation(
        row, held.market, Amount(held.market.asset, repaid_raw), held.market, Amount(asset, seized_raw), worth_raw - repaid_raw
    )
    return _with(portfolio, {held.market.id: after}), event


def incentive_wad(lltv_wad: int) -> int:
    """What a liquidator gets for each unit repaid: min(1.15, 1 / (1 - 0.3 × (1 - lltv))) (Morpho._liquidationIncentiveFactor)."""
    spread_wad = mul_div_down(CURSOR_WAD, WAD - lltv_wad, WAD)
    return min(MAX_INCENTIVE_WAD, mul_div_down(WAD, WAD, WAD - spread_wad))


def _with(portfolio: Portfolio, changed: Mapping[str, Position]) -> Portfolio:
    claims = [changed.get(held.market.id, held) for held in portfolio.positions]
    return Portfolio(portfolio.idle, tuple([claim for claim in claims if not claim.is_empty]))
