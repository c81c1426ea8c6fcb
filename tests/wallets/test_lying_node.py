"""A node may answer any number. Whatever it says, one market is refused by name, or the read is; nothing else comes out of it."""

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import pytest

from strategies.assess import assess
from strategies.domain import (
    ALL,
    Amount,
    Borrow,
    Deployment,
    Market,
    MarketAction,
    Portfolio,
    Position,
    Repay,
    Shares,
    Supply,
    Withdraw,
)
from strategies.errors import ObservationError, ProtocolError
from strategies.protocols.adapter import Call
from strategies.protocols.registry import MarketState, adapter_of, encode, idle_assets
from strategies.tape import Observation, Reading, tape_of
from tests.evm import Evm
from tests.strategies.protocols import test_curve, test_erc4626, test_pendle, test_sky_savings
from tests.wallets.chain import Chain, policy_for
from wallets import evidence, guard, wire
from wallets import reading as blocks
from wallets.endpoints import Block, Endpoint
from wallets.evidence import Asked
from wallets.feeds import price_reads
from wallets.pause import Held
from wallets.wallet import OWN_FEES, Refused

ACCOUNT: Final = "0x" + "be" * 20
MOST: Final = 2**256 - 1
WORDS: Final = (0, 1, 10**30, 2**64, 2**128, 2**255, MOST)
AGES: Final = (0, 1, 10**9)  # seconds that a state is taken into the future
SIZES: Final = (0, 10**12, MOST)
SINGLES: Final = 36  # of each market's answers, so many words one by one; a Uniswap book has hundreds
SEVERAL: Final = 80  # readings of each market with several words wrong


class Lying(Endpoint):
    """A node that answers what it was told to."""

    def __init__(self, results: Sequence[bytes], timestamp: int) -> None:
        self._said = Block(7, "0x" + "5a" * 32, timestamp, 10**9, tuple(results))

    def read(self, calls: Sequence[Call], multicall: str, block_hash: str | None = None) -> Block:
        assert len(calls) == len(self._said.results)
        return self._said


def alone(market: Market, of: Deployment) -> Deployment:
    return replace(of, markets=(market,))


def questions(deployment: Deployment) -> list[Call]:
    (market,), adapter = deployment.markets, adapter_of(deployment.markets[0])
    balances = [Call(deployment.multicall, b"") for _ in idle_assets(deployment)]
    fed = [call for feed in deployment.feeds.values() for call in price_reads(feed)]
    return [*balances, *adapter.reads(market), *adapter.holding_reads(market, ACCOUNT), *fed]


def on_chain() -> list[tuple[Deployment, list[bytes], int]]:
    """Each kind of market of the local chain, with its true answers."""
    evm, found, kinds = Evm.of_devnet(), [], set()
    for market in evm.deployment.markets:
        deployment = alone(market, evm.deployment)
        asked, owned = questions(deployment), len(idle_assets(deployment))
        if (kind := (market.protocol, len(asked), bool(market.others))) not in kinds:
            kinds.add(kind)
            balances = [(10**18).to_bytes(32, "big")] * owned
            found.append((deployment, [*balances, *evm.ask(asked[owned:])], evm.timestamp))
    return found


def on_paper() -> list[tuple[Deployment, list[bytes], int]]:
    """The markets that the local chain does not have, as their unit tests answer for them."""
    curve, pendle, savings = test_curve.POOL, test_pendle.STATE, test_sky_savings.savings(test_sky_savings.SDAI)
    said: list[tuple[list[bytes], MarketState]] = [(test_erc4626.answers(state), state) for state in test_erc4626.VAULTS]
    said += [
        (test_sky_savings.answers(savings), savings),
        (test_curve.answers(curve), curve),
        (test_pendle.answers(pendle), pendle),
    ]
    found = []
    for answers, state in said:
        deployment = Deployment(
            31_337, "paper", "0x" + "ca" * 20, (state.market.asset, *state.market.others), (state.market,), {}
        )
        held = [(10**18).to_bytes(32, "big")] * (1 + len(idle_assets(deployment)))
        found.append((deployment, [*held[1:], *answers, held[0]], state.timestamp))
    return found


