"""What is asked of a pool and how the answers are read; eth_abi writes the answers."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_abi.packed import encode_packed
from eth_utils.crypto import keccak

from strategies.domain import Asset, Position, Range, Ticks
from strategies.errors import IncompleteRead, UnsupportedState
from strategies.protocols.erc20 import BALANCE_OF
from strategies.protocols.uniswap_v3 import EMPTY, HEAD_WORDS, POPULATED_TICKS, POSITIONS, TICKS
from strategies.protocols.uniswap_v3.arithmetic import words_of_book
from strategies.protocols.uniswap_v3.pool import Pool
from tests.strategies.protocols.cases import ACCOUNT, DAI, STRANGER, USDC
from tests.strategies.protocols.uniswap_v3_case import ADAPTER, AROUND, HELD, MARKET, STATE, TOKEN_ID

SLOT0 = ["uint160", "int24", "uint16", "uint16", "uint16", "uint8", "bool"]
TICK = ["uint128", "int128", "uint256", "uint256", "int56", "uint160", "uint32", "bool"]
CLAIM = ["uint128", "uint256", "uint256", "uint128", "uint128"]
RANGE = [
    "uint96",
    "address",
    "address",
    "address",
    "uint24",
    "int24",
    "int24",
    "uint128",
    "uint256",
    "uint256",
    "uint128",
    "uint128",
]


def head(**changed: Any) -> list[bytes]:
    """The pool's getters and its balances, as they answer."""
    said = {
        "token0": encode(["address"], [USDC.address]),
        "token1": encode(["address"], [DAI.address]),
        "fee": encode(["uint24"], [3_000]),
        "spacing": encode(["int24"], [60]),
        "slot0": encode(SLOT0, [STATE.sqrt_price_x96, STATE.tick, 0, 1, 1, STATE.fee_protocol, True]),
        "liquidity": encode(["uint128"], [STATE.liquidity_raw]),
        "growth0": encode(["uint256"], [STATE.fee_growth_global_x128[0]]),
        "growth1": encode(["uint256"], [STATE.fee_growth_global_x128[1]]),
        "fees": encode(["uint128", "uint128"], STATE.protocol_fees_raw),
        "balance0": encode(["uint256"], [STATE.balances_raw[0]]),
        "balance1": encode(["uint256"], [STATE.balances_raw[1]]),
    }
    return list((said | changed).values())


def book(state: Pool = STATE) -> list[bytes]:
    """TickLens' answer to every word: the last tick first."""
    answers = []
    for word in words_of_book(60):
        there = [(at, known) for at, known in zip(state.book.ticks, state.book.known, strict=True) if at // 60 >> 8 == word]
        ticks = [(at, known.liquidity_net_raw, known.liquidity_gross_raw) for at, known in reversed(there)]
        answers.append(encode(["(int24,int128,uint128)[]"], [ticks]))
    return answers


def bounds(ticks: Ticks = AROUND, state: Pool = STATE) -> list[bytes]:
    """What the pool keeps of a range's bounds and for the position manager."""
    known = dict(zip(state.book.ticks, state.book.known, strict=True))
    answers = []
    for at in (ticks.lower, ticks.upper):
        tick = known[at]
        assert tick.fee_growth_outside_x128 is not None
        numbers = (tick.liquidity_gross_raw, tick.liquidity_net_raw, *tick.fee_growth_outside_x128)
        answers.append(encode(TICK, [*numbers, 0, 0, 0, True]))
    claim = next(claim for claim in state.claims if claim.ticks == ticks)
    return [*answers, encode(CLAIM, [claim.liquidity_raw, *claim.fee_growth_inside_last_x128, *claim.owed_raw])]


def decoded(results: Sequence[bytes]) -> Pool:
    return ADAPTER.decode(MARKET, results, STATE.timestamp)


def test_asks_the_pool_its_tokens_and_every_word_of_its_book() -> None:
    calls = ADAPTER.reads(MARKET)
    assert len(calls) == len(HEAD_WORDS) + 116
    assert [call.data for call in calls[9:11]] == [BALANCE_OF.encode(MARKET.address)] * 2
    words = [POPULATED_TICKS.decode(call.data)[1] for call in calls[11:]]
    assert (words[0], words[-1], len(set(words))) == (-58, 57, 116)
    assert calls[11].data == POPULATED_TICKS.selector + encode(["address", "int16"], [MARKET.address, -58])
    assert {call.target for call in calls[11:]} == {MARKET.contract("tick_lens")}


def test_reads_the_whole_state_but_what_no_lens_shows() -> None:
    blind = tuple(replace(known, fee_growth_outside_x128=None) for known in STATE.book.known)
    assert decoded([*head(), *book()]) == replace(STATE, book=replace(STATE.book, known=blind), claims=())


def test_reads_the_fees_of_a_range_besides() -> None:
    state = decoded([*head(), *book()])
    for claim in STATE.claims:
        state = ADAPTER.with_bounds(state, claim.ticks, bounds(claim.ticks))
    assert state == STATE


def test_asks_for_both_bounds_and_for_the_manager_s_claim() -> None:
    lower, upper, claim = ADAPTER.bounds_reads(MARKET, AROUND)
    assert [TICKS.decode(call.data)[0] for call in (lower, upper)] == [AROUND.lower, AROUND.upper]
    owner = MARKET.contract("position_manager")
    key = keccak(encode_packed(["address", "int24", "int24"], [owner, AROUND.lower, AROUND.upper]))
    assert POSITIONS.decode(claim.data)[0] == int.from_bytes(key, "big")
    (below, *_) = ADAPTER.bounds_reads(MARKET, Ticks(-120, 60))
    assert below.data == TICKS.selector + encode(["int24"], [-120])


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"token0": encode(["address"], [STRANGER])}, "not the pinned tokens"),
        ({"token1": encode(["address"], [STRANGER])}, "not the pinned tokens"),
        ({"fee": encode(["uint24"], [500])}, "not the pinned tokens"),
        ({"spacing": encode(["int24"], [10])}, "not the pinned tokens"),
        ({"slot0": encode(SLOT0, [0, 0, 0, 0, 0, 0, False])}, "not initialised"),
        ({"slot0": encode(SLOT0, [STATE.sqrt_price_x96, STATE.tick, 0, 1, 1, 0, False])}, "in the middle of a call"),
    ],
)
def test_a_pool_that_is_not_the_pinned_one_or_not_open_is_refused(changed: dict[str, bytes], why: str) -> None:
    with pytest.raises(UnsupportedState, match=why):
        decoded([*head(**changed), *book()])


