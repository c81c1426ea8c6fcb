"""One range strategy over a pool's minutes: asked only at beats that need an answer, executed at a later moment, every unit
counted. Refuses a latency below zero, ranges that the contract refuses, and to decide or act on a price that a gap has made old.

The pool goes on as recorded: our liquidity shares its fees, our swaps move nothing that is still there a minute later."""

from dataclasses import dataclass, replace

import numpy as np

from backtest.range_liquidity.decisions import Enter, Held, Keep, Leave, RangeStrategy, Seen
from backtest.range_liquidity.fees import Stay, fees_down_raw
from backtest.range_liquidity.minutes import PoolMinutes
from backtest.range_liquidity.swaps import Exchange, Swap, divided, worth_down_raw
from strategies.domain import Ticks
from strategies.errors import ActionRefused, BadTape, SettingsError
from strategies.protocols.uniswap_v3.arithmetic import (
    Book,
    Pair,
    amount0_up_raw,
    amount1_up_raw,
    amounts_for_liquidity_down_raw,
    check_bounds,
    liquidity_for_amounts_down_raw,
    sqrt_price_at_tick_x96,
)
from strategies.tape import Ints
from strategies.units import WAD, mul_div_up


@dataclass(frozen=True, slots=True, kw_only=True)
class Gas:
    """What moves burn, in the chain's history: held apart from the position, taken off its result."""

    price_wei: Ints  # [row]
    quote_raw_per_native: tuple[int, ...]  # [row]: base units of the quote token for 1e18 wei
    leave_gas: int  # decrease, collect and burn
    swap_gas: int
    enter_gas: int  # mint

    def cost_up_raw(self, row: int, gas: int) -> int:
        """In base units of the quote token."""
        return mul_div_up(gas * int(self.price_wei[row]), self.quote_raw_per_native[row], WAD)


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeSettings:
    """What a run is described by, besides its minutes."""

    name: str
    strategy: RangeStrategy
    opening_raw: Pair  # of token 0 and token 1
    latency_rows: int  # between the moment decided at and the moment executed at
    most_gap_seconds: int  # after more without a minute the price is old: nothing is decided or executed at that moment
    exchange: Exchange
    gas: Gas | None  # None: moves cost no gas


@dataclass(frozen=True, slots=True)
class Stretch:
    """What was held over the rows [first, stop): liquidity in a range, or nothing but idle tokens. Pairs are of token 0 and 1."""

    first: int
    stop: int
    held: Held | None
    idle_raw: Pair
    out_raw: Pair  # what the liquidity gives back at the moment `stop`
    fees_raw: Pair  # what it earned by then


@dataclass(frozen=True, slots=True)
class Step:
    """One answer that asked for a move, and what became of it: `failed` says why it did not happen as asked."""

    moment: int
    answer: Enter | Leave
    due: int | None  # None: the tape ends before it could be executed
    swap: Swap | None
    gas_raw: int  # in base units of the quote token
    failed: str


@dataclass(frozen=True, slots=True)
class RangeRun:
    """A finished run; curves and figures are computed from it."""

    minutes: PoolMinutes
    settings: RangeSettings
    stretches: tuple[Stretch, ...]  # without a gap, the last to the tape's end
    steps: tuple[Step, ...]
    asked: int  # how often the strategy was


@dataclass(frozen=True, slots=True)
class _Hands:
    """What is held since a row."""

    since: int
    held: Held | None
    idle_raw: Pair


@dataclass(frozen=True, slots=True)
class _Order:
    """An answer that asks for a move, when it was given, and whether there is liquidity to take out."""

    moment: int
    answer: Enter | Leave
    is_in: bool


