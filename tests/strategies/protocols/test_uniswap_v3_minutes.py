"""Twelve positions of another engine (zelos-demeter 1.3.0) on minute bars of a real pool: our value, its value, and the reasons.

Both start with 10,000 USDC, half of it swapped at the first bar's open, put everything into one range and never touch it. Bars
do not tell single swaps, so both must assume the same: within a minute the price goes straight from close to close, the fees come
evenly over its ticks, and the liquidity is that of the close. What is left between the two is then this, and each is held below:

1. Rounding. The contract keeps whole units, always in the pool's favour; the peer keeps fractions. We give away less than one
   unit each when we pay in, take out and collect, and in each minute less than our share of one unit of fee.
2. The peer's last price. It values at the close before the last, though it counts the last minute's fees. The contract's value
   is at the last close.
3. The peer's first swap moves no price. The contract's gives 1 / (1 + in x sqrt(price) / liquidity) of it.
4. The range's edges. A bar whose lowest and highest ticks are on both sides of a bound may have earned anything from nothing to
   all; the straight way that both engines take is one guess in between.
5. Own liquidity. The data's description says that the peer leaves it out of the pool's; its numbers say that it does not."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal, localcontext
from functools import cache
from typing import Any

import pytest

from strategies.domain import AddLiquidity, Amount, Asset, Market, Position, Ticks
from strategies.protocols.adapter import Applied
from strategies.protocols.uniswap_v3 import UniswapV3
from strategies.protocols.uniswap_v3.arithmetic import Book, grown_x128, sqrt_price_at_tick_x96, with_crossed
from strategies.protocols.uniswap_v3.pool import Pool, fee_growth_inside_x128, limit_x96, swap, worth_raw
from tests.strategies.protocols.real_history import folder, table

NAME = "uniswap-v3-minute"
USDC, WETH = Asset(137, "0x" + "27" * 20, "USDC", 6), Asset(137, "0x" + "7c" * 20, "WETH", 18)
NUMBERS = (("fee_pips", 500), ("tick_spacing", 10))
MARKET = Market("polygon:USDC/WETH-500", "uniswap_v3", "0x" + "45" * 20, USDC, others=(WETH,), numbers=NUMBERS)
ADAPTER = UniswapV3()
PIPS = 1_000_000
SPANS = (("2023-08-13", "2023-08-17"), ("2022-07-19", "2022-08-22"), ("2024-02-15", "2024-02-16"), ("2025-07-01", "2025-07-02"))
EACH = pytest.mark.parametrize("span", SPANS, ids=lambda span: str(span[0]))
WIDTH = pytest.mark.parametrize("width", [500, 2_000, 20_000])


@dataclass(frozen=True, slots=True)
class Bar:
    """One minute."""

    open: int
    close: int
    lowest: int
    highest: int
    in_raw: tuple[int, int]
    liquidity_raw: int


@cache
def bars(first: str, last: str) -> tuple[Bar, ...]:
    """All minutes of the days; one without a row repeats the last without swaps, and before the first row there is the first."""
    found: dict[str, Bar] = {}
    day, end = date.fromisoformat(first), date.fromisoformat(last) + timedelta(days=1)
    while day < end:
        (path,) = folder(NAME).glob(f"*{day.isoformat()}*.csv.gz")
        found |= {row["timestamp"]: bar_of(row) for row in table(path)}
        day += timedelta(days=1)
    minute, stop = datetime.fromisoformat(first), datetime.combine(end, datetime.min.time())
    known, before = next(iter(found.values())), list[Bar]()
    while minute < stop:
        name = minute.isoformat(sep=" ")
        quiet = known if not before else replace(known, in_raw=(0, 0))
        known = found.get(name, quiet)
        before.append(known)
        minute += timedelta(minutes=1)
    return tuple(before)


def bar_of(row: Mapping[str, str]) -> Bar:
    """A row; one file writes its ticks with a decimal point."""
    start, close, lowest, highest = (int(Decimal(row[f"{name}Tick"])) for name in ("open", "close", "lowest", "highest"))
    return Bar(start, close, lowest, highest, (int(row["inAmount0"]), int(row["inAmount1"])), int(row["currentLiquidity"]))


@dataclass(frozen=True, slots=True)
class Peer:
    """What the other engine said of one position; amounts are in base units, with their fractions."""

    lower: int
    upper: int
    liquidity_raw: int
    entered: tuple[Decimal, Decimal]  # after its first swap
    paid: tuple[Decimal, Decimal]
    fees: tuple[Decimal, Decimal]
    net: Decimal


def peer(span: tuple[str, str], width: int) -> Peer:
    said: Any = json.loads((folder(NAME) / "peer_results_zelos_demeter_1.3.0.json").read_text())
    result = said[f"{span[0]}..{span[1]} half_width_ticks={width}"]
    entered, position, fees = result["after_rebalance"], result["position"], result["uncollected_fees"]
    with localcontext(prec=60):
        return Peer(
            lower=position["lower_tick"],
            upper=position["upper_tick"],
            liquidity_raw=int(position["liquidity"]),
            entered=(Decimal(entered["USDC"]) * 10**6, Decimal(entered["ETH"]) * 10**18),
            paid=(Decimal(position["quote_used"]) * 10**6, Decimal(position["base_used"]) * 10**18),
            fees=(Decimal(fees["token0_usdc"]) * 10**6, Decimal(fees["token1_eth"]) * 10**18),
            net=Decimal(result["final_net_value_usdc"]) * 10**6,
        )


def opened(bar: Bar) -> Pool:
    """The pool at the first bar's open, with nobody's ticks in its book but those that will be ours."""
    return Pool(
        market=MARKET,
        timestamp=0,
        fee_pips=500,
        sqrt_price_x96=sqrt_price_at_tick_x96(bar.open),
        tick=bar.open,
        fee_protocol=0,
        liquidity_raw=bar.liquidity_raw,
        fee_growth_global_x128=(0, 0),
        protocol_fees_raw=(0, 0),
        balances_raw=(10**30, 10**30),
        book=Book(10, (), ()),
    )


def entered(said: Peer, bar: Bar) -> Applied[Pool]:
    """Everything into one range, by the position manager's own arithmetic."""
    most = Amount(USDC, int(said.entered[0])), Amount(WETH, int(said.entered[1]))
    least = Amount(USDC, 0), Amount(WETH, 0)
    action = AddLiquidity(MARKET, Ticks(said.lower, said.upper), most, least, deadline=0)
    return ADAPTER.apply(opened(bar), Position(MARKET, 0), action)


