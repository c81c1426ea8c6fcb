"""The guard's questions: one function a rule, each of them a case in, every reason out. Refuses nothing by itself: guard.py asks.

A rule says what is wrong and what would change it. What is spent is the dollar value of assets that leave (supplied, transferred)
and of what is borrowed; a rotation's supply counts although its withdrawal came first; withdrawals to ourselves, repayments and
revocations count nothing, and no exposure rule blocks them."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final, TypeAlias

from strategies.domain import (
    Address,
    Amount,
    Borrow,
    Entire,
    Lending,
    Market,
    Position,
    Shares,
    Supply,
    Transfer,
    Withdraw,
    written,
)
from strategies.protocols.registry import adapter_of, encode
from strategies.units import GWEI, USD_E8, WAD
from wallets import unreadable
from wallets.approvals import exact_approvals, no_allowance_left
from wallets.case import (
    CLOCK_SKEW_SECONDS,
    Case,
    Fees,
    gas_usd_e8,
    gas_wei,
    market_actions,
    native_of,
    only_revokes,
    price_usd_e8,
    spend_usd_e8,
    spends,
    state_of,
    value_usd_e8,
)
from wallets.health import healthy
from wallets.policy import TESTNETS
from wallets.stops import not_paused
from wallets.wallet import Effects, Reason

__all__ = ["CHECKS", "Case", "Check", "Fees"]


Reasons: TypeAlias = tuple[Reason, ...]
Check: TypeAlias = Callable[[Case], Reasons]


def right_chain(case: Case) -> Reasons:
    """Endpoint, policy and deployment name one chain; live value moves on listed testnets only."""
    ids = {"endpoint": case.endpoint_chain_id, "policy": case.policy.chain_id, "deployment": case.deployment.chain_id}
    if len(set(ids.values())) > 1:
        said = ", ".join([f"the {name} says {chain_id}" for name, chain_id in ids.items()])
        return (Reason("chain", f"not one chain: {said}"),)
    if case.fees is not None and case.endpoint_chain_id not in TESTNETS:
        listed = ", ".join([str(chain_id) for chain_id in sorted(TESTNETS)])
        return (Reason("chain", f"live value moves on testnets only ({listed}), not on chain {case.endpoint_chain_id}"),)
    return ()


def readable(case: Case) -> Reasons:
    """Every call was read back, by an adapter, to its last byte."""
    return tuple(
        [
            unreadable.reason(at, call, case.policy.account, case.deployment)
            for at, (call, action) in enumerate(zip(case.calls, case.actions, strict=True))
            if action is None
        ]
    )


def canonical(case: Case) -> Reasons:
    """What was read back is written as exactly the same bytes."""
    reasons = []
    for at, (call, action) in enumerate(zip(case.calls, case.actions, strict=True)):
        if action is not None and call not in encode(action, case.policy.account):
            text = f"call {at} reads as {type(action).__name__} but is not its canonical bytes; encode it again"
            reasons.append(Reason("calldata", text))
    return tuple(reasons)


def allowed_markets(case: Case) -> Reasons:
    """Only the markets a person listed are touched."""
    reasons = []
    for at, action in market_actions(case):
        if action.market.id not in case.policy.markets:
            text = f"call {at} touches market {action.market.id}, which the policy's markets do not list"
            reasons.append(Reason("target", text))
    return tuple(reasons)


def traded(case: Case) -> Reasons:
    """What no rule here can weigh yet is not signed: swaps, ranges, staking, and collateral in another asset."""
    reasons = []
    for at, action in market_actions(case):
        if not isinstance(action, Lending):
            text = f"call {at}: this wallet does not sign a {type(action).__name__} yet; it only lends, borrows and takes back"
            reasons.append(Reason("action", text))
        elif isinstance(action.amount, Amount) and action.amount.asset != action.market.asset:
            symbol = action.amount.asset.symbol
            text = f"call {at}: this wallet does not move collateral in {symbol} to or from {action.market.id} yet"
            reasons.append(Reason("action", text))
    return tuple(reasons)


def allowed_borrowing(case: Case) -> Reasons:
    """Only the listed markets are borrowed from."""
    reasons = []
    for at, action in market_actions(case):
        if isinstance(action, Borrow) and action.market.id not in case.policy.borrow_markets:
            text = f"call {at} borrows from {action.market.id}, which the policy's borrow_markets do not list"
            reasons.append(Reason("borrow", text))
    return tuple(reasons)


def only_to_treasury(case: Case) -> Reasons:
    """What leaves for good goes to the treasury."""
    reasons = []
    for at, action in enumerate(case.actions):
        if isinstance(action, Transfer) and action.recipient != case.policy.treasury:
            text = f"call {at} sends {written(action.amount)} to {action.recipient}; only the policy's treasury may receive"
            reasons.append(Reason("beneficiary", text))
    return tuple(reasons)


def no_native_value(case: Case) -> Reasons:
    """No known call needs the native coin."""
    return tuple(
        [
            Reason("value", f"call {at} to {call.target} carries {call.value_wei} wei; it must carry none")
            for at, call in enumerate(case.calls)
            if call.value_wei
        ]
    )


def right_length(case: Case) -> Reasons:
    """Something to do, and not too much of it. There may be more to revoke than a plan may do: no limit keeps it standing."""
    if not case.calls:
        return (Reason("plan", "the plan has no calls"),)
    if len(case.calls) > case.policy.max_calls and not only_revokes(case):
        return (Reason("plan", f"the plan has {len(case.calls)} calls; max_calls is {case.policy.max_calls}"),)
    return ()


def fresh(case: Case) -> Reasons:
    """The reading is of now, and the plan is of the reading."""
    reasons = []
    age_seconds, limit_seconds = case.now - case.reading.timestamp, case.policy.max_reading_age_seconds
    if age_seconds > limit_seconds:
        reasons.append(Reason("age", f"the reading is {age_seconds} s old; at most {limit_seconds} s (max_reading_age_seconds)"))
    if age_seconds < -CLOCK_SKEW_SECONDS:
        reasons.append(Reason("age", f"the reading is {-age_seconds} s in the future by the wallet's clock: set one of the two"))
    blocks, limit_blocks = case.reading.block - case.plan_block, case.policy.max_plan_age_blocks
    if blocks > limit_blocks:
        reasons.append(
            Reason("age", f"the plan assumes a block {blocks} blocks ago; at most {limit_blocks} (max_plan_age_blocks)")
        )
    if blocks < 0:
        text = f"the plan assumes block {case.plan_block}; the wallet has seen only {case.reading.block}"
        reasons.append(Reason("age", text))
    return tuple(reasons)


def priced(case: Case) -> Reasons:
    """What leaves or is borrowed has a fresh price. Unpriced is refused, never worth zero."""
    reasons = []
    for asset in dict.fromkeys([amount.asset for _, amount in spends(case)]):
        if price_usd_e8(case, asset) is None:
            limit = case.policy.max_price_age_seconds
            reasons.append(Reason("price", f"{asset.symbol} has no price of the last {limit} s (max_price_age_seconds)"))
    return tuple(reasons)


def within_transaction_cap(case: Case) -> Reasons:
    """No single action spends more than the cap."""
    limit = case.policy.max_transaction_usd
    return tuple(
        [
            Reason("cap-transaction", f"call {at} spends {usd(worth)}; max_transaction_usd is {limit:,}")
            for at, amount in spends(case)
            if (worth := value_usd_e8(case, amount)) > limit * USD_E8
        ]
    )


def within_day_cap(case: Case) -> Reasons:
    """The last 24 hours and this plan together stay under the cap."""
    spend, limit = spend_usd_e8(case), case.policy.max_day_usd
    if spend and case.spent_day_usd_e8 + spend > limit * USD_E8:
        left = max(limit * USD_E8 - case.spent_day_usd_e8, 0)
        return (
            Reason("cap-day", f"the plan spends {usd(spend)}; of max_day_usd {limit:,} there is {usd(left)} left in these 24 h"),
        )
    return ()


def within_market_cap(case: Case) -> Reasons:
    """No market that is supplied to holds more than the cap afterwards. Withdrawing is never blocked."""
    reasons, limit = [], case.policy.max_market_usd
    supplied = {action.market.id: action.market for _, action in market_actions(case) if isinstance(action, Supply)}
    for market in supplied.values():
        before_raw, after_raw = _supplied_raw(case, market)
        worth = value_usd_e8(case, Amount(market.asset, after_raw)) if after_raw > before_raw else 0
        if worth > limit * USD_E8:
            reasons.append(Reason("cap-market", f"{market.id} would hold {usd(worth)}; max_market_usd is {limit:,}"))
    return tuple(reasons)


def affordable(case: Case) -> Reasons:
    """Fees and gas limits stay under their caps."""
    if case.fees is None:
        return ()
    fees, policy, reasons = case.fees, case.policy, []
    if fees.max_fee_wei > policy.max_fee_gwei * GWEI:
        text = f"the fee cap is {fees.max_fee_wei / GWEI:,.3f} gwei; max_fee_gwei is {policy.max_fee_gwei}"
        reasons.append(Reason("gas", text))
    if fees.max_priority_fee_wei > policy.max_priority_fee_gwei * GWEI:
        text = f"the tip is {fees.max_priority_fee_wei / GWEI:,.3f} gwei; max_priority_fee_gwei is {policy.max_priority_fee_gwei}"
        reasons.append(Reason("gas", text))
    if len(fees.gas_limits) != len(case.calls):
        reasons.append(Reason("gas", f"{len(case.calls)} calls have {len(fees.gas_limits)} gas limits"))
    for at, limit in enumerate(fees.gas_limits):
        if limit > policy.max_gas_per_transaction:
            text = f"call {at} may burn {limit:,} gas; max_gas_per_transaction is {policy.max_gas_per_transaction:,}"
            reasons.append(Reason("gas", text))
    return tuple(reasons)


def within_gas_budget(case: Case) -> Reasons:
    """The worst this plan can burn fits into the day's gas budget."""
    if case.fees is None or only_revokes(case):
        return ()
    limit = case.policy.max_day_gas_usd
    burn = gas_usd_e8(case)
    if burn is None:
        return (Reason("gas", "the native coin has no fresh price, so the day's gas cannot be counted"),)
    if case.gas_day_usd_e8 + burn > limit * USD_E8:
        left = max(limit * USD_E8 - case.gas_day_usd_e8, 0)
        return (Reason("gas", f"gas may cost {usd(burn)}; of max_day_gas_usd {limit:,} there is {usd(left)} left in these 24 h"),)
    return ()


