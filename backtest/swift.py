"""Moves between recorded markets in plain integers: what a plan and the recorded index's adapter do together, without a record
for each step, for runs that nobody judges. Every rule and every rounding is theirs: `rebalance.moves_of` and its gates,
`recorded_index`'s shares and values; that it comes to the same portfolio, to the unit, is tested.

Refuses nothing by itself: a move that the models would refuse does not happen."""

from collections.abc import Callable
from typing import Final, NamedTuple

from backtest.prepared import Prepared
from backtest.runs import RunSettings, Segment
from backtest.world import due_row_of, hindrance
from strategies.assess import own_impact_apr
from strategies.domain import NATIVE, Amount, Portfolio, Position
from strategies.errors import ProtocolError
from strategies.lending_rotation import equal_parts_wad
from strategies.protocols.recorded_index import SUPPLY_GAS, WITHDRAW_GAS, shares_bought_down, shares_sold_up, value_down
from strategies.rebalance import Change, Move, gain_apr, moves_of, not_worth_it, too_soon
from strategies.tape import Observation
from strategies.units import BPS, USD_E8, WAD, mul_div_down, mul_div_up


class Moved(NamedTuple):
    """What became of a choice."""

    due: int | None  # the row at which the move is due; None where no plan is made
    segment: Segment | None  # what is held from then on; None where it fails
    stuck_row: int | None  # from here on something that shall leave a market cannot