def passed(state: Pool, bar: Bar, mine_raw: int) -> Pool:
    """One minute: straight from close to close, growth to whoever is in range on the way."""
    start, low_high = state.tick, state.book.ticks
    up = bar.close >= start
    between = [tick for tick in low_high if (start < tick <= bar.close if up else bar.close < tick <= start)]
    growths, at = state.fee_growth_global_x128, start
    for tick in (*sorted(between, reverse=not up), None):
        end = bar.close if tick is None else tick
        inside = low_high[0] <= (at if up else end) and (at if up else end) < low_high[1]
        liquidity_raw = bar.liquidity_raw + (mine_raw if inside else 0)
        part, whole = (abs(end - at), abs(bar.close - start)) if bar.close != start else (1, 1)
        fees_raw = [raw * 500 * part // (PIPS * whole) for raw in bar.in_raw]
        growths = grown_x128(growths[0], fees_raw[0], liquidity_raw), grown_x128(growths[1], fees_raw[1], liquidity_raw)
        if tick is not None:
            state = replace(state, book=with_crossed(state.book, [(low_high.index(tick), growths)]))
        at = end
    return replace(state, tick=bar.close, fee_growth_global_x128=growths)


def run(span: tuple[str, str], width: int, own: int = 1) -> tuple[Peer, Applied[Pool], Pool]:
    """The peer's word, our entry, and the pool after the last minute; `own` 0 leaves our liquidity out of the pool's."""
    said, rows = peer(span, width), bars(*span)
    done = entered(said, rows[0])
    state = replace(done.state, tick=rows[0].close)
    for bar in rows:
        state = passed(state, bar, own * done.held.shares_raw)
    return said, done, state


def settled(state: Pool, held: Position) -> Position:
    """The same range as if its fees had just been collected."""
    assert held.range is not None
    return replace(held, range=replace(held.range, fee_growth_inside_last_x128=fee_growth_inside_x128(state, held.range.ticks)))


def fees_raw(state: Pool, held: Position) -> tuple[int, int]:
    """What the range has earned of both tokens."""
    (with0_raw, with1_raw), (bare0_raw, bare1_raw) = worth_raw(state, held), worth_raw(state, settled(state, held))
    return with0_raw - bare0_raw, with1_raw - bare1_raw


def net_raw(said: Peer, done: Applied[Pool], state: Pool, tick: int) -> int:
    """All that is ours in USDC, at a tick's price: the range, its fees and what was not put in."""
    priced = replace(state, tick=tick, sqrt_price_x96=sqrt_price_at_tick_x96(tick))
    parts = (
        worth_raw(priced, settled(priced, done.held)),
        fees_raw(state, done.held),
        (int(said.entered[0]) + done.moved_raw(USDC), int(said.entered[1]) + done.moved_raw(WETH)),
    )
    usdc_raw, weth_raw = (sum(column) for column in zip(*parts, strict=True))
    return usdc_raw + (weth_raw << 192) // priced.sqrt_price_x96**2


def share(span: tuple[str, str], mine_raw: int) -> Decimal:
    """Our share of the pool, added up over all minutes: what a lost unit a minute may cost us."""
    return sum((Decimal(mine_raw) / (bar.liquidity_raw + mine_raw) for bar in bars(*span)), Decimal(0))


@EACH
@WIDTH
def test_buys_the_same_liquidity_and_pays_less_than_a_unit_more(span: tuple[str, str], width: int) -> None:
    said = peer(span, width)
    done = entered(said, bars(*span)[0])
    assert done.held.shares_raw == said.liquidity_raw
    for token, paid in zip((USDC, WETH), said.paid, strict=True):
        assert 0 <= -done.moved_raw(token) - paid < 1


@EACH
@WIDTH
def test_earns_the_same_fees_but_for_the_units_that_rounding_keeps(span: tuple[str, str], width: int) -> None:
    said, done, state = run(span, width)
    bound = 1 + share(span, done.held.shares_raw)
    for ours, theirs in zip(fees_raw(state, done.held), said.fees, strict=True):
        assert 0 <= theirs - ours + Decimal("1e-6") < bound  # the peer's own thirty-five digits end there


@EACH
@WIDTH
def test_is_worth_the_same_at_the_close_before_the_last_and_not_at_the_last(span: tuple[str, str], width: int) -> None:
    said, done, state = run(span, width)
    *_, before, last = bars(*span)
    then_raw, now_raw = (net_raw(said, done, state, bar.close) for bar in (before, last))
    # A unit of USDC each: swapped, paid in, taken out, collected, valued; of WETH the same in wei, together far below one more.
    assert 0 < said.net - then_raw < 6 + share(span, done.held.shares_raw)
    assert (then_raw == now_raw) is (before.close == last.close)
    assert (now_raw < then_raw) is (last.close > before.close)  # more WETH for a USDC: WETH has fallen


@EACH
@WIDTH
def test_the_peer_counts_its_own_liquidity_in_the_pool_whatever_its_description_says(span: tuple[str, str], width: int) -> None:
    said, done, state = run(span, width, own=0)
    shares = [Decimal(done.held.shares_raw) / bar.liquidity_raw for bar in bars(*span)]
    for ours, theirs in zip(fees_raw(state, done.held), said.fees, strict=True):
        assert 1 + min(shares) < ours / theirs < 1 + max(shares)


@EACH
@WIDTH
def test_what_the_bars_leave_open_at_the_edges_holds_both_engines(span: tuple[str, str], width: int) -> None:
    said = peer(span, width)
    rows, mine_raw = bars(*span), said.liquidity_raw
    least, most = [Decimal(0), Decimal(0)], [Decimal(0), Decimal(0)]
    for before, bar in zip((rows[0], *rows), rows, strict=False):
        lowest, highest = min(bar.lowest, before.close), max(bar.highest, before.close)
        for at, raw in enumerate(bar.in_raw):
            fee = Decimal(raw * 500 * mine_raw) / (PIPS * (bar.liquidity_raw + mine_raw))
            least[at] += fee if said.lower <= lowest and highest < said.upper else 0
            most[at] += fee if highest >= said.lower and lowest < said.upper else 0
    for at, theirs in enumerate(said.fees):
        assert least[at] - 1 <= theirs <= most[at] + 1
    if width == 20_000:  # the price never came near these bounds, so nothing is open
        assert least == most


@EACH
def test_a_first_swap_that_moves_the_price_gets_less_by_what_it_moves(span: tuple[str, str]) -> None:
    state, said = opened(bars(*span)[0]), peer(span, 500)
    given_raw = 10_000 * 10**6 - int(said.entered[0])
    got_raw = -swap(state, 0, given_raw, limit_x96(0)).amounts_raw[1]
    net = Decimal(given_raw) * (PIPS - 500) / PIPS
    moved = 1 / (1 + net * state.sqrt_price_x96 / 2**96 / state.liquidity_raw)
    with localcontext(prec=60):
        expected = net * (Decimal(state.sqrt_price_x96) / 2**96) ** 2 * moved
    # The fee keeps up to a unit of USDC, and the pool two of its own: at most what three units buy.
    assert 0 <= expected - got_raw < 3 * Decimal(state.sqrt_price_x96) ** 2 / 2**192 + 1
    assert got_raw < said.entered[1]


def test_the_twelve_positions_are_the_ones_of_the_file() -> None:
    said: Sequence[str] = json.loads((folder(NAME) / "peer_results_zelos_demeter_1.3.0.json").read_text())
    assert set(said) == {f"{a}..{b} half_width_ticks={width}" for a, b in SPANS for width in (500, 2_000, 20_000)}
