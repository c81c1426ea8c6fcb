"""Records as text and back: one record, one text, and nothing else passes."""

import json
import math
from dataclasses import dataclass
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strategies.decide import Decision
from strategies.domain import (
    ALL,
    Action,
    AddLiquidity,
    Amount,
    Approve,
    Assessment,
    Asset,
    Borrow,
    Choice,
    Claim,
    ClaimRewards,
    Collect,
    Deployment,
    Keep,
    Leg,
    Market,
    Payout,
    Plan,
    Portfolio,
    Position,
    Quote,
    Range,
    RemoveLiquidity,
    Repay,
    Request,
    Revoke,
    SetCollateral,
    Shares,
    Stake,
    Supply,
    Swap,
    SwapFor,
    Target,
    Ticks,
    Transfer,
    Unstake,
    Unwrap,
    Withdraw,
    Wrap,
)
from strategies.errors import MalformedRecord
from strategies.protocols.adapter import Call
from strategies.protocols.registry import MarketState
from strategies.revocations import Lockdown, RevokeOperator, RevokePermit, RevokeToken
from strategies.tape import Reading
from strategies.units import WAD
from tests.strategies.protocols.specimens import SPECIMENS, Specimen
from tests.wallets import cases
from wallets import wire
from wallets.ledger import Entry
from wallets.ledger import Leg as Share
from wallets.wallet import (
    Allowance,
    Approved,
    Change,
    Effects,
    Reason,
    Receipt,
    Refused,
    TokenTransfer,
    Transaction,
    Verdict,
    Yes,
)

words = st.text(max_size=12)
wholes = st.integers(-(2**256), 2**256)
addresses = st.binary(min_size=20, max_size=20).map(lambda raw: "0x" + raw.hex())
assets = st.builds(Asset, st.integers(1, 2**31), addresses, words, st.integers(0, 30))
amounts = st.builds(Amount, assets, wholes)
roles = st.lists(st.tuples(words, addresses), max_size=3).map(tuple)
numbers = st.lists(st.tuples(words, wholes), max_size=2).map(tuple)
plain_markets = st.builds(Market, words, words, addresses, assets, roles)
markets = st.builds(
    Market,
    *(words, words, addresses, assets, roles, st.lists(assets, max_size=2).map(tuple), numbers),
    st.lists(plain_markets, max_size=2).map(tuple),
)
pairs = st.tuples(wholes, wholes)
ranges = st.builds(Range, wholes, st.builds(Ticks, st.integers(-(10**6), 0), st.integers(1, 10**6)), pairs, pairs)
requests = st.lists(st.builds(Request, wholes, wholes, wholes, st.booleans()), max_size=2).map(tuple)
positions = st.builds(Position, markets, wholes, wholes, st.lists(amounts, max_size=2).map(tuple), st.none() | ranges, requests)
portfolios = st.builds(Portfolio, st.lists(amounts, max_size=3).map(tuple), st.lists(positions, max_size=3).map(tuple))
some = st.one_of(amounts, st.just(ALL), st.builds(Shares, wholes))
both = st.tuples(amounts, amounts)
ticks = st.builds(Ticks, st.integers(-(10**6), 0), st.integers(1, 10**6))
actions: st.SearchStrategy[Action] = st.one_of(
    st.builds(Supply, markets, amounts),
    st.builds(Withdraw, markets, some),
    st.builds(Borrow, markets, amounts),
    st.builds(Repay, markets, some),
    st.builds(Swap, markets, amounts, amounts, wholes, st.lists(plain_markets, max_size=2).map(tuple), st.sampled_from(Payout)),
    st.builds(SwapFor, markets, amounts, amounts, wholes),
    st.builds(SetCollateral, markets, st.booleans()),
    st.builds(ClaimRewards, markets),
    st.builds(AddLiquidity, markets, ticks | wholes, both, both, wholes),
    st.builds(RemoveLiquidity, markets, wholes, wholes, both, wholes),
    st.builds(Collect, markets, wholes),
    st.one_of([st.builds(kind, markets, amounts) for kind in (Stake, Unstake, Wrap, Unwrap)]),
    st.builds(Claim, markets, wholes),
    st.builds(Approve, amounts, addresses),
    st.builds(Revoke, assets, addresses),
    st.builds(RevokeOperator, addresses, addresses),
    st.builds(RevokeToken, addresses, wholes),
    st.builds(RevokePermit, addresses, assets, addresses),
    st.builds(Lockdown, addresses, st.lists(st.tuples(assets, addresses), max_size=3).map(tuple)),
    st.builds(Transfer, amounts, addresses),
)
plans = st.builds(Plan, st.lists(actions, max_size=4).map(tuple), wholes, words)
legs = st.builds(Leg, st.none() | markets, st.just(WAD))
targets = st.builds(Target, assets, st.tuples(legs), words)
decisions = st.builds(
    Decision, st.builds(Choice, words, words, words), targets | st.builds(Keep, words), st.none() | plans, words
)
calls = st.builds(Call, addresses, st.binary(max_size=80), wholes)
effects = st.builds(
    Effects,
    st.lists(st.builds(Change, addresses, words, wholes), max_size=3).map(tuple),
    st.lists(st.builds(Allowance, addresses, addresses, wholes), max_size=3).map(tuple),
    st.lists(wholes, max_size=3).map(tuple),
    wholes,
    wholes,
    st.lists(words, max_size=2).map(tuple),
)
verdicts: st.SearchStrategy[Verdict] = st.one_of(
    st.builds(Approved, words, st.lists(calls, max_size=3).map(tuple), effects, words, wholes, wholes, wholes),
    st.builds(Refused, words, st.lists(st.builds(Reason, words, words), max_size=3).map(tuple)),
)
receipts = st.builds(
    Receipt,
    words,
    st.lists(st.builds(Transaction, words, wholes, wholes, wholes, wholes, st.booleans()), max_size=3).map(tuple),
    st.lists(st.builds(TokenTransfer, assets, addresses, addresses, wholes), max_size=3).map(tuple),
    st.booleans(),
    words,
)
deployments = st.builds(
    Deployment,
    wholes,
    words,
    addresses,
    st.lists(assets, max_size=2).map(tuple),
    st.lists(markets, max_size=2).map(tuple),
    st.dictionaries(addresses, words, max_size=3),
)
rates = st.floats(allow_infinity=False, allow_nan=False)
assessments = st.builds(Assessment, markets, rates, rates, rates, wholes, st.lists(words, max_size=2).map(tuple))


