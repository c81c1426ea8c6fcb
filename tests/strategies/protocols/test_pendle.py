"""Reading a Pendle market and what its principal token is worth; every refusal by name."""

import math
from collections.abc import Mapping
from dataclasses import replace

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st

from strategies.domain import Amount, Asset, Market, Position, Shares, Supply, Swap
from strategies.errors import ActionRefused, IncompleteRead, UnknownCall, UnsupportedState
from strategies.protocols.adapter import Call
from strategies.protocols.pendle import Pendle, PendleMarket, pt_price_wad
from strategies.protocols.pendle.arithmetic import Pool, buy_pt, exchange_rate_wad, exp_wad, ln_wad, sell_pt, trade
from strategies.units import SECONDS_PER_YEAR, WAD, mul_div_down

ADAPTER = Pendle()
ACCOUNT = "0x" + "ac" * 20
DAY = 86_400
NOW = 1_700_000_000
EXPIRY = NOW + 180 * DAY
SY, PT, YT = ("0x" + byte * 20 for byte in ("51", "91", "41"))
USDE = Asset(31_337, "0x" + "de" * 20, "USDe", 18)
MARKET = Market(
    *("pendle:USDe", "pendle", "0x" + "9e" * 20, USDE),
    contracts=(("pt", PT), ("sy", SY), ("yt", YT)),
    numbers=(("expiry", EXPIRY),),
)
POOL = Pool(
    total_pt_raw=10**24,
    total_sy_raw=8 * 10**23,
    scalar_root_wad=40 * WAD,
    expiry=EXPIRY,
    ln_fee_rate_root_wad=10**15,
    reserve_fee_percent=80,
    last_ln_implied_rate_wad=WAD // 10,
)
STATE = PendleMarket(MARKET, NOW, POOL, index_wad=WAD * 12 // 10, sy_rate_wad=WAD * 12 // 10)
HELD = Position(MARKET, 1_000 * WAD)
STRUCT = ("int256", "int256", "int256", "address", "int256", *("uint256",) * 4)


def answers(state: PendleMarket, tokens: tuple[str, str, str] = (SY, PT, YT)) -> list[bytes]:
    pool = state.pool
    said = (pool.total_pt_raw, pool.total_sy_raw, 10**24, ACCOUNT, pool.scalar_root_wad, pool.expiry)
    rates = (pool.ln_fee_rate_root_wad, pool.reserve_fee_percent, pool.last_ln_implied_rate_wad)
    numbers = [number.to_bytes(32, "big") for number in (state.index_wad, state.sy_rate_wad)]
    return [encode(STRUCT, (*said, *rates)), encode(["address"] * 3, tokens), *numbers]


def test_asks_the_market_and_both_values_of_its_wrapped_asset() -> None:
    named = ("readState(address)", "readTokens()", "pyIndexCurrent()", "exchangeRate()")
    calls = ADAPTER.reads(MARKET)
    assert [call.data[:4] for call in calls] == [keccak(text=name)[:4] for name in named]
    assert [call.target for call in calls] == [MARKET.address, MARKET.address, YT, SY]


@pytest.mark.parametrize("missing", ["contracts", "numbers"])
def test_a_market_without_its_roles_is_missed_at_once(missing: str) -> None:
    empty: Mapping[str, tuple[()]] = {missing: ()}
    with pytest.raises(KeyError):
        ADAPTER.reads(replace(MARKET, **empty))  # type: ignore[arg-type]


def test_decodes_what_the_market_answers() -> None:
    assert ADAPTER.decode(MARKET, answers(STATE), NOW) == STATE


@pytest.mark.parametrize("at", range(4))
def test_an_answer_of_another_length_is_refused(at: int) -> None:
    said = answers(STATE)
    for broken in ([*said[:at], said[at][:-1], *said[at + 1 :]], said[:at]):
        with pytest.raises((IncompleteRead, UnsupportedState)):
            ADAPTER.decode(MARKET, broken, NOW)


@pytest.mark.parametrize(
    ("state", "why"),
    [
        (replace(STATE, pool=replace(POOL, expiry=EXPIRY + 1)), "expires"),
        (replace(STATE, pool=replace(POOL, total_pt_raw=0)), "no price"),
        (replace(STATE, pool=replace(POOL, total_sy_raw=0)), "no price"),
        (replace(STATE, pool=replace(POOL, last_ln_implied_rate_wad=10**24)), "no price"),
        (replace(STATE, index_wad=0), "worth nothing"),
        (replace(STATE, sy_rate_wad=0), "worth nothing"),
    ],
)
def test_refuses_a_market_that_is_not_the_pinned_one_or_has_no_price(state: PendleMarket, why: str) -> None:
    with pytest.raises(UnsupportedState, match=why):
        ADAPTER.decode(MARKET, answers(state), NOW)


def test_refuses_a_market_of_other_tokens() -> None:
    with pytest.raises(UnsupportedState, match="tokens"):
        ADAPTER.decode(MARKET, answers(STATE, (SY, YT, PT)), NOW)


def test_an_empty_market_is_still_read_after_its_expiry() -> None:
    ended = replace(STATE, timestamp=EXPIRY, pool=replace(POOL, total_pt_raw=0))
    assert ADAPTER.decode(MARKET, answers(ended), EXPIRY) == ended


def test_reads_the_claim_from_the_principal_token() -> None:
    (call,) = ADAPTER.holding_reads(MARKET, ACCOUNT)
    assert call == Call(PT, keccak(text="balanceOf(address)")[:4] + encode(["address"], [ACCOUNT]))
    assert ADAPTER.holding(MARKET, [HELD.shares_raw.to_bytes(32, "big")]) == HELD
    assert ADAPTER.units(MARKET) == (PT, None)
    assert ADAPTER.everything(HELD) == Shares(HELD.shares_raw)
    with pytest.raises(IncompleteRead):
        ADAPTER.holding(MARKET, [])


def test_a_principal_token_is_discounted_until_expiry_and_then_redeems_one_for_one() -> None:
    half_year = 180 * DAY
    assert pt_price_wad(STATE) == WAD * WAD // exp_wad(WAD // 10 * half_year // SECONDS_PER_YEAR)
    assert pt_price_wad(ADAPTER.accrue(STATE, half_year)) == WAD
    assert ADAPTER.value_raw(ADAPTER.accrue(STATE, 2 * half_year), HELD) == HELD.shares_raw


@given(first=st.integers(0, 10**8), second=st.integers(0, 10**8))
def test_its_price_never_falls_with_time(first: int, second: int) -> None:
    once, twice = ADAPTER.accrue(STATE, first), ADAPTER.accrue(ADAPTER.accrue(STATE, first), second)
    assert twice == ADAPTER.accrue(STATE, first + second)
    assert pt_price_wad(once) <= pt_price_wad(twice) <= WAD


def test_it_is_worth_less_while_the_wrapped_asset_is_short() -> None:
    short = replace(STATE, sy_rate_wad=WAD * 9 // 10)
    assert pt_price_wad(short) == mul_div_down(pt_price_wad(STATE), WAD * 9 // 10, WAD * 12 // 10)


def test_columns_say_the_rate_until_expiry() -> None:
    columns = ADAPTER.columns(STATE)
    assert columns.supply_apr == 0.1
    assert math.isnan(columns.borrow_apr)
    assert (columns.supplied, columns.available) == (1_000_000.0, 960_000.0)
    assert ADAPTER.columns(ADAPTER.accrue(STATE, 180 * DAY)).supply_apr == 0.0


def test_buying_raises_the_price_and_selling_lowers_it() -> None:
    bought, sold = (deal(POOL, STATE.index_wad, 10**21, NOW) for deal in (buy_pt, sell_pt))
    assert bought.after.last_ln_implied_rate_wad < POOL.last_ln_implied_rate_wad < sold.after.last_ln_implied_rate_wad
    assert bought.sy_to_account_raw < 0 < sold.sy_to_account_raw
    assert -bought.sy_to_account_raw > sold.sy_to_account_raw
    assert min(bought.sy_fee_raw - bought.sy_to_reserve_raw, sold.sy_fee_raw - sold.sy_to_reserve_raw) > 0


@given(raw=st.integers(-(10**23), 10**23))
def test_a_trade_conserves_both_tokens(raw: int) -> None:
    done = trade(POOL, STATE.index_wad, raw, NOW)
    assert POOL.total_pt_raw - done.after.total_pt_raw == raw
    assert POOL.total_sy_raw - done.after.total_sy_raw == done.sy_to_account_raw + done.sy_to_reserve_raw


@pytest.mark.parametrize(
    ("deal", "pool", "raw"),
    [
        (buy_pt, POOL, POOL.total_pt_raw),
        (sell_pt, POOL, 10**26),
        (buy_pt, POOL, POOL.total_pt_raw - 1),
        (buy_pt, replace(POOL, expiry=NOW), 1),
        (sell_pt, replace(POOL, scalar_root_wad=0), 1),
    ],
    ids=["all of it", "above the largest proportion", "below a rate of one", "expired", "no scalar"],
)
def test_a_trade_without_a_price_is_refused(deal: object, pool: Pool, raw: int) -> None:
    assert callable(deal)
    with pytest.raises(ActionRefused):
        deal(pool, STATE.index_wad, raw, NOW)


def test_exponent_and_logarithm_are_each_others_inverse_to_their_last_digits() -> None:
    for x in (-5, -1, 1, 2, 40):
        assert abs(ln_wad(exp_wad(x * WAD)) - x * WAD) <= 10 * max(1, int(math.exp(-x)))
    assert exchange_rate_wad(0, 10**9) == WAD


def test_nothing_is_traded_written_or_read_back() -> None:
    amount = Amount(USDE, 10**18)
    for action in (Supply(MARKET, amount), Swap(MARKET, amount, amount, NOW)):
        with pytest.raises(UnsupportedState):
            ADAPTER.apply(STATE, HELD, action)
        with pytest.raises(UnknownCall):
            ADAPTER.encode(action, ACCOUNT)
        with pytest.raises(UnknownCall):
            ADAPTER.gas(action)
        assert ADAPTER.spender(action) == MARKET.address
    assert ADAPTER.parse(Call(MARKET.address, bytes(4)), ACCOUNT, [MARKET]) is None
    assert ADAPTER.price_usd_e8(STATE) is None
    assert ADAPTER.solvency(STATE, HELD).collateral_usd_e8 == 0
