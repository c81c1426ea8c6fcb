"""The guard's questions: one function a rule, each of them a case in, every reason out. Refuses nothing by itself: guard.py asks.

A rule says what is wrong and what would change it. What is spent is the dollar value of assets that leave (supplied, transferred)
and of what is borrowed; a rotation's supply counts although its withdrawal came first; withdrawals to ourselves, repayments and
revocations count nothing, and no exposure rule blocks them."""

from collections.abc import Callable, Mapping
from types import NoneType
from typing import Final, TypeAlias

from strategies.domain import (
    NATIVE,
    Action,
    Address,
    Amount,
    Borrow,
    ClaimRewards,
    Lending,
    Market,
    SetCollateral,
    Supply,
    Swap,
    SwapFor,
    Transfer,
    Unwrap,
    Withdraw,
    Wrap,
    written,
)
from strategies.errors import UnknownCall
from strategies.protocols.registry import adapter_of, encode
from strategies.units import USD_E8
from wallets import unreadable
from wallets.approvals import exact_approvals, no_allowance_left
from wallets.case import (
    CLOCK_SKEW_SECONDS,
    Case,
    Fees,
    price_usd_e8,
    spend_usd_e8,
    state_of,
    supplied_raw,
    unpriced,
    usd,
    value_usd_e8,
    worth_raw,
)
from wallets.decimals import denominated
from wallets.exposure import repays_what_is_owed, within_exposure
from wallets.gas import affordable, ordinary_gas, reserve_kept, within_gas_budget
from wallets.health import healthy
from wallets.pace import paced
from wallets.permitted import compliant, screened
from wallets.policy import TESTNETS
from wallets.second import agreed
from wallets.sequencer import sequencer_up
from wallets.stated import as_stated
from wallets.stops import not_paused
from wallets.trading import in_time, least_is_fair, on_peg, prices_agree, within_loss_budget, worth_kept
from wallets.unchanged import unchanged
from wallets.wallet import Effects, Reason

__all__ = ["CHECKS", "Case", "Check", "Fees"]


Reasons: TypeAlias = tuple[Reason, ...]
Check: TypeAlias = Callable[[Case], Reasons]


WEIGHED: Final[Mapping[type[Action], tuple[str, ...]]] = {  # where the rules here know what such an action means
    Swap: ("uniswap_router",),
    SwapFor: ("uniswap_router",),
    Wrap: ("wrapped_native",),
    Unwrap: ("wrapped_native",),
    SetCollateral: ("aave_v3",),
    ClaimRewards: ("aave_v3",),
}


def right_chain(case: Case) -> Reasons:
    """Endpoint, policy and deployment name one chain; live value moves on listed testnets only."""
    if not case.endpoint_chain_id == case.policy.chain_id == case.deployment.chain_id:
        ids = {"endpoint": case.endpoint_chain_id, "policy": case.policy.chain_id, "deployment": case.deployment.chain_id}
        said = ", ".join([f"the {name} says {chain_id}" for name, chain_id in ids.items()])
        return (Reason("chain", f"not one chain: {said}"),)
    if case.fees is not None and case.endpoint_chain_id not in TESTNETS:
        listed = ", ".join([str(chain_id) for chain_id in sorted(TESTNETS)])
        return (Reason("chain", f"live value moves on testnets only ({listed}), not on chain {case.endpoint_chain_id}"),)
    return ()


def readable(case: Case) -> Reasons:
    """Every call was read back, by an adapter, to its last byte."""
    if NoneType not in case.kinds:
        return ()
    return tuple(
        [
            reason
            for at, (call, action) in enumerate(zip(case.calls, case.actions, strict=True))
            if action is None
            for reason in unreadable.reasons(at, call, case.policy.account, case.deployment)
        ]
    )


def canonical(case: Case) -> Reasons:
    """What was read back is written as exactly the same bytes."""
    reasons = []
    for at, (call, action) in enumerate(zip(case.calls, case.actions, strict=True)):
        if action is None:
            continue
        try:
            own = encode(action, case.policy.account)
        except UnknownCall as error:
            reasons.append(Reason("calldata", f"call {at} is nothing that this wallet writes: {error}"))
        else:
            if call not in own:
                text = f"call {at} reads as {type(action).__name__} but is not its canonical bytes; encode it again"
                reasons.append(Reason("calldata", text))
    return tuple(reasons)


def allowed_markets(case: Case) -> Reasons:
    """Only the markets a person listed are touched, each pool of a path too."""
    touched = [(at, market) for at, action in case.touching for market in (action.market, *_further(action))]
    return tuple(
        [
            Reason("target", f"call {at} touches market {market.id}, which the policy's markets do not list")
            for at, market in touched
            if market.id not in case.policy.markets
        ]
    )


def _further(action: Action) -> tuple[Market, ...]:
    """The pools that a trade goes through after its first."""
    return action.via if isinstance(action, Swap) else ()


def traded(case: Case) -> Reasons:
    """What no rule here can weigh yet is not signed: ranges, staking, and collateral in another asset."""
    reasons = []
    for at, action in case.touching:
        if not isinstance(action, Lending) and action.market.protocol not in WEIGHED.get(type(action), ()):
            text = f"call {at}: this wallet does not sign a {type(action).__name__} yet; it lends, borrows, trades and takes back"
            reasons.append(Reason("action", text))
        elif isinstance(action, Supply | Withdraw) and _is_collateral(action):
            text = f"call {at}: this wallet does not move collateral of {action.market.id} yet"
            reasons.append(Reason("action", text))
    return tuple(reasons)


