"""What one block says of a deployment and an account: every market, claim and balance in one request. Refuses silently nothing:
a market that cannot be read has no state and a reason, and an asset whose oracles disagree has no price.

Anybody can put a claim into an account that its adapter does not read (a range, a place in a queue). Where nothing can be owed
such a market is refused like one that was not read; where something can, the whole read is, because a debt must be known."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from strategies.domain import NATIVE, Address, Amount, Asset, Deployment, Market, Portfolio, Position, Quote
from strategies.errors import IncompleteRead, ObservationError, ProtocolError, UnsupportedState
from strategies.protocols import erc20
from strategies.protocols.adapter import Call
from strategies.protocols.registry import MarketState, adapter_of, idle_assets
from strategies.tape import Reading
from strategies.units import BPS
from wallets.endpoints import Block, Endpoint
from wallets.feeds import SEQUENCER, price_reads, quote_of, sequencer_fault, sequencer_reads

ORACLE_AGREEMENT_BPS: Final = 100  # the oracles of one asset on one chain; further apart, none is believed
MOST_USD_E8: Final = 2**63 - 1  # what a tape can carry; nothing costs 92 billion dollars
ABSURD: Final = (ArithmeticError, LookupError, ValueError)  # what arithmetic raises on numbers that no contract would answer


def read(
    endpoint: Endpoint, deployment: Deployment, account: Address, block_hash: str | None = None
) -> tuple[Reading, Portfolio]:
    """One consistent block, the latest where none is named. Raises IncompleteRead where a balance or a claim is missing,
    UnsupportedState where the account may owe what an adapter does not read: what is held must be known."""
    calls, spans = _questions(deployment, account)
    block = endpoint.read(calls, deployment.multicall, block_hash)
    answers = [block.results[first:last] for first, last in spans]
    assets = idle_assets(deployment)
    balances, rest = answers[: len(assets)], answers[len(assets) :]
    idle = tuple(Amount(asset, _word(answer, asset.symbol)) for asset, answer in zip(assets, balances, strict=True))
    rest, said = rest[: 2 * len(deployment.markets)], rest[2 * len(deployment.markets) :]
    states, held, refused = list[MarketState | None](), list[Position](), list[tuple[str, str]]()
    for market, state_answer, claim_answer in zip(deployment.markets, rest[::2], rest[1::2], strict=True):
        claim = claim_of(market, _whole(claim_answer, market.id))
        try:
            if not isinstance(claim, Position):
                raise claim
            held.append(claim)
            states.append(_state_of(market, _whole(state_answer, market.id), claim, block.timestamp))
        except (ObservationError, ProtocolError) as error:
            states.append(None)
            refused.append((market.id, str(error)))
    quotes, unpriced = _quotes(deployment, states, said, block)
    if deployment.sequencer is not None and (fault := sequencer_fault(deployment.sequencer, said[-1], block.timestamp)):
        refused.append((SEQUENCER, fault))
    reading = Reading(
        block.number, block.hash, block.timestamp, block.base_fee_wei, tuple(states), quotes, tuple(refused) + unpriced
    )
    return reading, Portfolio(idle, tuple(claim for claim in held if not claim.is_empty))


def claim_of(market: Market, answers: Sequence[bytes]) -> Position | UnsupportedState:
    """An account's claim, or, where nothing can be owed, why it is not read. Raises IncompleteRead, UnsupportedState."""
    adapter = adapter_of(market)
    try:
        return adapter.holding(market, answers)
    except UnsupportedState as error:
        if adapter.units(market)[1] is not None:
            raise
        return error
    except ABSURD as error:
        raise IncompleteRead(f"{market.id}: no claim is like the one that was answered: {error!r}") from error


def _state_of(market: Market, answers: Sequence[bytes], held: Position, timestamp: int) -> MarketState:
    """A market's state of which all can be worked out that is asked of every market. Raises ObservationError, ProtocolError."""
    adapter = adapter_of(market)
    try:
        state = adapter.decode(market, answers, timestamp)
        said = adapter.columns(state)
        adapter.value_raw(state, held), adapter.withdrawable_raw(state), adapter.solvency(state, held)
        price = adapter.price_usd_e8(state) or 0
    except ABSURD as error:
        raise UnsupportedState(market_id=market.id, what=f"its numbers make no sense: {error!r}") from error
    floats = said.supply_apr, said.borrow_apr, said.utilisation, said.supplied, said.available
    if any(map(math.isinf, floats)) or price > MOST_USD_E8:
        raise UnsupportedState(market_id=market.id, what="its rates, sizes or price make no sense")
    return state


