"""Many sets of lending rotation decided together, row by row, as arrays [claim, set]: which markets each holds from when, in
float64. It is a screen and no ledger: it ranks sets, and draws heat maps; what is reported was run exactly.

Refuses to guess: a set that comes to something that floats or this file cannot settle (a market that cannot pay, a stance that
restrains, dust, an amount on the edge of a rule) has departed from that row on, and is run exactly in its stead. Until then it
decides as `LendingRotation.choose` and `rebalance.plan` do, sum for sum in their order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Final

import numpy as np

from backtest.prepared import Prepared
from backtest.runs import RunSettings
from backtest.sweep.board import Board, board_of, knows, padded
from backtest.sweep.preferred import Preferred
from backtest.sweep.space import ParameterSet, only_strategy, with_parameters
from strategies.assess import DUST_BPS
from strategies.domain import NATIVE
from strategies.errors import SettingsError
from strategies.lending_rotation import LendingRotation
from strategies.protocols.recorded_index import SUPPLY_GAS, WITHDRAW_GAS
from strategies.rebalance import Gate
from strategies.tape import Bools, Floats, Ints, Tape
from strategies.units import BPS, GWEI, SECONDS_PER_YEAR

EDGE: Final = 1e-9  # a comparison closer than this share of what is held is left to the integers,
ROUNDED: Final = 2  # and one closer than so many base units a claim and move, which the integers' roundings come to
NEVER: Final = -(2**62)


@dataclass(frozen=True, slots=True, eq=False)
class Moved:
    """Sets that moved at one row, and what they hold from there on."""

    row: int  # executed at
    sets: Ints
    columns: Ints  # [claim, set], in the tape's order; the number of markets where nothing is
    shares_raw: Floats  # [claim, set]
    idle_raw: Floats  # [set]
    gas: Ints  # [set], units of gas


@dataclass(frozen=True, slots=True, eq=False)
class Moves:
    """Everything that a group of sets with one cadence did."""

    sets: tuple[int, ...]  # their places among the sets that were asked for
    moved: tuple[Moved, ...]
    planned: tuple[tuple[int, Ints], ...]  # decision rows, by number, and the sets that made a plan there
    departed: Bools  # [set]: to be run exactly


@dataclass(frozen=True, slots=True)
class Looks:
    """Where a set makes a plan, by the number of the decision row, and how many of them execute."""

    at: tuple[int, ...]
    moves: int


def looks_of(groups: Sequence[Moves], count: int) -> tuple[Looks | None, ...]:
    """Of each of so many sets; None of one that has departed."""
    found: list[Looks | None] = [None] * count
    for group in groups:
        planned, moves = [list[int]() for _ in group.sets], np.zeros(len(group.sets), dtype=np.int64)
        for row, sets in group.planned:
            for one in sets.tolist():
                planned[one].append(row)
        for moved in group.moved:
            moves[moved.sets] += 1
        for place, rows, made, gone in zip(group.sets, planned, moves.tolist(), group.departed.tolist(), strict=True):
            found[place] = None if gone else Looks(tuple(rows), made)
    return tuple(found)


def refusal(settings: RunSettings) -> str:
    """Why the sets of a run cannot be evaluated together; empty where they can."""
    strategy, stance = only_strategy(settings), settings.decide.menu.stances[0]
    reasons = (
        (not isinstance(strategy, LendingRotation), f"{type(strategy).__name__} has no rule for many sets at once"),
        (not knows(settings.decide.menu.overlays(stance)), f"{stance} has an overlay whose limits are not known in advance"),
        (settings.most_moves is not None, "the run ends after a number of moves"),
        (settings.impact is not None, "our own size is counted, which every set has another of"),
        (any(said.binds for said in settings.terms.values()), "a market has terms of its own for coming in and going out"),
        (bool(settings.opening.positions), "the run begins with claims"),
    )
    return next((why for refused, why in reasons if refused), "")


def together(tape: Tape, settings: RunSettings, sets: Sequence[ParameterSet]) -> tuple[Moves, ...]:
    """All moves of all sets, in groups of one cadence. Raises SettingsError, or BadTape without recorded indices."""
    if why := refusal(settings):
        raise SettingsError(f"sets cannot be evaluated together: {why}")
    prepared, groups = Prepared(tape), dict[int, list[int]]()
    chosen = [with_parameters(settings, one) for one in sets]
    for at, one in enumerate(chosen):
        groups.setdefault(only_strategy(one).cadence_seconds, []).append(at)
    found = []
    for cadence_seconds, places in groups.items():
        table = _Table(prepared, cadence_seconds, settings, [chosen[at] for at in places])
        for at in range(len(prepared.rows(cadence_seconds))):
            table.decide(at)
        found.append(Moves(tuple(places), tuple(table.moved), tuple(table.planned), table.departed))
    return tuple(found)


@dataclass(frozen=True, slots=True, eq=False)
class _Wish:
    """What some sets want at a row. Claims wanted, [claim, set], stand beside those that are held, [claim, set]."""

    sets: Ints
    best: Ints  # the columns wanted
    have: Floats  # of each that is wanted, base units
    want: Floats
    kept: Floats  # shares of each that is wanted
    left: Ints  # the columns held
    leaving: Floats  # of each that is held and not wanted, base units
    given: Floats  # shares of each that is held and not wanted
    touched: Ints  # [set]: markets held or wanted
    total: Floats  # [set]: what is divided
    slack: Floats  # [set]: what integers may differ by
    least: Floats  # [set]: no smaller change is made


@dataclass(frozen=True, slots=True, eq=False)
class _Orders:
    """What it takes beside leaving, [claim wanted, set], and which sets cannot be told here."""

    less: Floats
    more: Floats
    gas: Ints  # [set]
    unsure: Bools  # [set]


class _Table:
    """The sets of one cadence: their rules and gates as columns, and what they hold."""

    def __init__(self, prepared: Prepared, cadence: int, settings: RunSettings, chosen: Sequence[RunSettings]) -> None:
        rules = [strategy for strategy in map(only_strategy, chosen) if isinstance(strategy, LendingRotation)]
        gates, count, asset = [one.decide.gate for one in chosen], len(chosen), settings.decide.asset
        self._board: Final[Board] = board_of(prepared.tape, prepared.rows(cadence), settings)
        self._preferred: Final = Preferred(prepared, cadence, rules)
        self._most_idle: Final = np.array([rule.max_idle_bps for rule in rules])
        self._gates: Final = _columns(gates)
        looks = sorted({gate.lookback_seconds for gate in gates})
        self._forecast: Final = np.stack([padded(prepared.forecast(cadence, seconds), 0.0) for seconds in looks])
        self._look: Final = np.searchsorted(looks, self._gates["lookback_seconds"])
        self._ether_wei: Final = sum(held.raw for held in settings.opening.idle if held.asset.address == NATIVE)
        self._gas_wei: Final = np.zeros(count)
        self._columns: Final = np.full((self._preferred.claims, count), self._board.markets)
        self._shares: Final = np.zeros((self._preferred.claims, count))
        self._idle: Final = np.full(count, float(settings.opening.idle_raw(asset)))
        self._rounded: Final = float(ROUNDED * (self._preferred.claims + 1))  # base units, a move
        self._slack: Final = np.full(count, self._rounded)
        self._free: Final = np.zeros(count, dtype=np.int64)
        self._moved_at: Final = np.full(count, NEVER)
        self.departed = np.zeros(count, dtype=np.bool_)
        self.moved: Final[list[Moved]] = []
        self.planned: Final[list[tuple[int, Ints]]] = []

    def decide(self, at: int) -> None:
        """One decision row for all sets."""
        board, columns = self._board, self._columns
        values = self._shares * board.index[at].take(columns)
        total = self._idle + values.sum(axis=0)
        ready = (self._free <= board.rows[at]) & ~self.departed
        best, wants = self._preferred.choose(at, columns)
        real = columns < board.markets
        dust = (((values - self._slack) * BPS <= total * (DUST_BPS * (1 + EDGE))) & real).any(axis=0)
        self.departed |= ready & (dust | (~wants & real[0] & self._unquiet(at, values, total)))
        some = np.flatnonzero(ready & wants & ~self.departed)
        if len(some):
            self._move(at, some, best.take(some, axis=1), values.take(some, axis=1))

    def _unquiet(self, at: int, values: Floats, total: Floats) -> Bools:
        """Whether something other than the rule may act on what is held: idle funds, or the stance."""
        board = self._board
        unquiet: Bools = ((self._idle + self._slack) * BPS > total * self._most_idle * (1 - EDGE)) | (self._most_idle == 0)
        if board.is_free:
            return unquiet
        values = values + self._slack
        restrained = values > board.stay_raw[at][self._columns]
        if board.stay_bps < BPS:
            restrained |= values * BPS > board.stay_bps * total * (1 - EDGE)
        unquiet |= restrained.any(axis=0)
        return unquiet

    def _move(self, at: int, some: Ints, best: Ints, values: Floats) -> None:
        """`rebalance.plan` for sets that want something else, and its execution at the due row."""
        board = self._board
        wish = self._wish(some, best, values)
        orders = self._orders(at, wish)
        opened, close = self._gated(at, wish, orders)
        supplies, acts = (orders.more > 0).any(axis=0), orders.gas > 0
        unsure = orders.unsure | (acts & (close | ~supplies))
        if not board.is_free:
            unsure |= self._barred(at, wish)
        self.departed[some[unsure]] = True
        go = acts & opened & ~unsure
        self._free[some[go]] = board.due[at]
        if go.any():
            self.planned.append((at, some[go]))
        go &= board.base_fee_due_wei[at] <= self._gates["max_base_fee_gwei"][some] * GWEI  # else it is held back when it is due
        if go.any() and board.due[at] < len(board.timestamp):
            self._execute(at, go, wish, orders)

    def _wish(self, some: Ints, best: Ints, values: Floats) -> _Wish:
        held, shares = self._columns.take(some, axis=1), self._shares.take(some, axis=1)
        real = best < self._board.markets
        alike = (best[:, None] == held[None]) & real[:, None]
        stays = alike.any(axis=0)
        have, kept = (alike * values[None]).sum(axis=1), (alike * shares[None]).sum(axis=1)
        leaving, given = np.where(stays, 0.0, values), np.where(stays, 0.0, shares)
        wanted = real.sum(axis=0)
        touched = wanted + (given > 0).sum(axis=0)
        total = np.maximum(0.0, self._idle[some] + values.sum(axis=0) - self._gates["touch_fee_raw"][some] * touched)
        want = real * (total / wanted)
        least = total * self._gates["min_change_bps"][some] / BPS
        return _Wish(some, best, have, want, kept, held, leaving, given, touched, total, EDGE * total + self._slack[some], least)

    def _barred(self, at: int, wish: _Wish) -> Bools:
        """Whether the stance may have something to say about what is wanted."""
        board, best = self._board, wish.best
        barred = board.shut[at][best]
        if board.cover_bps:
            barred |= (wish.want + wish.slack) * board.cover_bps > (board.payable_raw[at][best] - wish.have) * BPS * (1 - EDGE)
        if board.enter_bps < BPS:
            barred |= (wish.want + wish.slack) * BPS > board.enter_bps * wish.total * (1 - EDGE)
        any_barred: Bools = barred.any(axis=0)
        return any_barred

    def _orders(self, at: int, wish: _Wish) -> _Orders:
        """Withdrawals, then supplies in the tape's order out of what they make free."""
        payable, slack, excess = self._board.payable_raw[at] * (1 - EDGE), wish.slack, wish.have - wish.want
        floor = np.maximum(wish.least, 1.0)
        unsure = (wish.leaving + slack > payable.take(wish.left)).any(axis=0) | (wish.total <= slack)
        unsure |= ((wish.have > 0) & ((excess + slack > payable.take(wish.best)) | (np.abs(excess - floor) <= slack))).any(axis=0)
        less = np.where(excess >= floor, excess, 0.0)
        free = self._idle[wish.sets] + wish.leaving.sum(axis=0) + less.sum(axis=0)
        more = np.zeros_like(excess)
        for claim, wanted in enumerate(wish.best < self._board.markets):
            lack = np.minimum(-excess[claim], free)
            unsure |= wanted & (np.abs(lack - wish.least) <= slack)
            more[claim] = np.where((lack > 0) & (lack >= wish.least), lack, 0.0)
            free = free - more[claim]
        withdrawals = (wish.given > 0).sum(axis=0) + (less > 0).sum(axis=0)
        return _Orders(less, more, withdrawals * WITHDRAW_GAS + (more > 0).sum(axis=0) * SUPPLY_GAS, unsure)

    def _gated(self, at: int, wish: _Wish, orders: _Orders) -> tuple[Bools, Bools]:
        """Whether the gate is open to each set, and whether that is too close to say."""
        board, gates, sets = self._board, self._gates, wish.sets
        waited = int(board.timestamp[board.rows[at]]) - self._moved_at[sets] >= gates["min_wait_seconds"][sets]
        may = waited & (board.base_fee_wei[at] <= gates["max_base_fee_gwei"][sets] * GWEI)
        change = np.concatenate([orders.more - orders.less, -wish.leaving])
        rates = self._forecast[self._look[sets], at, np.concatenate([wish.best, wish.left])]
        terms = np.where(change != 0, change * rates, 0.0)
        per_rate = board.usd[at] * gates["horizon_seconds"][sets] / SECONDS_PER_YEAR
        gain = terms.sum(axis=0) * per_rate
        fees = gates["touch_fee_raw"][sets] * wish.touched * board.usd[at]
        cost = orders.gas * int(board.base_fee_wei[at]) * board.ether_usd[at] + fees
        multiple = gates["cost_multiple_bps"][sets]
        needed = cost * multiple / BPS
        unknown = np.where(change != 0, wish.slack * np.abs(rates), 0.0).sum(axis=0) * per_rate
        close = np.abs(gain - needed) <= EDGE * (np.abs(terms).sum(axis=0) * per_rate + needed) + unknown
        return may & ((gain > needed) | (multiple == 0)), may & close & (multiple != 0)

    def _execute(self, at: int, go: Bools, wish: _Wish, orders: _Orders) -> None:
        """What the sets hold from the due row on; one whose plan would fail there has departed."""
        board, going = self._board, np.flatnonzero(go)
        sets, best, left = wish.sets[going], wish.best.take(going, axis=1), wish.left.take(going, axis=1)
        less, given, gas = orders.less.take(going, axis=1), wish.given.take(going, axis=1), orders.gas[going]
        index, payable = board.index_due[at], board.payable_due_raw[at] * (1 - EDGE)
        paid, bought = given * index.take(left), orders.more.take(going, axis=1) - less
        shares = wish.kept.take(going, axis=1) + np.divide(bought, index.take(best), out=np.zeros_like(bought), where=bought != 0)
        calls = (given > 0).sum(axis=0) + (bought != 0).sum(axis=0)
        idle = self._idle[sets] + paid.sum(axis=0) - bought.sum(axis=0) - self._gates["touch_fee_raw"][sets] * calls
        self._gas_wei[sets] += gas * float(board.base_fee_due_wei[at])
        slack = wish.slack[going]
        fails = (paid + slack > payable.take(left)).any(axis=0) | (less + slack > payable.take(best)).any(axis=0)
        fails |= ~np.isfinite(shares).all(axis=0) | (idle < -slack) | (self._gas_wei[sets] > self._ether_wei * (1 - EDGE))
        self.departed[sets[fails]] = True
        columns = np.where(shares > 0, best, board.markets)
        if (columns != best).any():  # a supply too small to make leaves a gap
            order = np.argsort(columns, axis=0, kind="stable")
            columns, shares = np.take_along_axis(columns, order, axis=0), np.take_along_axis(shares, order, axis=0)
        self._columns[:, sets], self._shares[:, sets], self._idle[sets] = columns, shares, np.maximum(idle, 0.0)
        self._slack[sets] += self._rounded
        row = int(board.due[at])
        self._moved_at[sets] = board.timestamp[row]
        self.moved.append(Moved(row, sets, columns, shares, self._idle[sets], gas))


def _columns(gates: Sequence[Gate]) -> Mapping[str, Floats]:
    """Each field of the gates as a column, a set each; in floats, because base units outgrow 64 bits."""
    return {field.name: np.array([getattr(gate, field.name) for gate in gates], dtype=np.float64) for field in fields(Gate)}