def allowed_borrowing(case: Case) -> Reasons:
    """Only the listed markets are borrowed from."""
    reasons = []
    for at, action in case.touching:
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
    """The native coin goes along only where an action gives exactly it."""
    given = {at: amount.raw for at, amount in case.spending if amount.asset.address == NATIVE}
    return tuple(
        [
            Reason("value", f"call {at} to {call.target} carries {call.value_wei} wei; it must carry {given.get(at, 0)}")
            for at, call in enumerate(case.calls)
            if call.value_wei != given.get(at, 0)
        ]
    )


def right_length(case: Case) -> Reasons:
    """Something to do, and not too much of it. There may be more to revoke than a plan may do: no limit keeps it standing."""
    if not case.calls:
        return (Reason("plan", "the plan has no calls"),)
    if len(case.calls) > case.policy.max_calls and not case.only_revokes:
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
    for asset in dict.fromkeys([amount.asset for _, amount in case.spending]):
        if price_usd_e8(case, asset) is None:
            reasons.append(Reason("price", unpriced(case, asset)))
    return tuple(reasons)


def within_transaction_cap(case: Case) -> Reasons:
    """No single action spends more than the cap."""
    limit = case.policy.max_transaction_usd
    return tuple(
        [
            Reason("cap-transaction", f"call {at} spends {usd(worth)}; max_transaction_usd is {limit:,}")
            for at, amount in case.spending
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
    if Supply not in case.kinds:
        return ()
    reasons, limit = [], case.policy.max_market_usd
    supplied = {action.market.id: action.market for _, action in case.touching if isinstance(action, Supply)}
    for market in supplied.values():
        before_raw, after_raw = _supplied_raw(case, market)
        worth = value_usd_e8(case, Amount(market.asset, after_raw)) if after_raw > before_raw else 0
        if worth > limit * USD_E8:
            reasons.append(Reason("cap-market", f"{market.id} would hold {usd(worth)}; max_market_usd is {limit:,}"))
    return tuple(reasons)


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
    """What leaves, and every share and debt, equals the intent; what arrives may lack the named rounding bound, no more. A trade
    gives at most and gets at least what it says."""
    if case.expected is None or case.effects is None or case.expected.changes == case.effects.changes:
        return ()
    bounds, open_ended, reasons = _arrival_bounds(case), _open_ended(case), []
    meant, found = _by_name(case.expected), _by_name(case.effects)
    for unit, symbol in sorted(meant.keys() | found.keys()):
        want_raw, is_raw = meant.get((unit, symbol), 0), found.get((unit, symbol), 0)
        if not want_raw - bounds.get(unit, 0) <= is_raw <= (max(want_raw, is_raw) if unit in open_ended else want_raw):
            text = f"{symbol} ({unit}) would change by {is_raw} base units; the plan means {want_raw}"
            reasons.append(Reason("effects", text))
    return tuple(reasons)


def _supplied_raw(case: Case, market: Market) -> tuple[int, int]:
    """What is supplied to a market before and after the plan, by what its actions say. A debt there lessens nothing of it."""
    before_raw = after_raw = supplied_raw(state_of(case, market), case.portfolio.position(market))
    for _, action in case.touching:
        if action.market.id == market.id and isinstance(action, Supply | Withdraw):
            moved_raw = worth_raw(case, market, action.amount, after_raw)
            after_raw += moved_raw if isinstance(action, Supply) else -moved_raw
    return before_raw, after_raw


def _arrival_bounds(case: Case) -> Mapping[Address, int]:
    """How much less than modelled may arrive of each token; of the chain's own coin, a rollup's fee for data is missing where the
    simulation takes it."""
    bounds: dict[Address, int] = {NATIVE: sum(case.fees.data_fees_wei or ()) if case.fees is not None else 0}
    for _, action in case.touching:
        if isinstance(action, Withdraw | Borrow):
            token = action.market.asset.address
            bounds[token] = bounds.get(token, 0) + adapter_of(action.market).arrival_bound_raw
    return bounds


def _open_ended(case: Case) -> frozenset[Address]:
    """The tokens of which the account may be left with more than its plan says."""
    found: set[Address] = set()
    for _, action in case.touching:
        match action:
            case Swap(least_out=got):
                found.add(got.asset.address)
            case SwapFor(most_in=given):
                found.add(given.asset.address)
    return frozenset(found)


def _is_collateral(action: Supply | Withdraw) -> bool:
    return isinstance(action.amount, Amount) and action.amount.asset != action.market.asset


def _by_name(effects: Effects) -> Mapping[tuple[Address, str], int]:
    return {(change.unit, change.symbol): change.delta_raw for change in effects.changes}


CHECKS: Final[tuple[Check, ...]] = (
    not_paused,
    right_chain,
    unchanged,
    denominated,
    readable,
    canonical,
    allowed_markets,
    traded,
    allowed_borrowing,
    exact_approvals,
    no_allowance_left,
    only_to_treasury,
    compliant,
    screened,
    no_native_value,
    right_length,
    fresh,
    sequencer_up,
    priced,
    within_transaction_cap,
    within_day_cap,
    within_market_cap,
    healthy,
    within_exposure,
    repays_what_is_owed,
    least_is_fair,
    worth_kept,
    within_loss_budget,
    prices_agree,
    on_peg,
    in_time,
    paced,
    as_stated,
    affordable,
    ordinary_gas,
    within_gas_budget,
    reserve_kept,
    modelled,
    simulated,
    as_intended,
    agreed,
)