@settings(max_examples=25)
@given(
    st.one_of(
        actions.map(lambda record: (Action, record)),
        plans.map(lambda record: (Plan, record)),
        decisions.map(lambda record: (Decision, record)),
        verdicts.map(lambda record: (Verdict, record)),
        receipts.map(lambda record: (Receipt, record)),
        portfolios.map(lambda record: (Portfolio, record)),
        deployments.map(lambda record: (Deployment, record)),
        assessments.map(lambda record: (Assessment, record)),
        st.builds(Quote, assets, wholes, words, wholes).map(lambda record: (Quote, record)),
        st.builds(Yes, words, words, words).map(lambda record: (Yes, record)),
    )
)
def test_every_record_comes_back_as_it_was(pair: tuple[object, object]) -> None:
    kind, record = pair
    text = wire.to_text(record)
    again: object = wire.from_text(kind, text)  # type: ignore[arg-type]
    assert again == record
    assert wire.to_text(again) == text


def test_a_reading_with_exact_states_comes_back_as_it_was() -> None:
    seen = cases.lending_reading()
    assert wire.from_text(Reading, wire.to_text(seen)) == seen


def test_an_entry_comes_back_balanced() -> None:
    entry = Entry(1, "gas", (Share("fees", cases.usdc(1)), Share("wallet", cases.usdc(-1))))
    assert wire.from_text(Entry, wire.to_text(entry)) == entry


def test_integers_that_json_readers_would_round_are_strings() -> None:
    assert json.loads(wire.to_text(Keep("x"))) == {"is": "Keep", "reason": "x"}
    assert wire.plain(2**53 - 1) == 2**53 - 1
    assert wire.plain(2**53) == str(2**53)
    assert wire.plain(-(2**53)) == str(-(2**53))


def test_nan_is_null_and_an_infinity_is_refused() -> None:
    market = cases.AAVE_USDC
    unknown = Assessment(market, math.nan, 0.5, math.nan, 7, ())
    text = wire.to_text(unknown)
    assert json.loads(text)["supply_apr"] is None
    assert math.isnan(wire.from_text(Assessment, text).supply_apr)
    with pytest.raises(MalformedRecord, match="infinity"):
        wire.to_text(Assessment(market, math.inf, 0.5, 0.5, 7, ()))