class Swift:
    """Equal parts of chosen columns, from what is held, at the decision rows of one run."""

    def __init__(self, prepared: Prepared, settings: RunSettings) -> None:
        tape, asked = prepared.tape, settings.decide
        cadence_seconds = asked.menu.strategies[0][1].cadence_seconds
        self._tape: Final = tape
        self._markets: Final = tape.deployment.markets
        self._columns: Final = tape.deployment.places
        self._prepared: Final = prepared
        self._settings: Final = settings
        self._gate: Final = asked.gate
        self._asset: Final = asked.asset
        self._one: Final = 10**asked.asset.decimals
        self._price: Final = tape.asset_rows[asked.asset]
        self._ether: Final = next((at for coin, at in tape.asset_rows.items() if coin.address == NATIVE), None)
        impact = settings.impact
        self._answering: Final = None if impact is None else prepared.own_size(asked.asset, impact).tape
        self._known: tuple[Portfolio, dict[int, int], int] = Portfolio(()), {}, 0  # as plain integers
        self._forecast: Final = prepared.forecast(cadence_seconds, asked.gate.lookback_seconds)

    def move(
        self, at: int, row: int, held_at: Callable[[int], Portfolio], *, moved_at: int | None, chosen: tuple[int, ...]
    ) -> Moved:
        """What becomes of the columns chosen at a decision row, given what is held at any row."""
        portfolio = held_at(row)
        shares, idle_raw = self._plain(portfolio)
        total_raw, changes = self._changes(row, shares, idle_raw, chosen)
        free_raw = idle_raw - self._gate.touch_fee_raw * len(changes)
        moves = moves_of(changes, free_raw, mul_div_up(total_raw, self._gate.min_change_bps, BPS))
        short = None
        for _, have_raw, want_raw, payable_raw in changes:
            if payable_raw < have_raw - want_raw and have_raw > want_raw:
                short = row
        if not moves or (
            moves[-1].raw > 0
            and self._is_gated(at, row, portfolio, moves=moves, changes=changes, total_raw=total_raw, moved_at=moved_at)
        ):
            return Moved(None, None, short)
        markets = self._markets
        left = [markets[at].id for at, raw, _ in moves if raw < 0]
        due = due_row_of(self._tape, row, self._settings, left)
        if due >= len(self._tape):
            return Moved(due, None, short)
        entered = [markets[at].id for at, raw, _ in moves if raw > 0]
        is_hindered = hindrance(self._tape, self._settings, due, left=left, entered=entered) != ""
        segment = None if is_hindered else self._moved(due, held_at(due), moves)
        return Moved(due, segment, due if short is None and segment is None and left else short)

    def _plain(self, portfolio: Portfolio) -> tuple[dict[int, int], int]:
        """Shares by column, and what is idle of the asset."""
        if portfolio is not self._known[0]:
            columns, address = self._columns, self._asset.address
            shares = {columns[held.market.id]: held.shares_raw for held in portfolio.positions}
            self._known = portfolio, shares, sum([idle.raw for idle in portfolio.idle if idle.asset.address == address])
        return self._known[1], self._known[2]

    def _changes(self, row: int, shares: dict[int, int], idle_raw: int, chosen: tuple[int, ...]) -> tuple[int, list[Change]]:
        said = self._prepared.said_at(row)
        have = {at: value_down(held_raw, said[at][0]) for at, held_raw in shares.items()}
        touched = sorted({*have, *chosen})
        total_raw = max(0, idle_raw + sum(have.values()) - self._gate.touch_fee_raw * len(touched))
        first_wad, *others_wad = equal_parts_wad(len(chosen))
        want = dict.fromkeys(chosen, mul_div_down(total_raw, others_wad[0], WAD) if others_wad else 0)
        want[chosen[0]] = mul_div_down(total_raw, first_wad, WAD)
        return total_raw, [Change(at, have.get(at, 0), want.get(at, 0), said[at][1] if at in have else 0) for at in touched]

    def _is_gated(
        self,
        at: int,
        row: int,
        portfolio: Portfolio,
        *,
        moves: list[Move],
        changes: list[Change],
        total_raw: int,
        moved_at: int | None,
    ) -> bool:
        """The gate of `rebalance`, whose impact is nil where a run does not count our own size."""
        tape, gate, base_fee_wei = self._tape, self._gate, int(self._tape.base_fee_wei[row])
        waited_seconds = None if moved_at is None else int(tape.timestamp[row]) - moved_at
        if too_soon(gate, base_fee_wei, waited_seconds):
            return True
        if not gate.cost_multiple_bps:
            return False
        try:
            impacts = self._impacts(row, portfolio, moves)
        except ProtocolError:
            return True
        price = int(tape.price_usd_e8[row, self._price])
        ether = 0 if self._ether is None else int(tape.price_usd_e8[row, self._ether])
        if not price or not ether:
            return True
        gas = sum([SUPPLY_GAS if raw > 0 else WITHDRAW_GAS for _, raw, _ in moves])
        burned_usd = gas * base_fee_wei / WAD * ether / USD_E8
        fees_usd = gate.touch_fee_raw * len(changes) / self._one * price / USD_E8
        have = {change.at: change.have_raw for change in changes}
        gain = gain_apr(moves, self._forecast[at].tolist(), impacts, have)
        return not_worth_it(gate, gain / total_raw * (total_raw / self._one * price / USD_E8), burned_usd + fees_usd) != ""

    def _impacts(self, row: int, portfolio: Portfolio, moves: list[Move]) -> dict[int, float]:
        """How much our own deposits lower the rates of what they enter. Raises ProtocolError where one would revert."""
        if self._answering is None:
            return {}
        seen = Observation(self._answering, row, self._settings.account, portfolio)
        markets = self._markets
        return {at: own_impact_apr(seen, markets[at], Amount(self._asset, raw)) for at, raw, _ in moves if raw > 0}

    def _moved(self, row: int, portfolio: Portfolio, moves: list[Move]) -> Segment | None:
        """The moves as the adapter makes them, one after the other."""
        shares, idle_raw = self._plain(portfolio)
        shares = shares.copy()
        said, gas, supplied_raw = self._prepared.said_at(row), 0, 0
        for at, raw, whole in moves:
            index_ray, payable_raw = said[at]
            held_raw = shares.get(at, 0)
            if raw > 0:
                bought_raw = shares_bought_down(raw, index_ray)
                if bought_raw <= 0 or raw > idle_raw:
                    return None
                shares[at], gas, supplied_raw = held_raw + bought_raw, gas + SUPPLY_GAS, supplied_raw + raw
                idle_raw -= raw
                continue
            owned_raw = value_down(held_raw, index_ray)
            out_raw = owned_raw if whole else -raw
            if out_raw <= 0 or out_raw > owned_raw or out_raw > payable_raw:
                return None
            shares[at] = 0 if out_raw == owned_raw else held_raw - shares_sold_up(out_raw, index_ray)
            idle_raw, gas = idle_raw + out_raw, gas + WITHDRAW_GAS
        idle_raw -= self._gate.touch_fee_raw * len(moves)
        fee_wei = gas * int(self._tape.base_fee_wei[row])
        left = self._left(portfolio, idle_raw, fee_wei)
        if left is None:
            return None
        markets = self._markets
        shares = {at: shares[at] for at in sorted(shares) if shares[at]}
        after = Portfolio(left, tuple([Position(markets[at], held_raw) for at, held_raw in shares.items()]))
        self._known = after, shares, idle_raw
        return Segment(row, after, fee_wei, supplied_raw)

    def _left(self, portfolio: Portfolio, idle_raw: int, fee_wei: int) -> tuple[Amount, ...] | None:
        """Idle amounts after the move; None where a fee cannot be paid."""
        left, burns = list[Amount](), False
        for idle in portfolio.idle:
            address, raw = idle.asset.address, idle.raw
            if address == self._asset.address:
                raw = idle_raw
            elif address == NATIVE:
                raw, burns = raw - fee_wei, True
            if raw < 0:
                return None
            left.append(Amount(idle.asset, raw))
        return tuple(left) if burns or not fee_wei else None
