"""What a Uniswap V3 pool does to an account's range, each rule with its twin; the bytes beside eth_abi as the oracle."""

import math
from collections.abc import Mapping
from dataclasses import replace

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st

from strategies.domain import (
    AddLiquidity,
    Amount,
    Approve,
    Collect,
    MarketAction,
    Position,
    RemoveLiquidity,
    Revoke,
    Shares,
    Swap,
    Ticks,
)
from strategies.errors import ActionRefused, InsufficientBalance, ProtocolError, UnknownCall, UnsupportedState
from strategies.protocols import erc20, uniswap_v3
from strategies.protocols.adapter import Function
from strategies.protocols.uniswap_v3.arithmetic import MAX_INT256, MAX_UINT128, Tick, sqrt_price_at_tick_x96, tick_of, with_tick
from strategies.protocols.uniswap_v3.pool import Pool, modify, worth_raw
from strategies.units import MAX_UINT256
from tests.strategies.protocols.cases import ACCOUNT, DAI, STRANGER, USDC
from tests.strategies.protocols.uniswap_v3_case import (
    ADAPTER,
    ALL_THERE_IS,
    AROUND,
    HELD,
    LATER,
    MARKET,
    STATE,
    TOKEN_ID,
    entered,
    pair,
    writes,
)

NOTHING = Position(MARKET, 0)
SWAP = Swap(MARKET, Amount(USDC, 10**9), Amount(DAI, 0), LATER)
MINT = AddLiquidity(MARKET, Ticks(276_000, 276_600), pair(10**9, 10**21), pair(0, 0), LATER)
ADD = replace(MINT, into=TOKEN_ID)
REMOVE = RemoveLiquidity(MARKET, TOKEN_ID, HELD.shares_raw // 3, pair(0, 0), LATER)
COLLECT = Collect(MARKET, TOKEN_ID)
SIGNATURES: Mapping[Function, str] = {
    uniswap_v3.SWAP: "exactInputSingle((address,address,uint24,address,uint256,uint256,uint256,uint160))",
    uniswap_v3.MINT: "mint((address,address,uint24,int24,int24,uint256,uint256,uint256,uint256,address,uint256))",
    uniswap_v3.INCREASE: "increaseLiquidity((uint256,uint256,uint256,uint256,uint256,uint256))",
    uniswap_v3.DECREASE: "decreaseLiquidity((uint256,uint128,uint256,uint256,uint256))",
    uniswap_v3.COLLECT: "collect((uint256,address,uint128,uint128))",
    uniswap_v3.TICKS: "ticks(int24)",
    uniswap_v3.POSITIONS: "positions(bytes32)",
    uniswap_v3.POPULATED_TICKS: "getPopulatedTicksInWord(address,int16)",
    uniswap_v3.TOKEN_POSITIONS: "positions(uint256)",
    uniswap_v3.OWNER_OF: "ownerOf(uint256)",
    uniswap_v3.TOKENS[0]: "token0()",
    uniswap_v3.TOKENS[1]: "token1()",
    uniswap_v3.FEE: "fee()",
    uniswap_v3.TICK_SPACING: "tickSpacing()",
    uniswap_v3.SLOT0: "slot0()",
    uniswap_v3.LIQUIDITY: "liquidity()",
    uniswap_v3.FEE_GROWTHS[0]: "feeGrowthGlobal0X128()",
    uniswap_v3.FEE_GROWTHS[1]: "feeGrowthGlobal1X128()",
    uniswap_v3.PROTOCOL_FEES: "protocolFees()",
}


def refusal(action: MarketAction, held: Position = HELD, state: Pool = STATE) -> str:
    """Why the model refuses an action; nothing where it does not."""
    try:
        ADAPTER.apply(state, held, action)
    except ActionRefused as error:
        return error.why
    return ""


def own_call(action: MarketAction) -> bytes:
    """The calldata of the one call that reads back to an action."""
    (call,) = (call for call in ADAPTER.encode(action, ACCOUNT) if ADAPTER.parse(call, ACCOUNT, (MARKET,)) == action)
    return call.data


def test_every_selector_is_the_digest_of_its_signature() -> None:
    for function, signature in SIGNATURES.items():
        assert function.selector == keccak(text=signature)[:4]


def test_writes_what_eth_abi_writes() -> None:
    ends, amounts = (USDC.address, DAI.address), (10**9, 10**21)
    expected: Mapping[MarketAction, tuple[Function, tuple[object, ...]]] = {
        SWAP: (uniswap_v3.SWAP, (*ends, 3_000, ACCOUNT, LATER, 10**9, 0, 0)),
        MINT: (uniswap_v3.MINT, (*ends, 3_000, 276_000, 276_600, *amounts, 0, 0, ACCOUNT, LATER)),
        replace(MINT, into=Ticks(-60, 60)): (uniswap_v3.MINT, (*ends, 3_000, -60, 60, *amounts, 0, 0, ACCOUNT, LATER)),
        ADD: (uniswap_v3.INCREASE, (TOKEN_ID, *amounts, 0, 0, LATER)),
        REMOVE: (uniswap_v3.DECREASE, (TOKEN_ID, REMOVE.liquidity_raw, 0, 0, LATER)),
        COLLECT: (uniswap_v3.COLLECT, (TOKEN_ID, ACCOUNT, MAX_UINT128, MAX_UINT128)),
    }
    for action, (function, values) in expected.items():
        types = SIGNATURES[function].partition("(")[2][:-1]
        assert own_call(action) == function.selector + encode([types], [values])


def test_adding_approves_both_tokens_and_revokes_what_is_left_and_one_of_nothing_is_left_out() -> None:
    manager = MARKET.contract("position_manager")
    for most in (pair(5, 9), pair(0, 9)):
        given = [amount for amount in most if amount.raw]
        meanings = [erc20.parse(call, (USDC, DAI)) for call in ADAPTER.encode(replace(MINT, most=most), ACCOUNT)]
        approved, revoked = [Approve(amount, manager) for amount in given], [Revoke(amount.asset, manager) for amount in given]
        assert meanings == [*approved, None, *revoked]


def test_a_swap_approves_the_router_exactly_and_a_removal_is_collected_to_the_account() -> None:
    approval, _ = ADAPTER.encode(SWAP, ACCOUNT)
    assert erc20.parse(approval, (USDC,)) == Approve(SWAP.amount_in, MARKET.contract("router"))
    _, collection = ADAPTER.encode(REMOVE, ACCOUNT)
    assert ADAPTER.parse(collection, ACCOUNT, (MARKET,)) == COLLECT
    assert ADAPTER.parse(collection, STRANGER, (MARKET,)) is None


@pytest.mark.parametrize(
    ("function", "at", "value"),
    [
        *((uniswap_v3.SWAP, at, 1) for at in (0, 1, 2, 3, 7)),  # tokens, fee, recipient, price limit
        (uniswap_v3.SWAP, 5, 0),  # nothing in
        (uniswap_v3.SWAP, 5, MAX_INT256 + 1),
        *((uniswap_v3.MINT, at, 1) for at in (0, 1, 2, 9)),
        (uniswap_v3.MINT, 7, 10**9 + 1),  # at least more than at most
        (uniswap_v3.MINT, 3, 276_600),  # no width
        (uniswap_v3.INCREASE, 0, 0),
        (uniswap_v3.INCREASE, 4, 10**21 + 1),
        (uniswap_v3.INCREASE, 1, MAX_UINT256),  # an approval without end
        (uniswap_v3.DECREASE, 1, 0),
        (uniswap_v3.COLLECT, 1, 1),
        (uniswap_v3.COLLECT, 2, MAX_UINT128 - 1),  # not all
    ],
)
def test_another_word_in_its_place_reads_to_nothing(function: Function, at: int, value: int) -> None:
    actions: tuple[MarketAction, ...] = (SWAP, MINT, ADD, REMOVE, COLLECT)
    calls = [call for action in actions for call in ADAPTER.encode(action, ACCOUNT)]
    call = next(call for call in calls if call.data[:4] == function.selector)
    start = 4 + 32 * at
    changed = call.data[:start] + value.to_bytes(32, "big") + call.data[start + 32 :]
    assert ADAPTER.parse(replace(call, data=changed), ACCOUNT, (MARKET,)) is None


def test_a_token_id_means_nothing_where_several_pools_share_the_manager_and_none_pins_it() -> None:
    other = replace(MARKET, id="other", numbers=(("fee_pips", 500), ("tick_spacing", 10)))
    pinned = replace(MARKET, numbers=(*MARKET.numbers, ("token_id", TOKEN_ID)))
    for action in (ADD, REMOVE, COLLECT):
        (call,) = (call for call in ADAPTER.encode(action, ACCOUNT) if call.data == own_call(action))
        assert ADAPTER.parse(call, ACCOUNT, (MARKET, other)) is None
        assert ADAPTER.parse(call, ACCOUNT, (other, pinned)) == replace(action, market=pinned)


@pytest.mark.parametrize(
    "action",
    [
        replace(SWAP, amount_in=Amount(DAI, 1)),  # DAI for DAI
        replace(SWAP, least_out=Amount(DAI, -1)),
        replace(SWAP, deadline=-1),
        replace(MINT, most=pair(1, 1)[::-1]),
        replace(MINT, most=pair(0, 0)),
        replace(MINT, least=pair(10**9 + 1, 0)),
        replace(MINT, into=Ticks(60, 60)),
        replace(MINT, into=Ticks(-(2**23) - 1, 60)),
        replace(MINT, into=0),
        replace(REMOVE, token_id=0),
        replace(REMOVE, liquidity_raw=2**128),
        replace(COLLECT, token_id=0),
    ],
)
def test_what_cannot_be_meant_is_not_written(action: MarketAction) -> None:
    with pytest.raises(UnknownCall):
        ADAPTER.encode(action, ACCOUNT)


@pytest.mark.parametrize("action", [SWAP, ADD, REMOVE])
def test_a_deadline_holds_until_it_has_passed(action: Swap | AddLiquidity | RemoveLiquidity) -> None:
    assert refusal(action, state=replace(STATE, timestamp=LATER)) == ""
    assert refusal(action, state=replace(STATE, timestamp=LATER + 1)) == "Transaction too old"


def test_gets_at_least_what_was_asked_for_or_is_refused() -> None:
    out_raw = ADAPTER.apply(STATE, HELD, SWAP).moved_raw(DAI)
    assert refusal(replace(SWAP, least_out=Amount(DAI, out_raw))) == ""
    assert refusal(replace(SWAP, least_out=Amount(DAI, out_raw + 1))) == "Too little received"
    added = ADAPTER.apply(STATE, HELD, ADD)
    paid0_raw, paid1_raw = -added.moved_raw(USDC), -added.moved_raw(DAI)
    assert refusal(replace(ADD, least=pair(paid0_raw, paid1_raw))) == ""
    assert refusal(replace(ADD, least=pair(paid0_raw + 1, paid1_raw))) == "Price slippage check"


def test_removes_at_least_what_was_asked_for_without_counting_fees_or_is_refused() -> None:
    gone, fees = ADAPTER.apply(STATE, HELD, REMOVE), ADAPTER.apply(STATE, HELD, COLLECT)
    assert gone.held.range is not None
    assert gone.moved == ()
    out0_raw = gone.held.range.owed_raw[0] - fees.moved_raw(USDC)
    out1_raw = gone.held.range.owed_raw[1] - fees.moved_raw(DAI)
    assert refusal(replace(REMOVE, least=pair(out0_raw, out1_raw))) == ""
    assert refusal(replace(REMOVE, least=pair(out0_raw, out1_raw + 1))) == "Price slippage check"


def test_takes_out_all_that_it_has_and_no_more() -> None:
    everything = ADAPTER.everything(HELD)
    assert everything == Shares(HELD.shares_raw)
    gone = ADAPTER.apply(STATE, HELD, replace(REMOVE, liquidity_raw=HELD.shares_raw))
    assert gone.state.book.ticks == (ALL_THERE_IS.lower, ALL_THERE_IS.upper)
    with pytest.raises(InsufficientBalance):
        ADAPTER.apply(STATE, HELD, replace(REMOVE, liquidity_raw=HELD.shares_raw + 1))
    with pytest.raises(InsufficientBalance):
        ADAPTER.apply(STATE, HELD, replace(REMOVE, liquidity_raw=0))


def test_collecting_pays_fees_once_and_what_was_removed() -> None:
    gone = ADAPTER.apply(STATE, HELD, REMOVE)
    paid = ADAPTER.apply(gone.state, gone.held, COLLECT)
    assert gone.held.range is not None
    assert tuple(amount.raw for amount in paid.moved) == gone.held.range.owed_raw
    assert ADAPTER.apply(paid.state, paid.held, COLLECT).moved == ()


def test_the_pool_pays_no_more_than_it_keeps_for_the_manager() -> None:
    ours = next(claim for claim in STATE.claims if claim.ticks == AROUND)
    poor = replace(ours, fee_growth_inside_last_x128=STATE.fee_growth_global_x128, owed_raw=(3, 0))
    claims = tuple(poor if claim.ticks == AROUND else claim for claim in STATE.claims)
    rich = ADAPTER.apply(STATE, HELD, COLLECT)
    paid = ADAPTER.apply(replace(STATE, claims=claims), HELD, COLLECT)
    assert paid.moved_raw(USDC) < rich.moved_raw(USDC)
    assert paid.held == rich.held


def test_a_range_that_is_not_the_account_s_is_not_touched() -> None:
    for action in (replace(ADD, into=8), replace(REMOVE, token_id=8), Collect(MARKET, 8)):
        assert refusal(action) == "Not approved"
        assert refusal(action, NOTHING) == "Not approved"


def test_a_second_range_is_refused_by_name_and_the_first_is_not() -> None:
    with pytest.raises(UnsupportedState, match="a second range"):
        ADAPTER.apply(STATE, HELD, MINT)
    assert ADAPTER.apply(STATE, NOTHING, MINT).held.range is not None


@pytest.mark.parametrize(
    ("into", "why"),
    [
        (Ticks(276_000, 276_000), "a range of no width"),
        (Ticks(276_600, 276_000), "TLU"),
        (Ticks(-887_280, 276_000), "T"),
        (Ticks(276_001, 276_600), "a bound is no multiple of 60"),
    ],
)
def test_bounds_that_the_contracts_refuse(into: Ticks, why: str) -> None:
    assert refusal(replace(MINT, into=into), NOTHING) == why
    assert refusal(MINT, NOTHING) == ""


@pytest.mark.parametrize(("bound", "counts"), [(-60, True), (0, True), (60, False)])
def test_a_new_bound_counts_all_growth_as_below_it_where_the_price_is_not_below(bound: int, counts: bool) -> None:
    state = replace(STATE, tick=276_300, sqrt_price_x96=sqrt_price_at_tick_x96(276_300))
    done = modify(state, Ticks(276_300 + bound, 277_020), 10**9)
    known = tick_of(done.pool.book, 276_300 + bound)
    assert known is not None
    assert known.fee_growth_outside_x128 == (STATE.fee_growth_global_x128 if counts else (0, 0))


def test_no_tick_takes_more_than_its_share_of_all_liquidity() -> None:
    assert refusal(replace(MINT, most=pair(10**26, 10**38)), NOTHING) == ""
    assert refusal(replace(MINT, most=pair(10**27, 10**39)), NOTHING) == "LO"
    assert "no uint128" in refusal(replace(MINT, most=pair(10**60, 10**60)), NOTHING)


def test_a_swap_of_nothing_or_of_no_int256_is_refused() -> None:
    assert refusal(replace(SWAP, amount_in=Amount(USDC, 0))) == "AS"
    assert refusal(replace(SWAP, amount_in=Amount(USDC, MAX_INT256 + 1))) == "the amount is no int256"
    assert refusal(replace(SWAP, amount_in=Amount(USDC, 1))) == ""


def test_an_action_of_another_market_or_other_tokens_is_refused() -> None:
    strange = replace(MARKET, id="another")
    for action in writes(strange, 10**9):
        assert "not asked for this market" in refusal(action)
    assert "not asked for this market" in refusal(replace(SWAP, least_out=Amount(USDC, 0)))


def test_what_was_not_read_is_refused_by_name_where_it_is_needed_and_only_there() -> None:
    blind = with_tick(STATE.book, AROUND.lower, replace(STATE.book.known[1], fee_growth_outside_x128=None))
    state = replace(STATE, book=blind)
    assert isinstance(blind.known[1], Tick)
    for action in (ADD, REMOVE, COLLECT):
        with pytest.raises(UnsupportedState, match=f"outside tick {AROUND.lower}"):
            ADAPTER.apply(state, HELD, action)
        with pytest.raises(UnsupportedState, match="keeps for the position manager"):
            ADAPTER.apply(replace(STATE, claims=()), HELD, action)
    assert refusal(SWAP, state=state) == ""
    assert refusal(MINT, NOTHING, replace(STATE, claims=())) == ""  # one of its bounds is new: nobody has anything there
    with pytest.raises(UnsupportedState):
        ADAPTER.value_raw(state, HELD)


def test_is_worth_what_removing_all_and_collecting_brings_in_either_token() -> None:
    gone = ADAPTER.apply(STATE, HELD, replace(REMOVE, liquidity_raw=HELD.shares_raw))
    paid = ADAPTER.apply(gone.state, gone.held, COLLECT)
    usdc_raw, dai_raw = paid.moved_raw(USDC), paid.moved_raw(DAI)
    assert worth_raw(STATE, HELD) == (usdc_raw, dai_raw)
    assert ADAPTER.value_raw(STATE, HELD) == usdc_raw + (dai_raw << 192) // STATE.sqrt_price_x96**2
    turned = replace(STATE, market=replace(MARKET, asset=DAI, others=(USDC,)))
    assert ADAPTER.value_raw(turned, HELD) == dai_raw + (usdc_raw * STATE.sqrt_price_x96**2 >> 192)
    assert ADAPTER.value_raw(STATE, NOTHING) == 0
    assert ADAPTER.value_raw(paid.state, paid.held) == 0


def test_shows_what_is_there_and_promises_no_rate() -> None:
    columns = ADAPTER.columns(STATE)
    assert math.isnan(columns.supply_apr)
    assert math.isnan(columns.borrow_apr)
    assert columns.utilisation == 0.0
    assert columns.available == columns.supplied == ADAPTER.withdrawable_raw(STATE) / 10**6 == STATE.balances_raw[0] / 10**6
    assert ADAPTER.price_usd_e8(STATE) is None
    solvency = ADAPTER.solvency(STATE, HELD)
    assert (solvency.collateral_usd_e8, solvency.debt_usd_e8) == (0, 0)
    assert ADAPTER.units(MARKET) == (MARKET.contract("position_manager"), None)
    assert ADAPTER.spender(SWAP) == MARKET.contract("router")
    assert {ADAPTER.spender(action) for action in (MINT, ADD, REMOVE, COLLECT)} == {MARKET.contract("position_manager")}


@given(raw=st.integers(1, 10**13), sell=st.booleans(), kept=st.sampled_from([0, 4, 5, 10]))
def test_a_swap_conserves_tokens_and_lowers_no_value_of_the_liquidity(raw: int, sell: bool, kept: int) -> None:
    amount_in, least = (Amount(USDC, raw), Amount(DAI, 0)) if sell else (Amount(DAI, raw * 10**12), Amount(USDC, 0))
    state = replace(STATE, fee_protocol=kept | kept << 4)
    done = ADAPTER.apply(state, HELD, Swap(MARKET, amount_in, least, LATER))
    for at, token in enumerate((USDC, DAI)):
        assert done.state.balances_raw[at] - state.balances_raw[at] == -done.moved_raw(token)
        assert done.state.protocol_fees_raw[at] >= state.protocol_fees_raw[at]
    back = Swap(MARKET, Amount(least.asset, max(done.moved_raw(least.asset), 1)), Amount(amount_in.asset, 0), LATER)
    returned = ADAPTER.apply(done.state, HELD, back) if done.moved_raw(least.asset) else done
    assert done.moved_raw(amount_in.asset) + returned.moved_raw(amount_in.asset) <= 0  # nobody gains by going and coming back


@given(whole=st.integers(1, 10**7), lower=st.integers(-200, 200), width=st.integers(1, 400))
def test_adding_and_taking_out_at_once_never_gains_and_loses_two_units_at_most(whole: int, lower: int, width: int) -> None:
    ticks = Ticks((4_605 + lower) * 60, (4_605 + lower + width) * 60)
    try:
        state, held = entered(STATE, NOTHING, ticks, whole)
    except ProtocolError:
        return  # a range that others have, of which nothing was read
    paid = [before - after for before, after in zip(STATE.balances_raw, state.balances_raw, strict=True)]
    gone = ADAPTER.apply(state, held, RemoveLiquidity(MARKET, 0, held.shares_raw, pair(0, 0), LATER))
    done = ADAPTER.apply(gone.state, gone.held, Collect(MARKET, 0))
    for at, token in enumerate((USDC, DAI)):
        assert -2 <= paid[at] + done.moved_raw(token) <= 0
    assert done.state.book == STATE.book