def reserve_kept(case: Case) -> Reasons:
    """Enough of the native coin stays for the way out, which may use it up: revocations, and whatever reduce-only lets pass."""
    cost_wei = gas_wei(case)
    if cost_wei == 0:
        return ()
    ether = native_of(case)
    held_wei = case.portfolio.idle_raw(ether) if ether is not None else 0
    reserve_wei = 0 if only_revokes(case) or case.reduced else case.policy.min_native_reserve_wei
    if held_wei - cost_wei < reserve_wei:
        costs = f"gas may cost {cost_wei / WAD:,.6f} of the {held_wei / WAD:,.6f} native coins held"
        text = f"{costs}; {reserve_wei / WAD:,.6f} must stay (min_native_reserve_wei)"
        return (Reason("gas", text),)
    return ()


def modelled(case: Case) -> Reasons:
    """The protocol models know what the calls do."""
    if case.expected is None:
        return (Reason("effects", f"the protocol models refuse the plan: {case.expected_error or 'nothing was modelled'}"),)
    return ()


def simulated(case: Case) -> Reasons:
    """No simulation, no signature; and it is of the block that was read."""
    if case.effects is None or case.effects_error:
        return (Reason("simulation", f"not simulated: {case.effects_error or 'no effects'}"),)
    reasons = [Reason("effects", f"the simulation shows what no model expects: {what}") for what in case.effects.unexpected]
    if case.effects.block != case.reading.block:
        text = f"the simulation stands on block {case.effects.block}, the reading on {case.reading.block}; read again"
        reasons.append(Reason("simulation", text))
    ahead_seconds = case.effects.timestamp - case.reading.timestamp
    if not 0 <= ahead_seconds <= case.policy.max_reading_age_seconds:
        text = f"the simulation is of {ahead_seconds} s after the reading; at most {case.policy.max_reading_age_seconds} s"
        reasons.append(Reason("simulation", text))
    return tuple(reasons)