def _questions(deployment: Deployment, account: Address) -> tuple[list[Call], list[tuple[int, int]]]:
    """All calls of a block and, for each question, where its answers lie: balances, then state and claim of each market, then
    the price feeds, then the sequencer's."""
    questions: list[Sequence[Call]] = [
        (erc20.balance_read(asset, account, deployment.multicall),) for asset in idle_assets(deployment)
    ]
    for market in deployment.markets:
        questions += [adapter_of(market).reads(market), adapter_of(market).holding_reads(market, account)]
    questions += [price_reads(feed) for feed in deployment.feeds.values()]
    questions += [sequencer_reads(deployment.sequencer)] if deployment.sequencer is not None else []
    calls, spans = list[Call](), list[tuple[int, int]]()
    for question in questions:
        spans.append((len(calls), len(calls) + len(question)))
        calls += question
    return calls, spans


def _whole(answers: Sequence[bytes | None], what: str) -> tuple[bytes, ...]:
    """The answers, none missing."""
    found = tuple(answer for answer in answers if answer is not None)
    if len(found) != len(answers):
        raise IncompleteRead(f"{what}: {len(answers) - len(found)} of {len(answers)} calls gave no answer")
    return found


def _word(answers: Sequence[bytes | None], what: str) -> int:
    (answer,) = _whole(answers, what)
    if len(answer) != 32:
        raise IncompleteRead(f"balance of {what}: {len(answer)} bytes instead of 32")
    return int.from_bytes(answer, "big")


def _quotes(
    deployment: Deployment, states: Sequence[MarketState | None], said: Sequence[Sequence[bytes | None]], block: Block
) -> tuple[tuple[Quote, ...], tuple[tuple[str, str], ...]]:
    """One price an asset: its feed's, which the oracles of its markets must confirm; without a feed, theirs. The native coin has
    the price of its wrapped token."""
    told = {
        asset.address: quote_of(asset, feed, answers, block.timestamp)
        for (address, feed), answers in zip(deployment.feeds.items(), said, strict=False)
        for asset in deployment.assets
        if asset.address == address
    }
    oracles = _oracles(deployment, states)
    quotes, refused = list[Quote](), list[tuple[str, str]]()
    for asset in deployment.assets:
        ours = oracles.get(asset, ())
        first = Quote(asset, ours[0][1], f"oracle of {ours[0][0].id}", block.timestamp) if ours else None
        quote = told.get(asset.address, first)
        if isinstance(quote, Quote):
            quote = _disagreement(quote, ours) or quote
        if isinstance(quote, str):
            refused.append((asset.symbol, quote))
        elif quote is not None:
            quotes += [replace(quote, asset=same) for same in _alike(deployment, asset)]
    return tuple(quotes), tuple(refused)


def _oracles(deployment: Deployment, states: Sequence[MarketState | None]) -> Mapping[Asset, Sequence[tuple[Market, int]]]:
    """What the oracles of its markets say of each asset."""
    said: dict[Asset, list[tuple[Market, int]]] = {}
    for market, state in zip(deployment.markets, states, strict=True):
        price = adapter_of(market).price_usd_e8(state) if state is not None else None
        if price:
            said.setdefault(market.asset, []).append((market, price))
    return said


def _disagreement(quote: Quote, oracles: Sequence[tuple[Market, int]]) -> str:
    """Why an asset's witnesses are not believed; empty where they are close together."""
    said = [(quote.usd_e8, quote.source), *[(price, f"oracle of {market.id}") for market, price in oracles]]
    (low, lowest), (high, highest) = min(said), max(said)
    if (high - low) * BPS <= low * ORACLE_AGREEMENT_BPS:
        return ""
    return f"{lowest} says {low} and {highest} says {high} (1e8): more than {ORACLE_AGREEMENT_BPS} bps apart"


def _alike(deployment: Deployment, asset: Asset) -> tuple[Asset, ...]:
    """The asset, and the native coin where the asset is its wrapped token."""
    native = (coin for coin in deployment.assets if coin.address == NATIVE and asset.symbol == f"W{coin.symbol}")
    return (asset, *native)