def bent(results: Sequence[bytes], places: Sequence[tuple[int, int]], dice: random.Random) -> list[bytes]:
    """The same answers with other words in those places."""
    said = [bytearray(result) for result in results]
    for at, word in places:
        known = int.from_bytes(said[at][32 * word : 32 * word + 32], "big")
        near = (known + dice.choice((-1, 1))) % 2**256, known * dice.choice((2, 10**9)) % 2**256, known // 2
        said[at][32 * word : 32 * word + 32] = dice.choice((*WORDS, *near, dice.getrandbits(256))).to_bytes(32, "big")
    return [bytes(result) for result in said]


def used(deployment: Deployment, reading: Reading, portfolio: Portfolio) -> None:
    """All that agent and wallet do with what was read; what a market refuses it refuses by name."""
    wire.to_text(reading)
    seen, (market,) = Observation(tape_of(deployment, [reading]), 0, ACCOUNT, portfolio), deployment.markets
    size = Amount(market.asset, 10**10)
    assess(seen, market.asset, size, horizon_seconds=10**6, lookback_seconds=86_400)
    if (state := reading.states[0]) is None:
        assert market.id in dict(reading.refused)
        return
    adapter = adapter_of(market)
    for held in (portfolio.position(market), Position(market, 10**12, 10**9), Position(market, 2**200, 2**200)):
        for seconds in AGES:
            for action in actions(market, held):
                try:
                    adapter.apply(adapter.accrue(state, seconds), held, action)
                except ProtocolError:
                    continue


def actions(market: Market, held: Position) -> list[MarketAction]:
    amounts = [Amount(market.asset, raw) for raw in SIZES]
    shares, debts = Shares(held.shares_raw), Shares(held.debt_raw)
    given = [kind(market, amount) for kind in (Supply, Withdraw, Borrow, Repay) for amount in amounts]
    backing = [kind(market, Amount(asset, 10**6)) for kind in (Supply, Withdraw) for asset in market.others]
    return [*given, *backing, Withdraw(market, ALL), Withdraw(market, shares), Repay(market, ALL), Repay(market, debts)]


def every_reading(results: Sequence[bytes], first: int, dice: random.Random) -> list[list[bytes]]:
    """True answers with one word wrong, for each of the first words and extremes; then with several wrong."""
    places = [(at, word) for at in range(first, len(results)) for word in range(len(results[at]) // 32)]
    found = [list(results)]
    for at, word in places[:SINGLES] + places[-3:]:
        for value in WORDS:
            said = bytearray(results[at])
            said[32 * word : 32 * word + 32] = value.to_bytes(32, "big")
            found.append([*results[:at], bytes(said), *results[at + 1 :]])
    return found + [
        bent(results, dice.sample(places, min(len(places), dice.choice((2, 3, 6, 12)))), dice) for _ in range(SEVERAL)
    ]


@pytest.mark.chain
def test_whatever_a_node_answers_only_refusals_by_name_come_out() -> None:
    dice, whole, named, none = random.Random(7), 0, 0, 0
    for deployment, results, timestamp in (*on_chain(), *on_paper()):
        honest, *lies = every_reading(results, len(idle_assets(deployment)), dice)
        assert not blocks.read(Lying(honest, timestamp), deployment, ACCOUNT)[0].refused
        for said in lies:
            try:
                reading, portfolio = blocks.read(Lying(said, timestamp), deployment, ACCOUNT)
            except (ObservationError, ProtocolError):
                none += 1
                continue
            used(deployment, reading, portfolio)
            whole, named = whole + (reading.states[0] is not None), named + (reading.states[0] is None)
    assert min(whole, named) > 1_000
    assert none > 50


@pytest.mark.chain
def test_a_model_that_breaks_refuses_the_plan_and_does_not_end_the_keeper(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(**_: object) -> None:
        raise ZeroDivisionError("an index of zero")

    monkeypatch.setattr(evidence, "expected_effects", broken)
    chain.fund(ACCOUNT)
    calls = encode(Supply(chain.market("aave-core:USDC"), chain.usdc(1)), ACCOUNT)
    asked = Asked(intent="i", calls=calls, plan_block=None, held=Held("", ""), standing=(), wish=OWN_FEES)
    case = evidence.gather(chain.endpoint(), policy_for(ACCOUNT, chain.deployment), chain.deployment, asked)
    assert (case.expected, case.expected_error) == (None, "an index of zero")
    verdict = guard.judge(case)
    assert isinstance(verdict, Refused)
    assert "effects" in {reason.rule for reason in verdict.reasons}