def run_range(minutes: PoolMinutes, settings: RangeSettings) -> RangeRun:
    """The whole tape. Raises SettingsError, and ActionRefused where the contract would not take the range."""
    _check(minutes, settings)
    fresh = _fresh_rows(minutes, settings.most_gap_seconds)
    beats = _beats(minutes, fresh, settings.strategy.cadence_seconds)
    hands, stretches, steps = _Hands(0, None, settings.opening_raw), list[Stretch](), list[Step]()
    at = asked = 0
    while at < len(beats):
        moment = int(beats[at])
        answer = settings.strategy.answer(Seen(minutes, moment, hands.held, hands.idle_raw))
        at, asked = at + 1, asked + 1
        if isinstance(answer, Keep) or (isinstance(answer, Leave) and hands.held is None):
            continue
        due = _first_from(fresh, moment + settings.latency_rows)
        if due is None:
            steps.append(Step(moment, answer, None, None, 0, "the tape ends before it could be executed"))
            break
        ended = _ended(minutes, hands, due)
        hands, step = _moved(minutes, settings, _freed(hands, ended, due), _Order(moment, answer, hands.held is not None))
        stretches.extend(ended)
        steps.append(step)
        at = _next_question(minutes, beats, max(at, int(np.searchsorted(beats, due))), step)
    stretches.extend(_ended(minutes, hands, len(minutes)))
    return RangeRun(minutes, settings, tuple(stretches), tuple(steps), asked)


def net_down_raw(run: RangeRun, tick: int | None = None) -> int:
    """What everything is worth at the end, in base units of the quote token, gas taken off; at another tick's price if one is
    named. Fees count although they are not collected yet; the way out is not paid."""
    last = run.stretches[-1]
    at = int(run.minutes.moment_tick[-1]) if tick is None else tick
    out_raw = last.out_raw if last.held is None else _amounts_down_raw(last.held, at)
    total0, total1 = (sum(parts) for parts in zip(last.idle_raw, out_raw, last.fees_raw, strict=True))
    return worth_down_raw(at, (total0, total1), run.minutes.pool.quote) - sum(step.gas_raw for step in run.steps)


def fees_worth_down_raw(run: RangeRun, tick: int | None = None) -> int:
    """All fees in base units of the quote token: each stretch's at the price it ended at, the last one's at another tick's if one
    is named."""
    ends = [int(run.minutes.moment_tick[stretch.stop]) for stretch in run.stretches]
    if tick is not None:
        ends[-1] = tick
    quote = run.minutes.pool.quote
    return sum(worth_down_raw(end, stretch.fees_raw, quote) for end, stretch in zip(ends, run.stretches, strict=True))


def _check(minutes: PoolMinutes, settings: RangeSettings) -> None:
    if settings.latency_rows < 0:
        raise SettingsError(f"latency_rows is {settings.latency_rows}: it would execute before it decides; write 1 or more")
    if settings.strategy.cadence_seconds < 1:
        raise SettingsError(f"cadence_seconds is {settings.strategy.cadence_seconds}; write how many seconds to wait")
    if min(settings.opening_raw) < 0 or not any(settings.opening_raw):
        raise SettingsError(f"opening_raw is {settings.opening_raw}; a run begins with something of token 0 or token 1")
    gas = settings.gas
    if gas is not None and {len(gas.price_wei), len(gas.quote_raw_per_native)} != {len(minutes)}:
        said = f"{len(gas.price_wei)} rows of gas and {len(gas.quote_raw_per_native)} of its coin's price"
        raise BadTape(f"{said} for {len(minutes)} minutes; each minute needs one of both")


def _fresh_rows(minutes: PoolMinutes, most_gap_seconds: int) -> Ints:
    """Rows whose moment's price is the close of a recent row; the opening tick is as recent as can be."""
    steps = np.diff(minutes.timestamp, prepend=minutes.timestamp[0])
    return np.flatnonzero(steps <= most_gap_seconds)