def as_intended(case: Case) -> Reasons:
    """What leaves, and every share and debt, equals the intent; what arrives may lack the named rounding bound, no more."""
    if case.expected is None or case.effects is None:
        return ()
    bounds, reasons = _arrival_bounds(case), []
    meant, found = _by_name(case.expected), _by_name(case.effects)
    for unit, symbol in sorted(meant.keys() | found.keys()):
        want_raw, is_raw = meant.get((unit, symbol), 0), found.get((unit, symbol), 0)
        if not want_raw - bounds.get(unit, 0) <= is_raw <= want_raw:
            text = f"{symbol} ({unit}) would change by {is_raw} base units; the plan means {want_raw}"
            reasons.append(Reason("effects", text))
    return tuple(reasons)


def usd(usd_e8: int) -> str:
    """Dollars as a person reads them."""
    return f"{usd_e8 / USD_E8:,.2f} USD"


def _supplied_raw(case: Case, market: Market) -> tuple[int, int]:
    """What is supplied to a market before and after the plan, by what its actions say. A debt there lessens nothing of it."""
    supplied = replace(case.portfolio.position(market), debt_raw=0)
    before_raw = after_raw = adapter_of(market).value_raw(state_of(case, market), supplied)
    for _, action in market_actions(case):
        if action.market.id == market.id and isinstance(action, Supply | Withdraw):
            moved_raw = _worth_raw(case, market, action.amount, after_raw)
            after_raw += moved_raw if isinstance(action, Supply) else -moved_raw
    return before_raw, after_raw