def test_a_spacing_whose_book_fits_no_read_is_refused_and_ten_is_not() -> None:
    assert len(ADAPTER.reads(replace(MARKET, numbers=(("fee_pips", 500), ("tick_spacing", 10))))) == len(HEAD_WORDS) + 694
    with pytest.raises(UnsupportedState, match="a tick spacing of 1"):
        ADAPTER.reads(replace(MARKET, numbers=(("fee_pips", 100), ("tick_spacing", 1))))


def test_a_cut_answer_or_a_book_that_does_not_add_up_is_incomplete() -> None:
    whole = [*head(), *book()]
    assert decoded(whole).market == MARKET
    for at in range(len(HEAD_WORDS)):
        with pytest.raises(IncompleteRead):
            decoded([*whole[:at], whole[at][:-1], *whole[at + 1 :]])
    with pytest.raises(IncompleteRead, match="answers"):
        decoded(whole[:-1])
    at = next(at for at, answer in enumerate(whole) if at >= len(HEAD_WORDS) and answer != EMPTY)
    with pytest.raises(IncompleteRead, match="adds up to"):
        decoded([*whole[:at], EMPTY, *whole[at + 1 :]])
    with pytest.raises(IncompleteRead, match="bytes where"):
        decoded([*whole[:at], whole[at][:-32], *whole[at + 1 :]])


def test_bounds_of_another_moment_are_incomplete() -> None:
    lower, upper, claim = bounds()
    moved = encode(TICK, [1, 1, 0, 0, 0, 0, 0, True])
    for results in (
        [lower, upper],
        [moved, upper, claim],
        [lower, moved, claim],
        [lower, upper, claim[:-1]],
        [lower[:-1], upper, claim],
    ):
        with pytest.raises(IncompleteRead):
            ADAPTER.with_bounds(STATE, AROUND, results)
    assert ADAPTER.with_bounds(STATE, AROUND, [lower, upper, claim]) == STATE


def test_an_account_without_a_range_has_nothing_and_one_with_some_must_say_which() -> None:
    (call,) = ADAPTER.holding_reads(MARKET, ACCOUNT)
    assert (call.target, call.data) == (MARKET.contract("position_manager"), BALANCE_OF.encode(ACCOUNT))
    assert ADAPTER.holding(MARKET, [bytes(32)]) == Position(MARKET, 0)
    with pytest.raises(UnsupportedState, match="2 ranges"):
        ADAPTER.holding(MARKET, [(2).to_bytes(32, "big")])
    for results in ([], [b""], [bytes(31)], [bytes(32), bytes(32)]):
        with pytest.raises(IncompleteRead):
            ADAPTER.holding(MARKET, results)


def ranged(owner: str = ACCOUNT, tokens: tuple[Asset, Asset] = (USDC, DAI), fee_pips: int = 3_000) -> list[bytes]:
    found = HELD.range
    assert found is not None
    ends = (tokens[0].address, tokens[1].address, fee_pips, found.ticks.lower, found.ticks.upper)
    numbers = (HELD.shares_raw, *found.fee_growth_inside_last_x128, *found.owed_raw)
    return [encode(["address"], [owner]), encode(RANGE, [0, "0x" + "00" * 20, *ends, *numbers])]


def read_range(results: Sequence[bytes]) -> Position:
    return ADAPTER.range_of(MARKET, results, account=ACCOUNT, token_id=TOKEN_ID)


def test_reads_a_range_by_its_token_id_and_refuses_another_s_or_another_pool_s() -> None:
    assert [call.data[4:] for call in ADAPTER.range_reads(MARKET, TOKEN_ID)] == [TOKEN_ID.to_bytes(32, "big")] * 2
    assert read_range(ranged()) == HELD
    for results, why in (
        (ranged(owner=STRANGER), "not the account's"),
        (ranged(tokens=(DAI, USDC)), "another pool"),
        (ranged(fee_pips=500), "another pool"),
    ):
        with pytest.raises(UnsupportedState, match=why):
            read_range(results)
    for results in (ranged()[:1], [ranged()[0], ranged()[1][:-32]]):
        with pytest.raises(IncompleteRead):
            read_range(results)


def test_reads_ticks_below_zero() -> None:
    owner, found = ranged()
    negative = found[: 32 * 5] + encode(["int24", "int24"], [-120, -60]) + found[32 * 7 :]
    position = read_range([owner, negative])
    assert isinstance(position.range, Range)
    assert position.range.ticks == Ticks(-120, -60)