def _beats(minutes: PoolMinutes, fresh: Ints, cadence_seconds: int) -> Ints:
    """The tape's first moment, and the first fresh one at or after each multiple of the cadence on the clock."""
    first, last = int(minutes.timestamp[0]), int(minutes.timestamp[-1])
    on_the_clock = np.arange(-(-first // cadence_seconds) * cadence_seconds, last + 1, cadence_seconds)
    rows = np.searchsorted(minutes.timestamp[fresh], on_the_clock)
    return np.unique(np.append(0, fresh[rows[rows < len(fresh)]]))


def _first_from(fresh: Ints, row: int) -> int | None:
    at = int(np.searchsorted(fresh, row))
    return int(fresh[at]) if at < len(fresh) else None


def _next_question(minutes: PoolMinutes, beats: Ints, at: int, step: Step) -> int:
    """The place of the next beat at which the answer wants a question. Later prices are read; only the place is told."""
    answer = step.answer
    if isinstance(answer, Leave) or answer.stay is None or step.failed:
        return at
    width = 64  # most stays are short or long: the window grows until an exit lies in it
    while at < len(beats):
        ticks = minutes.moment_tick[beats[at : at + width]]
        outside = (ticks < answer.stay.lower) | (ticks > answer.stay.upper)
        if outside.any():
            return at + int(np.argmax(outside))
        at, width = at + width, width * 4
    return len(beats)


def _ended(minutes: PoolMinutes, hands: _Hands, stop: int) -> tuple[Stretch, ...]:
    """What was held until a moment; none where it was held over no row."""
    if hands.held is None:
        return (Stretch(hands.since, stop, None, hands.idle_raw, (0, 0), (0, 0)),) if stop > hands.since else ()
    held, tick = hands.held, int(minutes.moment_tick[stop])
    fees_raw = fees_down_raw(minutes, Stay(hands.since, stop, held.ticks, held.liquidity_raw))
    return (Stretch(hands.since, stop, held, hands.idle_raw, _amounts_down_raw(held, tick), fees_raw),)


def _freed(hands: _Hands, ended: tuple[Stretch, ...], due: int) -> _Hands:
    """Everything taken out: liquidity and fees join what was idle."""
    if not ended:
        return hands
    idle0_raw, idle1_raw = (sum(parts) for parts in zip(ended[0].idle_raw, ended[0].out_raw, ended[0].fees_raw, strict=True))
    return _Hands(due, None, (idle0_raw, idle1_raw))


def _moved(minutes: PoolMinutes, settings: RangeSettings, free: _Hands, order: _Order) -> tuple[_Hands, Step]:
    """Divide and enter, as the answer says, with everything free at its due moment."""
    moment, answer, due, gas = order.moment, order.answer, free.since, settings.gas
    burnt = gas.leave_gas if gas and order.is_in else 0
    if isinstance(answer, Leave):
        return free, Step(moment, answer, due, None, _cost_raw(gas, due, burnt), "")
    check_bounds(Book(minutes.pool.tick_spacing, (), ()), answer.ticks)
    try:
        idle_raw, swap = divided(minutes, due, free.idle_raw, ticks=answer.ticks, split=answer.split, exchange=settings.exchange)
    except ActionRefused as error:
        return free, Step(moment, answer, due, None, _cost_raw(gas, due, burnt), str(error))
    price_x96, bounds_x96 = sqrt_price_at_tick_x96(int(minutes.moment_tick[due])), _bounds_x96(answer.ticks)
    liquidity_raw = liquidity_for_amounts_down_raw(price_x96, bounds_x96, idle_raw)
    burnt += gas.swap_gas if gas and swap else 0
    if not liquidity_raw:
        failed = "what is held is worth no liquidity in this range"
        return replace(free, idle_raw=idle_raw), Step(moment, answer, due, swap, _cost_raw(gas, due, burnt), failed)
    used_raw = _amounts_up_raw(price_x96, bounds_x96, liquidity_raw)
    held = Held(due, answer.ticks, liquidity_raw, int(minutes.moment_tick[moment]))
    burnt += gas.enter_gas if gas else 0
    left_raw = idle_raw[0] - used_raw[0], idle_raw[1] - used_raw[1]
    return _Hands(due, held, left_raw), Step(moment, answer, due, swap, _cost_raw(gas, due, burnt), "")


def _cost_raw(gas: Gas | None, row: int, burnt: int) -> int:
    return gas.cost_up_raw(row, burnt) if gas else 0


def _bounds_x96(ticks: Ticks) -> Pair:
    return sqrt_price_at_tick_x96(ticks.lower), sqrt_price_at_tick_x96(ticks.upper)


def _amounts_down_raw(held: Held, tick: int) -> Pair:
    """What the pool gives for all of a position (UniswapV3Pool.burn)."""
    return amounts_for_liquidity_down_raw(sqrt_price_at_tick_x96(tick), _bounds_x96(held.ticks), held.liquidity_raw)


def _amounts_up_raw(price_x96: int, bounds_x96: Pair, liquidity_raw: int) -> Pair:
    """What the pool takes for liquidity (UniswapV3Pool.mint)."""
    low_x96, high_x96 = bounds_x96
    within_x96 = min(max(price_x96, low_x96), high_x96)
    return amount0_up_raw(within_x96, high_x96, liquidity_raw), amount1_up_raw(low_x96, within_x96, liquidity_raw)