def _worth_raw(case: Case, market: Market, amount: Amount | Shares | Entire, entire_raw: int) -> int:
    """What an action names, in the market's asset."""
    match amount:
        case Amount(raw=raw):
            return raw
        case Shares(raw=shares_raw):
            return adapter_of(market).value_raw(state_of(case, market), Position(market, shares_raw))
        case Entire():
            return entire_raw


def _arrival_bounds(case: Case) -> Mapping[Address, int]:
    """How much less than modelled may arrive of each token."""
    bounds: dict[Address, int] = {}
    for _, action in market_actions(case):
        if isinstance(action, Withdraw | Borrow):
            token = action.market.asset.address
            bounds[token] = bounds.get(token, 0) + adapter_of(action.market).arrival_bound_raw
    return bounds


def _by_name(effects: Effects) -> Mapping[tuple[Address, str], int]:
    return {(change.unit, change.symbol): change.delta_raw for change in effects.changes}


CHECKS: Final[tuple[Check, ...]] = (
    not_paused,
    right_chain,
    readable,
    canonical,
    allowed_markets,
    traded,
    allowed_borrowing,
    exact_approvals,
    no_allowance_left,
    only_to_treasury,
    no_native_value,
    right_length,
    fresh,
    priced,
    within_transaction_cap,
    within_day_cap,
    within_market_cap,
    healthy,
    affordable,
    within_gas_budget,
    reserve_kept,
    modelled,
    simulated,
    as_intended,
)
