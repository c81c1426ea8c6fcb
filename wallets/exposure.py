"""How much of what the account has depends on one protocol, asset or issuer after a plan, in dollars and in parts of everything.
Refuses what a plan makes larger than the policy allows, and a supply that goes as a repayment; what was too large before and is
not made larger is left alone.

Look-through: what lies in a vault counts in full for every protocol it lends to. An asset counts with its other forms where the
deployment says what it is a form of. What has no price counts nothing towards everything, so each other part of it is larger."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final, TypeAlias

from strategies.domain import NATIVE, Amount, Asset, Market, Position, Repay, written
from strategies.protocols.registry import adapter_of
from strategies.units import BPS, USD_E8, mul_div_up
from strategies.unwind import GROWTH_SECONDS
from wallets.case import Case, World, price_usd_e8, state_in, supplied_raw, usd
from wallets.policy import Policy
from wallets.steps import worlds
from wallets.wallet import Reason

Key: TypeAlias = tuple[str, str]  # a kind and a name
Books: TypeAlias = Mapping[Key, int]  # USD with 8 decimals, rounded up

EVERYTHING: Final = ("everything", "")
MOST_USD: Final[Mapping[str, Callable[[Policy], int]]] = {
    "protocol": lambda policy: policy.max_protocol_usd,
    "issuer": lambda policy: policy.max_issuer_usd,
}
MOST_BPS: Final[Mapping[str, Callable[[Policy], int]]] = {
    "protocol": lambda policy: policy.concentration.max_protocol_bps,
    "asset": lambda policy: policy.concentration.max_asset_bps,
    "issuer": lambda policy: policy.concentration.max_issuer_bps,
}


def within_exposure(case: Case) -> tuple[Reason, ...]:
    """No plan makes more depend on one protocol or issuer than the dollars, or on one protocol, asset or issuer than the part."""
    if case.after is None or case.only_reduces:
        return ()
    after = _books(case, case.after)
    if not _is_beyond(case.policy, after):
        return ()
    before = _books(case, (case.reading.states, case.portfolio))
    grown = [(key, worth) for key, worth in sorted(after.items()) if key != EVERYTHING and worth > before.get(key, 0)]
    return (
        *[reason for key, worth in grown for reason in _too_many_dollars(case, key, worth)],
        *[reason for key, _ in grown for reason in _too_large_part(case, key, before, after)],
    )


def _is_beyond(policy: Policy, after: Books) -> bool:
    """Whether anything is above a limit, however it came to be so: asked of every plan, so without a word for each."""
    most_e8 = {kind: limit(policy) * USD_E8 for kind, limit in MOST_USD.items()}
    most_bps = {kind: limit(policy) * after[EVERYTHING] for kind, limit in MOST_BPS.items()}
    return any(
        worth * BPS > most_bps[kind] or (kind in most_e8 and worth > most_e8[kind])
        for (kind, _), worth in after.items()
        if kind in most_bps
    )


def repays_what_is_owed(case: Case) -> tuple[Reason, ...]:
    """Where more is paid back than is owed and the market takes the rest as a supply, no limit would count it. What a debt may
    grow by until it is paid is no such rest."""
    if case.after is None or Repay not in case.kinds:
        return ()
    reasons = []
    for at, (action, before, after) in enumerate(worlds(case)):
        if isinstance(action, Repay) and (rest_raw := _rest_raw(case, action.market, before, after)) > 0:
            rest = written(Amount(action.market.asset, rest_raw))
            text = f"call {at} repays {rest} more than {action.market.id} is owed, and that would be supplied there"
            reasons.append(Reason("plan", f"{text}; repay what is owed, and supply the rest as a supply"))
    return tuple(reasons)


def _rest_raw(case: Case, market: Market, before: World, after: World) -> int:
    """What a repayment adds to what is supplied, less what the debt may grow by meanwhile. Raises IncompleteRead."""
    state, held, adapter = state_in(case, before, market), before[1].position(market), adapter_of(market)
    debt = Position(market, 0, held.debt_raw)
    had_raw, has_raw = supplied_raw(state, held), supplied_raw(state_in(case, after, market), after[1].position(market))
    growth_raw = adapter.value_raw(state, debt) - adapter.value_raw(adapter.accrue(state, GROWTH_SECONDS), debt)
    return has_raw - had_raw - growth_raw


def _too_many_dollars(case: Case, key: Key, worth: int) -> Iterator[Reason]:
    kind, name = key
    if kind in MOST_USD and worth > (limit := MOST_USD[kind](case.policy)) * USD_E8:
        yield Reason(f"cap-{kind}", f"{kind} {name} would hold {usd(worth)}; max_{kind}_usd is {limit:,}")


def _too_large_part(case: Case, key: Key, before: Books, after: Books) -> Iterator[Reason]:
    kind, name = key
    limit, worth, everything = MOST_BPS[kind](case.policy), after[key], after[EVERYTHING]
    was_smaller = before.get(key, 0) * everything < worth * before[EVERYTHING]
    if worth * BPS > everything * limit and (was_smaller or before[EVERYTHING] <= 0):
        part = f"{100 * worth / everything:,.2f} %" if everything > 0 else "more than all"
        text = f"{part} of everything would depend on {kind} {name}; concentration.max_{kind}_bps is {limit:,}"
        yield Reason("concentration", text)


def _books(case: Case, world: World) -> Books:
    """What depends on what, and everything together less what is owed. Raises IncompleteRead where a claim's market is unread."""
    _, portfolio = world
    worth: dict[Key, int] = {EVERYTHING: 0}
    for amount in portfolio.idle:
        if amount.raw:
            _count(worth, _of_asset(case, amount.asset), _usd(case, amount.asset, amount.raw))
    for held in portfolio.positions:
        market, state = held.market, state_in(case, world, held.market)
        supplied = supplied_raw(state, held)
        _count(worth, (*_of_asset(case, market.asset), *_of_market(case, market)), _usd(case, market.asset, supplied))
        if held.debt_raw:
            owed = supplied - adapter_of(market).value_raw(state, held)
            worth[EVERYTHING] -= _usd(case, market.asset, owed)
        for amount in held.collateral:
            _count(worth, (*_of_asset(case, amount.asset), *_of_market(case, market)), _usd(case, amount.asset, amount.raw))
    return worth


def _count(worth: dict[Key, int], keys: tuple[Key, ...], value: int) -> None:
    worth[EVERYTHING] += value
    for key in set(keys):
        worth[key] = worth.get(key, 0) + value


def _of_asset(case: Case, asset: Asset) -> tuple[Key, ...]:
    itself = f"W{asset.symbol}" if asset.address == NATIVE else asset.symbol  # the coin and its wrapped token are one
    family = case.deployment.families.get(asset.address, itself)
    return ("asset", family), ("issuer", case.deployment.issuers.get(asset.address, family))


def _of_market(case: Case, market: Market) -> tuple[Key, ...]:
    """Its protocol and those it lends to, and who answers for it where the deployment names one."""
    protocols = [("protocol", one.protocol) for one in (market, *market.wraps)]
    issuer = case.deployment.issuers.get(market.address)
    return (*protocols, ("issuer", issuer)) if issuer is not None else tuple(protocols)


def _usd(case: Case, asset: Asset, raw: int) -> int:
    """What an amount is worth; nothing where it has no price."""
    return mul_div_up(raw, price_usd_e8(case, asset) or 0, 10**asset.decimals)