def test_text_is_ascii_and_holds_no_line_break() -> None:
    text = wire.to_text(Keep("a\nb\u2028ü\x00"))
    assert text.isascii()
    assert text.isprintable()


CHOICE = '{"is":"Choice","reason":"r","stance":"s","strategy":"t"}'


@pytest.mark.parametrize(
    "text",
    [
        CHOICE[:-1] + ',"zeal":1}',
        '{"is":"Choice","reason":"r","stance":"s"}',
        '{"is":"Choice","reason":"q","reason":"r","stance":"s","strategy":"t"}',
        '{"is":"Keep","reason":"r"}',
        '{"reason":"r","stance":"s","strategy":"t"}',
        CHOICE.replace(":", ": "),
        '{"reason":"r","is":"Choice","stance":"s","strategy":"t"}',
        CHOICE.replace('"r"', "1"),
        CHOICE.replace('"r"', "null"),
        CHOICE + " ",
        "[" + CHOICE + "]",
        "",
        "null",
        "[" * 100_000,
    ],
)
def test_refuses_what_is_not_the_one_text(text: str) -> None:
    assert wire.from_text(Choice, CHOICE) == Choice("t", "s", "r")
    with pytest.raises(MalformedRecord):
        wire.from_text(Choice, text)


@pytest.mark.parametrize(
    "number", ["7.0", "true", '"7"', '"007"', "1e3", "NaN", "9007199254740992", '" 9007199254740993"', '"٩"']
)
def test_refuses_a_number_written_another_way(number: str) -> None:
    with pytest.raises(MalformedRecord):
        wire.from_text(int, number)
    assert wire.from_text(int, '"9007199254740993"') == 9007199254740993


def test_refuses_a_kind_that_was_not_asked_for() -> None:
    supply = wire.to_text(Supply(cases.AAVE_USDC, cases.usdc(1)))
    assert isinstance(wire.from_text(Action, supply), Supply)
    with pytest.raises(MalformedRecord):
        wire.from_text(Verdict, supply)
    with pytest.raises(MalformedRecord):
        wire.from_text(Withdraw, supply)


def test_refuses_a_target_whose_weights_do_not_sum_to_one() -> None:
    text = wire.to_text(Target(cases.USDC, (Leg(None, WAD),), "idle"))
    with pytest.raises(MalformedRecord, match="sum"):
        wire.from_text(Target, text.replace(str(WAD), str(WAD - 1)))


def test_refuses_records_it_has_no_text_for() -> None:
    @dataclass(frozen=True)
    class Odd:
        value: set[int]

    with pytest.raises(MalformedRecord, match="set"):
        wire.to_text(Odd({1}))
    with pytest.raises(MalformedRecord):
        wire.from_text(Odd, '{"is":"Odd","value":[]}')


def test_refuses_types_that_no_text_could_become() -> None:
    @dataclass(frozen=True)
    class Tagged:
        is_: int

    Tagged.__dataclass_fields__["is_"].name = "is"
    with pytest.raises(MalformedRecord, match="field 'is'"):
        wire.to_text(Tagged(1))
    for kind in (int | str, float | None, set[int], object):
        with pytest.raises(MalformedRecord):
            wire.from_text(kind, "1")  # type: ignore[arg-type]
    with pytest.raises(MalformedRecord):
        wire.from_text(Amount | None, "1")
    assert wire.from_text(tuple[int, str], '[1,"a"]') == (1, "a")


@given(st.lists(words))
def test_joined_texts_come_apart_again(texts: list[str]) -> None:
    assert wire.lines(wire.join(texts)) == tuple(texts)


def test_no_two_market_states_share_a_name() -> None:
    names = [kind.__name__ for kind in get_args(MarketState)]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("specimen", SPECIMENS, ids=lambda specimen: str(specimen.name))
def test_every_market_state_comes_back_as_it_was(specimen: Specimen) -> None:
    assert wire.from_text(MarketState, wire.to_text(specimen.state)) == specimen.state
    assert wire.from_text(Position, wire.to_text(specimen.held)) == specimen.held
