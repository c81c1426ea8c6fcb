"""What the declared law leaves open: which assets may be acquired, and who must not be dealt with. Refuses new exposure to denied
assets and to anybody listed, and all new exposure while the list is missing, unreadable or not of now.

What only takes back is let through: withdrawals to the account itself, repayments, revocations, trades out of a denied asset."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from typing import Final, TypeAlias, assert_never

from strategies.domain import (
    NATIVE,
    AddLiquidity,
    Address,
    Approve,
    Asset,
    Borrow,
    Claim,
    ClaimRewards,
    Collect,
    Market,
    RemoveLiquidity,
    Repay,
    Revocation,
    SetCollateral,
    Stake,
    Supply,
    Swap,
    SwapFor,
    Transfer,
    Unstake,
    Unwrap,
    Withdraw,
    Wrap,
)
from wallets.case import CLOCK_SKEW_SECONDS, Case
from wallets.compliance import never_live, why_denied
from wallets.endpoints import LOCAL_CHAIN_ID
from wallets.screening import Unscreened
from wallets.wallet import Reason

Entering: TypeAlias = Supply | Borrow | Swap | SwapFor | AddLiquidity | Stake | Wrap | Transfer
Touched: TypeAlias = dict[Address, str]  # who is touched, and as what

ACCOUNT: Final = "the account itself"
# What takes back, moves nothing in, or is an allowance, which the call after it uses up. Any other kind of action makes exposure.
LEAVING: Final = (
    *(Withdraw, Repay, RemoveLiquidity, Collect, Unstake, Claim, ClaimRewards, Unwrap),
    *(SetCollateral, Approve, Revocation),
)


def compliant(case: Case) -> tuple[Reason, ...]:
    """Nothing is signed for a jurisdiction that leaves only paper, and nothing new goes into an asset that is denied."""
    compliance = case.policy.compliance
    reasons = []
    if case.fees is not None and (why := never_live(compliance)):
        reasons.append(Reason("compliance", why))
    for at, action in _entering(case):
        for asset in dict.fromkeys(_acquired(case, action)):
            if why := why_denied(asset, case.deployment, compliance):
                reasons.append(Reason("compliance", f"call {at} brings in {asset.symbol}: {why}"))
    return tuple(reasons)


def screened(case: Case) -> tuple[Reason, ...]:
    """Nothing goes to anybody on the list, and while there is no list of now nothing new goes anywhere."""
    closed = why_closed(case)
    entering = list(_entering(case))
    reasons = [Reason("screening", f"{closed}; until then only what takes back is signed")] if closed and entering else []
    if isinstance(case.screening, Unscreened):
        return tuple(reasons)
    listed, source = case.screening.addresses, case.screening.source
    touched = [(at, _touched(action) | {case.policy.account: ACCOUNT}) for at, action in entering if _meets(case, action, listed)]
    touched += _others(case, listed)
    return (
        *reasons,
        *[
            Reason("screening", f"call {at} deals with {address} ({role}), whom the screening list names ({source})")
            for at, roles in touched
            for address, role in roles.items()
            if address in listed
        ],
    )


def why_closed(case: Case) -> str:
    """Why the list cannot be relied on now, and what would change it; empty where it can, or where none is needed."""
    path, limit_seconds = case.policy.compliance.screening, case.policy.compliance.max_screening_age_seconds
    if isinstance(case.screening, Unscreened):
        if path is None and (case.policy.chain_id == LOCAL_CHAIN_ID or case.fees is None):
            return ""  # a private chain has nobody else on it, and on paper nothing goes to anybody
        needed = "policy.compliance.screening must name one" if path is None else case.screening.why
        return f"there is no screening list: {needed or 'it was not read'}"
    age_seconds = case.now - case.screening.taken_at
    if age_seconds > limit_seconds:
        taken = datetime.fromtimestamp(case.screening.taken_at, UTC).isoformat()
        return f"the screening list is of {taken}, older than {limit_seconds} s (max_screening_age_seconds): fetch it again"
    if age_seconds < -CLOCK_SKEW_SECONDS:
        return f"the screening list says it is of {-age_seconds} s from now: fetch it again, or set the clock"
    return ""


def _entering(case: Case) -> Iterator[tuple[int, Entering]]:
    """The actions that make new exposure, or send."""
    for at, action in enumerate(case.actions):
        if not (action is None or isinstance(action, LEAVING)):
            yield at, action


def _acquired(case: Case, action: Entering) -> tuple[Asset, ...]:
    """What there is more of afterwards, or for a moment, or what is passed on."""
    match action:
        case Swap(market=market, least_out=amount, via=via):
            return (amount.asset, *_between((market, *via)))
        case SwapFor(amount_out=amount) | Borrow(amount=amount) | Transfer(amount=amount):
            return (amount.asset,)
        case Supply(market=market, amount=amount):
            return (amount.asset, *_shares_of(case, market))
        case AddLiquidity(most=(one, other)):
            return (one.asset, other.asset)
        case Stake(market=market) | Wrap(market=market):
            return (market.asset, *market.others, *_shares_of(case, market))
        case _:
            assert_never(action)


def _between(pools: tuple[Market, ...]) -> tuple[Asset, ...]:
    """What a trade through several pools buys on its way and sells again."""
    tokens = [(pool.asset, *pool.others) for pool in pools]
    return tuple([asset for one, other in pairwise(tokens) for asset in one if asset in other and asset.address != NATIVE])


def _shares_of(case: Case, market: Market) -> tuple[Asset, ...]:
    """The market, and what it lends to, where the deployment knows them as assets of their own."""
    places = {one.address for one in (market, *market.wraps)}
    return tuple([asset for asset in case.deployment.assets if asset.address in places])


def _touched(action: Entering) -> Touched:
    """Everybody an action deals with."""
    match action:
        case Transfer(amount=amount, recipient=recipient):
            return {amount.asset.address: f"the token {amount.asset.symbol}", recipient: "the recipient"}
        case Swap(market=market, via=via):
            return _behind((market, *via))
        case _:
            return _behind((action.market,))


def _meets(case: Case, action: Entering, listed: frozenset[Address]) -> bool:
    """Whether any address behind an action is listed: asked of every plan, so without a word for each."""
    if isinstance(action, Transfer):
        return not listed.isdisjoint((action.amount.asset.address, action.recipient, case.policy.account))
    via = action.via if isinstance(action, Swap) else ()
    markets = [inner for outer in (action.market, *via) for inner in (outer, *outer.wraps)]
    places = [address for market in markets for _, address in market.contracts]
    places += [asset.address for market in markets for asset in (market.asset, *market.others)]
    return not listed.isdisjoint((case.policy.account, *places, *(market.address for market in markets)))


def _behind(markets: tuple[Market, ...]) -> Touched:
    """The contracts of markets, of what they lend to, and of the tokens they deal in."""
    found: dict[Address, str] = {}
    for market in [inner for outer in markets for inner in (outer, *outer.wraps)]:
        found |= {asset.address: f"the token {asset.symbol}" for asset in (market.asset, *market.others)}
        found |= {address: f"{role} of {market.id}" for role, address in market.contracts}
        found[market.address] = f"the market {market.id}"
    return found


def _others(case: Case, listed: frozenset[Address]) -> Iterator[tuple[int, Touched]]:
    """Who else is named: by bytes that nobody could read anybody listed, by an allowance who may take, unless for a debt."""
    following = (*case.actions[1:], None)
    for at, (call, action, then) in enumerate(zip(case.calls, case.actions, following, strict=True)):
        if action is None:
            named = {address: "named in the call" for address in listed if bytes.fromhex(address[2:]) in call.data}
            yield at, named | {call.target: "the target"}
        elif isinstance(action, Approve) and not isinstance(then, Repay):
            yield at, {action.spender: "who may take"}
